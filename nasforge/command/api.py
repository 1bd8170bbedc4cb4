"""Search from Python, with the same options, errors and results as the command."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasforge.config.configuration import compose
from nasforge.config.overrides import override
from nasforge.journal.records import flat

if TYPE_CHECKING:
    from nasforge.command.labelled_images import LabelledImages
    from nasforge.experiment.outcome import Outcome


def search(
    strategy: str | None = None,
    space: str | None = None,
    data: str | LabelledImages | None = None,
    *,
    test: LabelledImages | None = None,
    class_names: Sequence[str] | None = None,
    run_dir: str | PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    config_dir: str | PathLike[str] | None = None,
    quiet: bool = False,
    **options: Any,
) -> Outcome:
    """Run a search and return its outcome.

    ```python
    outcome = nasforge.search("egnas", "darts", seed=1, budget={"seconds": 60}, **{"data.batch_size": 32})
    print(outcome.architecture, outcome.folder)
    outcome = nasforge.search("darts", data=(images, labels), test=(test_images, test_labels))
    ```

    Data in memory are written once, as uint8, to `images.npz` in the run's folder, from which `nasforge resume` and
    `nasforge retrain` read them; `data.pad`, `data.flip` and the other options are those of `data=arrays`.

    Args:
        strategy, space, data: names of plug-ins; None: the command's defaults. `data` may also be images in memory: a
            pair (images, labels), a torch `Dataset` of such pairs without random augmentation, or a Hugging Face
            `Dataset` with the columns `image` and `label`. Images have one size; they are PIL images, or arrays or
            tensors (N, H, W), (N, H, W, C) or (N, C, H, W) of uint8, or of floats from 0 to 1. Labels are whole numbers
            from 0.
        test: test images, likewise; None: a class-balanced fifth of `data` is held out.
        class_names: of data in memory, in the order of the labels; None: those of the dataset, or the labels.
        run_dir: the run's folder; by default a folder in `runs/` named after the current time.
        overrides: arguments in the syntax of the command line, for those that are not options ("+experiment=...").
        config_dir: a folder with your own configurations, like the command's --config-dir.
        quiet: whether to print nothing at all.
        options: any other key of the configuration, dotted or as nested dictionaries.

    Raises:
        NasforgeError: with the message that the command prints.
    """
    from nasforge.command.in_memory import InMemory, check_no_extras, is_in_memory
    from nasforge.experiment import experiment
    from nasforge.run.progress import Detail, Progress

    images = InMemory.of(data, test, class_names) if is_in_memory(data) else None
    if images is None:
        check_no_extras(test, class_names)
    chosen = {"strategy": strategy, "space": space, "data": "arrays" if images else data}
    named = {kind: name for kind, name in chosen.items() if name is not None}
    words = [*overrides, *(override(key, value) for key, value in flat({**named, **options}).items())]
    composition = compose(words, config_dir=config_dir)
    flags = [] if config_dir is None else [f"--config-dir={config_dir}"]
    progress = Progress(detail=Detail.NOTHING if quiet else Detail.ALL)
    folder = Path(run_dir) if run_dir else composition.folder
    config, words = composition.config, [*flags, *composition.words]
    if images is None:
        return experiment.search(config, folder, words, progress=progress)
    experiment.check_free(folder)
    with images.written(folder.absolute()) as path:
        config["data"]["path"] = str(path)
        return experiment.search(config, folder, [*words, override("data.path", path)], progress=progress)
