"""The network to export: of a run, or of an architecture that has not been trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from nasforge.architecture_files import typed
from nasforge.errors import OptionError
from nasforge.experiment.parts import Parts
from nasforge.export.classifier import Classifier
from nasforge.export.exporter import FoundNetwork
from nasforge.export.loaded_run import LoadedRun
from nasforge.export.naming import file_name, percent, size_facts
from nasforge.export.transform import Transform
from nasforge.journal.records import read_json
from nasforge.journal.run_folder import RunFolder
from nasforge.randomness import isolated
from nasforge.run.beginning import Beginning
from nasforge.wording import counted

CALIBRATION = 512
"""The number of training images from which ranges of activations are measured."""
TEST_BATCH = 256
"""The largest number of test images that are read at a time."""


def found_in(run: LoadedRun, *, fold: bool = False) -> FoundNetwork:
    """Return the trained network of a run.

    Raises:
        NasforgeError: the run has no trained network, or its files are damaged.
    """
    training, result = run.training, run.result
    retrained = training.result.retrain
    assert retrained is not None  # otherwise `training` raises
    accuracy = run.test_accuracy
    count = len(accuracy.by_seed)
    seed = accuracy.median_seed if run.seed is None else run.seed
    images = f" of {retrained.images:,} test images" if retrained.images else ""
    over_seeds = f"; {percent(accuracy.mean)} ± {percent(accuracy.std)} over {count} seeds" if count > 1 else ""
    facts = {
        "Architecture": str(run.architecture),
        "Test accuracy": f"{percent(accuracy.by_seed[seed])}{images}{over_seeds}",
    }
    if retrained.random is not None:
        random = percent(retrained.random.mean)
        random += f" ± {percent(retrained.random.std)}" if retrained.rows[2:] else ""  # the first row is the found one
        facts["Random architectures, trained alike"] = f"{random}. {retrained.sentence}".strip()
    if result.control is not None:
        facts["In the search"] = result.control.sentence
    facts |= size_facts(run.network, run.input_shape)
    facts["Training"] = f"{counted(retrained.epochs_of(seed), 'epoch')} on {training.result.data}, seed {seed}"
    beginning = Beginning.if_known(run.folder)
    if beginning is not None and beginning.command_line:
        version = read_json(RunFolder(run.folder).environment, dict).get("nasforge", "of unknown version")
        facts["How to reproduce it"] = f"{beginning.command_line} (nasforge {version})"
    verb = "trained" if result.strategy == "retrain" else f"found by {result.strategy}"
    return FoundNetwork(
        name=file_name(result.strategy, training.result.data),
        classifier=Classifier(run.network, run.transform, run.class_names),
        title=f"An image classifier for {training.result.data}, {verb} in the space {result.space} with nasforge.",
        facts=facts,
        cells=run.space.draw(run.space.validate(run.architecture)),
        fold=fold,
        calibration=_calibration(training.config),
        test=_test(training.config),
    )


def untrained(config: Mapping[str, Any], *, fold: bool = False) -> FoundNetwork:
    """Build the network of `architecture=` for the data's images, with `retrain.channels` and `retrain.cells`.

    Raises:
        NasforgeError: there is no architecture, or the configuration or the data are wrong.
    """
    if config["architecture"] is None:
        raise OptionError("export needs a run's folder, or architecture= with a preset's name, a notation or a file")
    parts = Parts(config)
    data, how = parts.data.for_search(parts.seed), parts.retraining
    architecture = parts.space.read(typed(config["architecture"]))
    preset = next((name for name, known in parts.space.presets.items() if known == architecture), None)
    with isolated(parts.seed):
        network = parts.space.build(
            architecture, data.input_shape, data.classes, channels=how.channels, cells=how.cells
        )
    return FoundNetwork(
        name=file_name(preset or parts.space.name, str(parts.data.name)),
        classifier=Classifier(
            network.eval(),
            Transform(
                data.input_shape,
                data.preprocessing.mean,
                data.preprocessing.std,
                parts.data.center,
                parts.data.resampling,
            ),
            data.class_names,
        ),
        title=f"{preset or 'An architecture'} of the space {parts.space.name} for {parts.data.name}: "
        "its weights are random, because it has not been trained.",
        facts={"Architecture": str(architecture), **size_facts(network, data.input_shape)},
        cells=parts.space.draw(architecture),
        trained=False,
        fold=fold,
        calibration=_calibration(config),
        test=_test(config),
    )


def _calibration(config: Mapping[str, Any]) -> Callable[[], Tensor]:
    """Reads training images when they are asked for."""

    def images() -> Tensor:
        data = Parts(config).data.for_search(0)
        chosen = data.subset(min(CALIBRATION, len(data.train))).train
        pixels: Tensor = chosen[torch.arange(len(chosen))][0]
        return pixels

    return images


def _test(config: Mapping[str, Any]) -> Callable[[], Iterator[tuple[Tensor, Tensor]]]:
    """Reads test images and their labels, some at a time: photos may be more than the memory holds."""

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        test = Parts(config).data.test
        yield from (test[positions] for positions in torch.split(torch.arange(len(test)), TEST_BATCH))

    return batches
