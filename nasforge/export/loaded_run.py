"""A finished run in Python: what it found, the trained network, its evaluations and its curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from nasforge.architecture import Architecture, Evaluation
from nasforge.errors import NasforgeError, RunError
from nasforge.export.classifier import Classifier
from nasforge.export.trained import Accuracy, FinishedFolder
from nasforge.export.transform import AnyImage, Transform
from nasforge.journal.records import read_as, read_histories, well_formed
from nasforge.journal.run_folder import RunFolder
from nasforge.report.notebook import notebook_html
from nasforge.result import Candidate, SearchResult
from nasforge.space import Network, SearchSpace, Shape
from nasforge.wording import quantity

if TYPE_CHECKING:
    from pandas import DataFrame


def load(run: str | PathLike[str], *, seed: int | None = None) -> LoadedRun:
    """Load a finished search or retraining from its folder.

    ```python
    run = nasforge.load("runs/2026-01-31_12-00-00")
    print(run.test_accuracy, run.predict("cat.jpg"))
    logits = run.network(run.transform(images))
    ```

    Args:
        run: the folder of a search, or of a retraining.
        seed: which of the trained networks to use; None: the one with the median test accuracy.

    Raises:
        RunError: there is no run, it has not ended, or its files are damaged.
        OptionError: no network was trained with that seed.
    """
    loaded = LoadedRun(FinishedFolder.read(Path(run).absolute()), seed)
    if seed is not None:
        loaded.training.check_seed(seed)
    return loaded


@dataclass(frozen=True, eq=False, repr=False)
class LoadedRun:
    """A finished run; make it with `load`. Networks, images and tables are read when they are first asked for.

    Without a trained network, `network`, `predict`, `trained` and `test_accuracy` raise a `RunError` with the command
    that trains one.

    Attributes:
        seed: which of the trained networks to use; None: the one with the median test accuracy.
    """

    _run: FinishedFolder
    seed: int | None = None

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self._run.folder

    @property
    def result(self) -> SearchResult:
        """The content of `result.json`."""
        return self._run.result

    @property
    def architecture(self) -> Architecture:
        """The architecture that was found, or retrained."""
        return self.result.architecture

    @property
    def space(self) -> SearchSpace:
        """The search space; an `UnknownNameError` if its package is not installed."""
        return self._run.space

    @cached_property
    def _retrainings(self) -> list[FinishedFolder]:
        """The runs that trained the architecture: this one, or else the finished retrainings in its folder."""
        return [self._run] if self.result.retrain is not None else self.later_trainings

    @cached_property
    def later_trainings(self) -> list[FinishedFolder]:
        """The finished retrainings of the architecture in the run's folder."""
        folders = sorted(self.folder.glob("retrain-*"))
        finished = [FinishedFolder.read(folder) for folder in folders if RunFolder(folder).has_ended]
        return [retraining for retraining in finished if retraining.result.architecture == self.architecture]

    @property
    def training(self) -> FinishedFolder:
        """The run whose networks these are: this one, or the only retraining in its folder.

        Raises:
            RunError: there is none, or there are several; the message says what to do.
        """
        if len(self._retrainings) == 1:
            return self._retrainings[0]
        if self._retrainings:
            folders = ", ".join(str(retraining.folder) for retraining in self._retrainings)
            raise RunError(f"{self.folder} trained no network itself, and was retrained several times; load {folders}")
        for folder in sorted(self.folder.glob("retrain-*")):
            if not RunFolder(folder).has_ended:
                raise RunError(f"{folder} has not ended yet; `nasforge resume {folder}` continues it")
        data = "" if self._run.reads_images else " data=NAME"
        command = f"nasforge retrain {self.folder}{data} retrain.seeds=1"
        raise RunError(f"{self.folder} holds no trained network; `{command}` trains the one it found")

    @property
    def test_accuracy(self) -> Accuracy:
        """The test accuracies of the trained networks: mean, deviation, and by seed."""
        return self.training.accuracy

    @cached_property
    def _classifier(self) -> Classifier:
        return self.trained(self.seed)

    def trained(self, seed: int | None = None) -> Classifier:
        """Return the network that was trained with `seed`, with its transform and its classes.

        Raises:
            OptionError: no network was trained with that seed.
            RunError: no network was trained, or its weights are missing or altered.
        """
        return self.training.classifier(seed)

    @property
    def network(self) -> Network:
        """The trained network, in eval mode, in float32, on the CPU: images (B, C, H, W) to logits (B, classes)."""
        return self._classifier.network

    def predict(self, image: AnyImage) -> Mapping[str, float]:
        """Return the probability of each class, the most probable first; the arguments are those of `transform`."""
        return self._classifier.predict(image)

    @property
    def _images(self) -> tuple[Transform, tuple[str, ...]]:
        return (self._retrainings[0] if len(self._retrainings) == 1 else self._run).images

    @property
    def transform(self) -> Transform:
        """Maps images, arrays and files to what the network reads; `RunError` if the run read no images."""
        return self._images[0]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the logits."""
        return self._images[1]

    @property
    def input_shape(self) -> Shape:
        """Shape (C, H, W) of the images that the network reads."""
        return self.transform.input_shape

    def evaluations(self) -> DataFrame:
        """Return one row per evaluation, in the order of request, and one column per metric.

        The other columns are `number` (from 1), `notation`, `status` ("ok", "failed" or "infeasible"), `reason`,
        and `epochs` if the strategy chose after how many to evaluate.
        """
        import pandas

        path = RunFolder(self.folder).evaluations
        candidates: list[Candidate] = read_as(path, list[Candidate]) if path.exists() else []
        columns = {
            "number": range(1, len(candidates) + 1),
            "notation": [candidate.notation for candidate in candidates],
            "status": [candidate.status for candidate in candidates],
            "reason": [candidate.reason for candidate in candidates],
        }
        if any(candidate.epochs for candidate in candidates):
            columns["epochs"] = [candidate.epochs for candidate in candidates]
        metrics = pandas.DataFrame([candidate.metrics for candidate in candidates], dtype=float)
        return pandas.concat([pandas.DataFrame(columns), metrics], axis=1)

    def candidates(self) -> list[Evaluation]:
        """Return every evaluation with its architecture, in the order of request."""
        return self._run.evaluations

    def curves(self) -> DataFrame:
        """Return the history of every fit of this run in long form: columns `fit`, `epoch` (from 1), `metric`, `value`.

        A value is NaN where an epoch has none.
        """
        import pandas

        rows = []
        with well_formed(self.folder):
            for fit, history in read_histories(RunFolder(self.folder)).items():
                for metric, values in history["metrics"].items():
                    rows += [(fit, epoch, metric, value) for epoch, value in enumerate(values, start=1)]
        return pandas.DataFrame(rows, columns=["fit", "epoch", "metric", "value"]).astype({"value": float})

    def __repr__(self) -> str:
        return f"<nasforge run {self.folder}: {', '.join(filter(None, (self._headline, self._accuracy)))}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the cells, whether they are better than random ones, and how accurate."""
        try:
            graphs, problem = self.space.draw(self.space.validate(self.architecture)), ""
        except NasforgeError as error:  # a package that is gone must not hide the rest
            graphs, problem = [], str(error)
        known = self.result.by_metric
        metrics = ", ".join(quantity(known.get(name, name), value) for name, value in self.result.metrics.items())
        return notebook_html(self.folder, self.result, graphs, [self._headline, metrics, self._accuracy, problem])

    @property
    def _headline(self) -> str:
        result = self.result
        verb = "retrained" if result.strategy == "retrain" else f"found by {result.strategy}"
        images = f" on {result.data}" if result.data else ""
        return f"{result.space} architecture {verb}{images}, seed {result.seed}"

    @property
    def _accuracy(self) -> str:
        """The test accuracy in words; empty without a trained network."""
        try:
            training = self.training
            elsewhere = "" if training is self._run else f", trained in {training.folder.name}"
            return f"test accuracy {training.accuracy}{elsewhere}"
        except NasforgeError:
            return ""
