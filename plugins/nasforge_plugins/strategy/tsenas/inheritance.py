"""The weights that networks hand on to each other: the supernet's at first, then what the best have learned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from nasforge import (
    Architecture,
    Evaluation,
    OptionError,
    Run,
    WeightInheritance,
    Weights,
    WeightStore,
    rng_of,
    seed_of,
)

from .rough import Individual
from .supernet import CellSupernet

IMAGES, EPOCHS = "images", "supernet epochs"
"""Facts of a store that are written down, and do not have to be equal."""


class Inheritance:
    """The store of cell weights, version by version.

    Args:
        inherit: whether anything is to be handed on.
        store: a file of `weights/` in another run's folder; None trains the supernet.

    Attributes:
        trainer: the estimator that trains candidates; None if none does.
        active: whether its candidates inherit.
        weights: the newest version of the store; None where nothing is inherited, or before `begin`.
        compared: of networks that were trained from scratch as well, both evaluations, the one with inheritance first.

    Raises:
        RunError: `store` is none, or belongs to another space, width, number of classes or version.
        OptionError: there is a `store`, and nobody to inherit it.
    """

    def __init__(self, run: Run, *, inherit: bool, store: Path | None) -> None:
        self._run, self._space = run, run.space if isinstance(run.space, WeightInheritance) else None
        self.trainer = next((one for one in run.estimators if one.epochs), None)
        self.active = inherit and self.trainer is not None and self._space is not None
        self.weights: Weights | None = None
        self.compared: list[tuple[Evaluation, Evaluation]] = []
        self._versions = 0
        self._gone: set[str] = set()
        self._store = store
        if inherit and not self.active:
            why = "its space hands no weights on" if self.trainer else "no estimator of this search trains candidates"
            run.notes.append(f"nothing was inherited: {why}")
        if store is not None and not self.active:
            raise OptionError(f"strategy.store={store}: nothing is inherited in this search; leave it out")
        if store is not None and run.journal.find("weights", "version-0") is None:
            WeightStore.read(store, self.facts)

    @property
    def facts(self) -> dict[str, str]:
        """What a store must belong to."""
        assert self._space is not None  # asked for where something is inherited
        return {
            "space": self._space.name,
            **self._space.inheritance_facts,
            "channels": str(self.trainer.channels if self.trainer else None),
            "image channels": str(self._run.data.input_shape[0]),
            "classes": str(self._run.data.classes),
        }

    def begin(self, epochs: int, chains: int, sgd: Mapping[str, float]) -> None:
        """The first version: another search's store, or what the supernet of all cells learns now.

        The supernet does not see the images on which candidates are scored.

        Args:
            epochs, chains, sgd: of the supernet; see `CellSupernet`.
        """
        if not self.active:
            return
        store = self._store
        self._keep(lambda: WeightStore.read(store, self.facts) if store else self._trained(epochs, chains, sgd))
        assert self.weights is not None  # just now
        held = WeightStore.read(self.weights.path).facts
        if held.get(IMAGES) != self._images:
            self._run.notes.append(
                "the weight store was trained on other images than this search trains on; candidates may be scored on "
                "some of them"
            )
        if store is None and int(held[EPOCHS]) < epochs:
            self._run.notes.append(f"out of time: the supernet had {held[EPOCHS]} of its {epochs} epochs")

    def _trained(self, epochs: int, chains: int, sgd: Mapping[str, float]) -> WeightStore:
        """The store of a supernet, trained now."""
        trainer, space, data = self.trainer, self._space, self._run.data
        assert trainer is not None  # as in `active`
        assert space is not None
        rng = rng_of(self._run.seed, "supernet")
        supernet = CellSupernet(
            space, data.input_shape, data.classes, channels=trainer.channels, chains=chains, rng=rng, **sgd
        )
        self._run.fit(supernet, "supernet", epochs, data.split(trainer.held_out))
        done = len(supernet.history.get("train_loss", ()))
        return supernet.store({**self.facts, IMAGES: self._images, EPOCHS: str(done)})

    @property
    def _images(self) -> str:
        """The images on which this search trains, in a word."""
        held_out = self.trainer.held_out if self.trainer else 0.0
        return f"{seed_of(self._run.data.fingerprint, str(held_out)):x}"

    def refresh(self, population: Sequence[Individual]) -> None:
        """The next version: the store takes what the fittest has learned, then what the next best has of other cells,
        until all of it is new or nobody is left (steps 1 to 4 of the paper)."""
        if self.weights is None or self._space is None:
            return
        before, space = self.weights, self._space
        ranked = sorted(population, key=lambda one: one.cost)
        self._keep(lambda: WeightStore.read(before.path).refreshed(space, self._learned(ranked)))

    def _learned(self, population: Sequence[Individual]) -> Iterator[tuple[Architecture, dict[str, Tensor]]]:
        """Those who still have the weights that they ended with."""
        for one in population:
            if one.evaluation.weights and one.evaluation.weights not in self._gone:
                yield one.architecture, self._run.trained(one.evaluation)

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
        """Train the same networks from scratch, for as many epochs; not within the budget, nor when out of time."""
        if self.weights is None or self.trainer is None or self._run.out_of_time():
            return
        chosen = [one.evaluation for one in best if one.evaluation.ok]
        with self._run.timed("from scratch"):
            alone = self._run.score([one.architecture for one in chosen], self.trainer)
        self.compared = [pair for pair in zip(chosen, alone, strict=True) if pair[1].ok]
