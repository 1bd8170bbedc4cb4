"""The networks that a finished run trained from scratch, read back from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args

from safetensors.torch import load_file

from nasforge.architecture import Architecture, Evaluation
from nasforge.config.configuration import check_whole
from nasforge.data import Resampling
from nasforge.errors import OptionError, RunError, UnknownNameError
from nasforge.experiment.outcome import existing
from nasforge.experiment.retraining_options import Retraining
from nasforge.export.classifier import Classifier
from nasforge.export.transform import Transform
from nasforge.journal.journal import altered, file_digest, read_backwards
from nasforge.journal.records import read_as, read_json, well_formed
from nasforge.journal.run_folder import RunFolder
from nasforge.randomness import isolated
from nasforge.registry.entry_points import build, registry
from nasforge.registry.options import checked
from nasforge.result import Candidate, SearchResult, TrainedNetwork, median_seed
from nasforge.run.beginning import Config, read_config
from nasforge.run.ending import check_left
from nasforge.run.guests import guests_explained
from nasforge.space import Network, SearchSpace


@dataclass(frozen=True)
class Accuracy:
    """The share of the test images that trained networks recognize.

    Attributes:
        mean, std: over the seeds; the sample standard deviation, 0 for a single seed.
        by_seed: of the network that was trained with each seed.
    """

    mean: float
    std: float
    by_seed: Mapping[int, float]

    def __str__(self) -> str:
        return f"{self.mean:.2%} ± {self.std:.2%}" if len(self.by_seed) > 1 else f"{self.mean:.2%}"

    @property
    def median_seed(self) -> int:
        """The seed of the network with the median accuracy; of two in the middle, the less accurate one."""
        return median_seed(self.by_seed)


@dataclass(frozen=True, eq=False)
class FinishedFolder:
    """What a finished search or retraining left in its folder, unaltered.

    Attributes:
        config: the resolved configuration.
        result: the content of `result.json`.
    """

    folder: Path
    config: Config
    result: SearchResult

    @classmethod
    def read(cls, folder: Path) -> FinishedFolder:
        """Read a folder; a `RunError` says that it holds no run, that the run has not ended, or what is damaged."""
        config = read_config(folder)
        existing(RunFolder(folder).result)
        check_left(folder)
        return cls(folder, config, read_as(RunFolder(folder).result, SearchResult))

    @cached_property
    def space(self) -> SearchSpace:
        """The search space; an `UnknownNameError` if its package is not installed."""
        if (name := self.result.space) not in registry("space"):
            with guests_explained(self.folder):
                raise UnknownNameError(
                    f"{self.folder} has searched the space '{name}', which no installed package has; install the "
                    "package that it came from."
                )
        space: SearchSpace = build("space", self.config["space"])
        return space

    @cached_property
    def _facts(self) -> Mapping[str, Any]:
        return cast(Mapping[str, Any], read_json(RunFolder(self.folder).data, dict))

    @property
    def reads_images(self) -> bool:
        """Whether the run read images; a search on a table reads none."""
        return "input shape" in self._facts

    @cached_property
    def images(self) -> tuple[Transform, tuple[str, ...]]:
        """What maps images to a network's input, and the class names; `RunError` if the run read no images."""
        facts = self._facts
        if not self.reads_images:
            raise RunError(f"{self.folder} read no images; `nasforge retrain {self.folder} data=NAME` trains on some")
        with well_formed(self.folder):
            channels, height, width = map(int, facts["input shape"])
            mean, std = (tuple(map(float, facts[key])) for key in ("mean", "deviation"))
            center, filters = float(facts.get("center", 1)), {name: name for name in get_args(Resampling)}
            resampling = filters[facts.get("resampling", "lanczos")]  # older runs record neither
            transform = Transform((channels, height, width), mean, std, center, resampling)
            return transform, tuple(map(str, facts["class names"]))

    @property
    def evaluations(self) -> list[Evaluation]:
        """Every evaluation with its architecture, in the order of request; `RunError` if a file is damaged."""
        path = RunFolder(self.folder).evaluations
        candidates = read_as(path, list[Candidate]) if path.exists() else []
        with well_formed(self.folder):
            lines = [line["architecture"] for _, line in read_backwards(self.folder, "estimate")]
            known = {str(architecture): architecture for architecture in map(Architecture.from_json, lines)}
            return [Evaluation(known[row.notation], row.metrics, row.status, row.reason) for row in candidates]

    @property
    def accuracy(self) -> Accuracy:
        """The test accuracies of the networks that were trained here."""
        with well_formed(self.folder):
            row = self._row
            return Accuracy(row.mean, row.std, dict(zip(row.seeds, row.test_accuracy, strict=True)))

    @property
    def _row(self) -> TrainedNetwork:
        if self.result.retrain is None:
            raise RunError(f"{self.folder} holds no trained network")
        return self.result.retrain.rows[0]

    def classifier(self, seed: int | None) -> Classifier:
        """Return a network that was trained here.

        Args:
            seed: of its training; None: the one with the median test accuracy.

        Raises:
            OptionError: no network was trained with that seed.
            RunError: its weights are missing, or not those that the journal names.
        """
        chosen = self.accuracy.median_seed if seed is None else seed
        self.check_seed(chosen)
        return Classifier(self._network(chosen), *self.images)

    def check_seed(self, seed: int) -> None:
        """Raise an `OptionError` if no network was trained here with `seed`."""
        if seed not in (by_seed := self.accuracy.by_seed):
            seeds = ", ".join(map(str, by_seed))
            raise OptionError(f"seed={seed}: the networks in {self.folder} were trained with the seeds {seeds}")

    def _network(self, seed: int) -> Network:
        """Build the network as it was trained, and give it the weights of its last epoch."""
        check_whole(self.config)
        how = checked(Retraining, self.config["retrain"], where="retrain")
        transform, class_names = self.images
        with isolated(0):
            network = self.space.build(
                self.space.validate(self.result.architecture),
                transform.input_shape,
                len(class_names),
                channels=how.channels,
                cells=how.cells,
                auxiliary=how.auxiliary,
            )
        path = self._weights(f"retrain/found/seed-{seed}")
        prefix = "network."  # the name of the network in the module that was trained
        tensors = load_file(path).items()
        weights = {name.removeprefix(prefix): tensor for name, tensor in tensors if name.startswith(prefix)}
        try:
            network.load_state_dict(weights)
        except RuntimeError:
            raise RunError(
                f"the weights in {path} do not fit the network that space '{self.space.name}' builds now; "
                "use the version of its package that trained them"
            ) from None
        return network.float().eval()

    def _weights(self, fit: str) -> Path:
        """The file with the weights of a finished fit, which must be what the journal says."""
        files = RunFolder(self.folder)
        path = files.fits / fit / "weights.safetensors"
        number, line = next(
            ((number, line) for number, line in read_backwards(self.folder, "fit") if line.get("name") == fit),
            (0, {}),
        )
        if not line:
            raise RunError(f"{files.journal} does not say that '{fit}' has finished, so {path} cannot be trusted")
        if not (path.is_file() and file_digest(path) == line.get("weights")):
            raise altered(path, files.journal, number)
        return path
