"""The weights that networks hand on to each other: the supernet's at first, then what the best have learned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from nasforge import (
    Architecture,
    Estimator,
    Evaluation,
    OptionError,
    Run,
    WeightInheritance,
    Weights,
    WeightStore,
    rng_of,
)

from .rough import Individual
from .supernet import CellSupernet


class Inheritance:
    """The store of cell weights, version by version.

    Attributes:
        trainer: the estimator that trains candidates; None if none does, or nothing is to be inherited.
        weights: the newest version of the store; None without a trainer, or before `begin`.
        compared: of networks that were trained from scratch as well, both evaluations, the one with inheritance first.
    """

    def __init__(self, run: Run, *, inherit: bool) -> None:
        trains = next((one for one in run.estimators if one.epochs), None)
        self._run, self._space = run, run.space if isinstance(run.space, WeightInheritance) else None
        self.trainer: Estimator | None = trains if inherit and self._space else None
        self.weights: Weights | None = None
        self.compared: list[tuple[Evaluation, Evaluation]] = []
        self._versions = 0
        self._gone: set[str] = set()
        if inherit and self.trainer is None:
            why = "no estimator of this search trains candidates" if trains is None else "its space hands no weights on"
            run.notes.append(f"nothing was inherited: {why}")

    def begin(self, store: Path | None, epochs: int, chains: int, sgd: Mapping[str, float]) -> None:
        """The first version: another search's store, or what the supernet of all cells learns now.

        It does not see the images on which candidates are scored.

        Args:
            store: a file of `weights/` in another run's folder; None trains the supernet.
            epochs, chains, sgd: of the supernet; see `CellSupernet`.

        Raises:
            RunError: `store` is none, or belongs to another space, width, number of classes or version.
            OptionError: there is a `store`, and nobody to inherit it.
        """
        if self.trainer is None or self._space is None:
            if store is not None:
                raise OptionError(f"strategy.store={store}: nothing is inherited in this search; leave it out")
            return
        facts = facts_of(self.trainer, self._run)
        if store is not None:
            first = WeightStore.read(store, facts)
            self._keep(lambda: first)
            return
        data = self._run.data
        supernet = CellSupernet(
            self._space, data.input_shape, data.classes, channels=self.trainer.channels, chains=chains,
            rng=rng_of(self._run.seed, "supernet"), **sgd,
        )  # fmt: skip
        self._run.fit(supernet, "supernet", epochs, data.split(self.trainer.held_out))
        self._keep(lambda: supernet.store(facts))

    def refresh(self, population: Sequence[Individual]) -> None:
        """The next version: the store takes what the fittest has learned, then what the next best has of other cells,
        until all of it is new or nobody is left (steps 1 to 4 of the paper)."""
        if self.weights is None or self._space is None:
            return
        before, space = self.weights, self._space
        ranked = sorted(population, key=lambda one: one.cost)
        self._keep(lambda: WeightStore.read(before.path).refreshed(space, self._trained(ranked)))

    def _trained(self, population: Sequence[Individual]) -> Iterator[tuple[Architecture, dict[str, Tensor]]]:
        """Those who still have the weights that they ended with."""
        for one in population:
            if one.evaluation.weights and one.evaluation.weights not in self._gone:
                yield one.architecture, load_file(self._run.folder / one.evaluation.weights)

    def _keep(self, make: Callable[[], WeightStore]) -> None:
        self.weights = self._run.store(f"version-{self._versions}", make)
        self._versions += 1

    def forget(self, everyone: Collection[Individual], staying: Collection[Individual]) -> None:
        """Delete the weights of whoever no longer stays: a search of the paper's size would leave gigabytes behind."""
        kept = {one.evaluation.weights for one in staying}
        for name in {one.evaluation.weights for one in everyone} - kept - self._gone - {None}:
            (self._run.folder / str(name)).unlink(missing_ok=True)
            self._gone.add(str(name))

    def compare(self, best: Sequence[Individual]) -> None:
        """Train the same networks from scratch, for as many epochs and outside the search's budget."""
        if self.trainer is not None:
            chosen = [one.evaluation for one in best if one.evaluation.ok]
            alone = self._run.score([one.architecture for one in chosen], self.trainer)
            self.compared = [pair for pair in zip(chosen, alone, strict=True) if pair[1].ok]


def facts_of(trainer: Estimator, run: Run) -> dict[str, str]:
    """What a store belongs to."""
    return {
        "space": run.space.name,
        "channels": str(trainer.channels),
        "image channels": str(run.data.input_shape[0]),
        "classes": str(run.data.classes),
    }
