"""Evaluation by cell-based weight inheritance (section IV.B.2): no network is trained twice, and each one begins with
the supernet's weights at first, later with what the best networks have learned."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from nasforge import (
    Architecture,
    Evaluation,
    OptionError,
    Run,
    SGDOptions,
    WeightInheritance,
    Weights,
    WeightStore,
    entries,
    rng_of,
    seed_of,
)
from nasforge_plugins.shared.cell_chain import CellChain
from nasforge_plugins.shared.generations import Generation

from .supernet import CellSupernet, CellSupernetOptions

IMAGES, EPOCHS = "images", "supernet epochs"
"""Facts that a store records but that need not match."""
Trained = tuple[Architecture, Mapping[str, Tensor]]
"""An architecture and its network's trained tensors by their names in `state_dict`."""


@dataclass(frozen=True)
class Individual:
    """One network of the population.

    Attributes:
        evaluation: what the estimators measured.
        cost: the fitness, to be minimized; infinite if the network could not be evaluated.
        depth: N, the number of cells.
    """

    evaluation: Evaluation
    cost: float
    depth: int

    @property
    def architecture(self) -> Architecture:
        """Both layers of the encoding."""
        return self.evaluation.architecture


class Inheritance:
    """The versions of the weight store.

    Args:
        inherit: whether candidates should inherit at all.
        store: a file from `weights/` of another run; None trains the supernet.

    Attributes:
        trainer: the estimator that trains candidates, if any.
        active: whether candidates inherit.
        weights: the newest version; None before `begin`, or if nothing is inherited.
        compared: for each network that was also trained from scratch, its evaluations (inherited, from scratch).

    Raises:
        RunError: `store` is not a weight store, or it belongs to another space, width, number of classes or version.
        OptionError: `store` is given, but candidates do not inherit.
    """

    def __init__(self, run: Run, *, inherit: bool, store: Path | None) -> None:
        self._run, self._space = run, run.space if isinstance(run.space, WeightInheritance) else None
        self.trainer = next((estimator for estimator in run.estimators if estimator.epochs), None)
        self.active = inherit and self.trainer is not None and self._space is not None
        self.weights: Weights | None = None
        self.compared: list[tuple[Evaluation, Evaluation]] = []
        self._versions = 0
        self._deleted: set[str] = set()
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
        """What a store must match."""
        assert self._space is not None  # only an active inheritance reads its facts
        return {
            "space": self._space.name,
            **self._space.inheritance_facts,
            "channels": str(self.trainer.channels if self.trainer else None),
            "image channels": str(self._run.data.input_shape[0]),
            "classes": str(self._run.data.classes),
        }

    def begin(self, supernet: CellSupernetOptions, optimizer: SGDOptions) -> None:
        """Make the first version: another search's store, or what the supernet of all known cells learns now.

        The supernet does not see the images that score the candidates.

        Args:
            optimizer: of the supernet's weights.
        """
        if not self.active:
            return
        store = self._store
        self._keep(lambda: WeightStore.read(store, self.facts) if store else self._trained(supernet, optimizer))
        assert self.weights is not None  # `_keep` has set it
        facts = WeightStore.read(self.weights.path).facts
        if facts.get(IMAGES) != self._images:
            self._run.notes.append(
                "the weight store was trained on other images than this search trains on; candidates may be scored on "
                "some of them"
            )
        if store is None and int(facts[EPOCHS]) < supernet.epochs:
            self._run.notes.append(f"out of time: the supernet had {facts[EPOCHS]} of its {supernet.epochs} epochs")

    def _trained(self, options: CellSupernetOptions, optimizer: SGDOptions) -> WeightStore:
        """Train the supernet and record the weights of its cells."""
        trainer, space, data = self.trainer, self._space, self._run.data
        assert trainer is not None  # as in `active`
        assert space is not None
        rng = rng_of(self._run.seed, "supernet")
        supernet = CellSupernet(
            space,
            data.input_shape,
            data.classes,
            channels=trainer.channels,
            chains=options.chains,
            rng=rng,
            optimizer=optimizer,
        )
        self._run.fit(supernet, "supernet", options.epochs, data.split(trainer.held_out))
        done = len(supernet.history.get("train_loss", ()))
        return supernet.store({**self.facts, IMAGES: self._images, EPOCHS: str(done)})

    @property
    def _images(self) -> str:
        """A digest of the images that this search trains on."""
        held_out = self.trainer.held_out if self.trainer else 0.0
        return f"{seed_of(self._run.data.fingerprint, str(held_out)):x}"

    def refresh(self, population: Sequence[Individual]) -> None:
        """Make the next version from what the population has learned."""
        if self.weights is None or self._space is None:
            return
        before, space = self.weights, self._space
        ranked = sorted(population, key=lambda individual: individual.cost)
        self._keep(lambda: refreshed(WeightStore.read(before.path), space, self._learned(ranked)))

    def _learned(self, population: Sequence[Individual]) -> Iterator[Trained]:
        """The networks whose trained weights are still on disk."""
        for individual in population:
            evaluation = individual.evaluation
            if evaluation.weights and evaluation.weights not in self._deleted:
                yield individual.architecture, self._run.trained(evaluation)

    def _keep(self, make: Callable[[], WeightStore]) -> None:
        self.weights = self._run.store(f"version-{self._versions}", make)
        self._versions += 1

    def forget(self, individuals: Collection[Individual], survivors: Collection[Individual]) -> None:
        """Delete the weights of all but the survivors: a search of the paper's size would leave gigabytes behind."""
        kept = {individual.evaluation.weights for individual in survivors}
        for name in {individual.evaluation.weights for individual in individuals} - kept - self._deleted - {None}:
            (self._run.folder / str(name)).unlink(missing_ok=True)
            self._deleted.add(str(name))

    def compare(self, best: Sequence[Individual]) -> None:
        """Train the same networks from scratch as well, for as many epochs, outside the budget of evaluations.

        Nothing happens if nothing is inherited, or if the search is out of time.
        """
        if self.weights is None or self.trainer is None or self._run.out_of_time():
            return
        inherited = [individual.evaluation for individual in best if individual.evaluation.ok]
        with self._run.timed("from scratch"):
            alone = self._run.score([evaluation.architecture for evaluation in inherited], self.trainer)
        self.compared = [pair for pair in zip(inherited, alone, strict=True) if pair[1].ok]


