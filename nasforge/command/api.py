"""Search from Python with the options and errors of the command; or ask a strategy from a loop of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasforge.config.configuration import compose
from nasforge.config.overrides import override
from nasforge.errors import OptionError
from nasforge.journal.records import flat

if TYPE_CHECKING:
    from nasforge.command.labelled_images import LabelledImages
    from nasforge.experiment.outcome import Outcome
    from nasforge.standalone.asking import AskTell


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


def ask_tell(
    strategy: str,
    space: str,
    *,
    seed: int = 0,
    objectives: Mapping[str, str] | None = None,
    constraints: Sequence[str] = (),
    evaluations: int | None = None,
    overrides: Sequence[str] = (),
    config_dir: str | PathLike[str] | None = None,
    **options: Any,
) -> AskTell:
    """Return a search whose candidates you evaluate with your own trainer.

    ```python
    search = nasforge.ask_tell("regularized_evolution", "nasbench201", seed=0, **{"strategy.population": 20})
    for _ in range(100):
        candidate = search.ask()
        network = search.space.build(candidate.architecture, (3, 32, 32), 10)
        search.tell(candidate, accuracy=my_trainer(network))
        search.save("search.json")  # nasforge.AskTell.load("search.json") continues after a crash
    print(search.result().architecture)
    ```

    Args:
        strategy, space: names of plug-ins; the strategy must be an `AskTellStrategy`.
        seed: the seed of all random draws; a run with this seed asks for the same candidates.
        objectives: "max" or "min" by metric, the main one first; None: {"accuracy": "max"}.
        constraints: bounds on metrics, such as "params_m<=1.0".
        evaluations: the number of candidates; None: no limit.
        overrides: arguments in the syntax of the command line.
        config_dir: a folder with your own configurations, like the command's --config-dir.
        options: options of the strategy and of the space, dotted or as nested dictionaries.

    Raises:
        UnknownNameError: there is no such strategy or space.
        AbilityError: the strategy cannot be asked and told, or the space lacks what it needs.
        OptionError: an option is invalid, or belongs neither to the strategy nor to the space.
    """
    from nasforge.standalone.asking import AskTell, Setting

    words = [*overrides, *(override(key, value) for key, value in flat(options).items())]
    for word in words:
        if word.lstrip("+").partition("=")[0].split(".")[0] not in ("strategy", "space"):
            raise OptionError(f"{word}: ask_tell takes options of the strategy and the space, as in strategy.batch=4")
    config = compose([f"strategy={strategy}", f"space={space}", *words], config_dir=config_dir).config
    goals = {"accuracy": "max"} if objectives is None else dict(objectives)
    return AskTell(Setting(config["strategy"], config["space"], seed, goals, list(constraints), evaluations))