def refreshed(store: WeightStore, space: WeightInheritance, trained: Iterable[Trained]) -> WeightStore:
    """IV.B.2, steps 1 to 4: the store with the newest weights of each cell.

    Args:
        trained: the networks of the population, the fittest first.
    """
    fresh: dict[str, Tensor] = {}
    for architecture, tensors in trained:  # steps 1 and 4: the best individual, then the next best
        for name, entry in entries(space, architecture, tensors).items():
            fresh.setdefault(entry, tensors[name].detach().cpu().contiguous().clone())  # step 2
        if store.tensors.keys() <= fresh.keys():  # step 3
            break
    return WeightStore({**store.tensors, **fresh}, store.facts)


class Archive:
    """Every network that the search has evaluated. Networks that compute the same are evaluated once.

    Attributes:
        inheritance: what new networks begin with.
        generations: the populations after their selection.
    """

    def __init__(self, run: Run[CellChain], inheritance: Inheritance) -> None:
        self._run, self._space, self.inheritance = run, run.space, inheritance
        self._individuals: dict[Hashable, Individual] = {}
        self._new: list[Evaluation] = []
        self._requests = 0
        self.generations: list[Generation] = []

    def evaluate(self, architectures: Sequence[Architecture]) -> list[Individual]:
        """The architectures as individuals, without repetition; new ones are evaluated as far as the budget goes."""
        first = {self._space.function_key(architecture): architecture for architecture in reversed(architectures)}
        new = {key: architecture for key, architecture in reversed(first.items()) if key not in self._individuals}
        affordable = list(new)[: self._run.remaining]
        if affordable:
            evaluations = self._run.estimate([new[key] for key in affordable], self.inheritance.weights)
            individuals = map(self._individual, evaluations)
            self._individuals |= dict(zip(affordable, individuals, strict=True))
            self._new += evaluations
        self._requests += len(architectures) - (len(new) - len(affordable))
        return self.known(architectures)

    def known(self, architectures: Sequence[Architecture]) -> list[Individual]:
        """Those of the architectures that have been evaluated, without repetition."""
        keys = dict.fromkeys(self._space.function_key(architecture) for architecture in architectures)
        return [self._individuals[key] for key in keys if key in self._individuals]

    def _individual(self, evaluation: Evaluation) -> Individual:
        cost = evaluation.cost(self._run.objectives[0])
        return Individual(evaluation, cost, len(self._space.kinds(evaluation.architecture)))

    def end_generation(self, stage: str, population: Sequence[Individual]) -> None:
        """Record the population after its selection, and delete the weights of all other networks."""
        evaluations = tuple(individual.evaluation for individual in population)
        repeated = self._requests - len(self._new)
        self.generations.append(Generation(stage, evaluations, tuple(self._new), repeated))
        if costs := [individual.cost for individual in population if individual.evaluation.ok]:
            self._run.log(len(self.generations), best_cost=min(costs))
        self.inheritance.forget(self._individuals.values(), population)
        self._new, self._requests = [], 0
