"""The NTK / linear-region GA: T. Reolon, "Neural Architecture Search with genetic algorithms and DARTS".

The paper numbers no equations. The comment beside a line names the section, figure or appendix that the line
implements; `code` marks what the paper leaves open and its published code decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, TypeVar

import numpy as np
from pydantic import Field
from scipy.stats import rankdata

from nasforge import (
    Architecture,
    Cells,
    Count,
    Evaluation,
    Fraction,
    OptionError,
    PlannedNetwork,
    Population,
    Result,
    Run,
    SearchData,
    SearchSpace,
    Strategy,
    now_grouped,
    rank_sums,
)
from nasforge_plugins.shared.growing_cells import GrowingCells

from .pictures import keep_pictures
from .tournament import Arena
from .variation import Adaptation, GenericVariation, GrowingVariation, Variation

Step = Literal["breed", "breed more", "breed and compete", "compete"]
Dominance = Literal["strict", "weak"]
Candidate = TypeVar("Candidate")


@dataclass(frozen=True)
class Individual:
    """A member of the population.

    Attributes:
        costs: one for each objective, minimized; infinite if the estimate failed or breaks a constraint.
        age: how many generations it has survived.
    """

    architecture: Architecture
    costs: tuple[float, ...]
    age: int = 0


@dataclass(frozen=True)
class Trace:
    """What `NTKGA.explain` shows.

    Attributes:
        populations: the members after each generation, the founders first.
        choice: a sentence on how the result follows from the last population; empty if it does not.
    """

    populations: Sequence[Sequence[Architecture]]
    choice: str


class NTKGA(Strategy):
    """A (mu + lambda) GA with aging. Selection is by Pareto dominance; every third generation ends in a tournament.

    `conf/strategy/ntk_ga.yaml` explains each option and gives the value of the published code.

    Raises:
        OptionError: `tournament.size` is larger than `population`.
    """

    name: ClassVar[str] = "ntk_ga"
    baseline = "random_search"
    needs_estimates: ClassVar[bool] = True
    renamed: ClassVar[Mapping[str, str]] = {
        **{f"tournament_{option}": new for option, new in now_grouped(tournament=Arena).items()},
        **{option: f"tournament.{option}" for option in ("learning_rate", "weight_decay", "clip", "dropout")},
    }

    def __init__(
        self,
        *,
        population: Population = 5,
        offspring: Annotated[int, Field(ge=1, le=10_000)] = 15,
        generations: Count | None = 9,
        max_age: Count = 10,
        dominance: Dominance = "strict",
        uniform_rate: Fraction = 0.3,
        minimum_rate: Fraction = 0.2,
        exploration: Fraction = 0.5,
        resize_rate: Fraction = 0.55,
        swap_rate: Fraction = 0.2,
        schedule: Literal["paper", "code"] = "paper",
        tournament: Arena = Arena(),
        final_cells: Cells = 3,
        landmarks: Annotated[int, Field(ge=0, le=10_000)] = 20,
    ) -> None:
        if tournament.period and tournament.size > population:
            raise OptionError(
                f"strategy.tournament.size={tournament.size} is more than strategy.population={population}: "
                f"{population} or fewer would be right, or strategy.tournament.period=0 for no tournaments"
            )
        self.population, self.offspring, self.generations = population, offspring, generations
        self.max_age, self.dominance, self.final_cells = max_age, dominance, final_cells
        self.landmarks = landmarks
        self.uniform_rate, self.minimum_rate, self.exploration = uniform_rate, minimum_rate, exploration
        self.growth = {"resize": resize_rate, "swap": swap_rate}
        self.arena, self.period, self.schedule = tournament, tournament.period, schedule
        self.needs_data = tournament.period > 0  # type: ignore[misc]  # without tournaments, only estimators read

    def networks(self, space: SearchSpace, data: SearchData) -> Sequence[PlannedNetwork]:
        """The largest networks of a tournament. Growing cells are left out: their size is not known in advance."""
        if not self.period:
            return []
        self.arena.data(data)  # refuses too few images before the run begins
        most = min(self.population * self.arena.size, self.population + self.offspring)
        return self.arena.networks(space, data, most)

    def search(self, run: Run) -> Result:
        """Evolve the population generation by generation; the result is made of the last one."""
        run.warn_of_budget(self.population, f"strategy.population={self.population} are drawn at random")
        variation = self.variation(run.space)
        founders = [variation.founder(run.rng) for _ in range(self.population)]  # code: the empty cell, mutated
        population = self.scored(founders, run)
        populations = [population]
        for generation in run.generations(self.generations, self.name):  # Algorithm 1: "Do One Generation"
            step = self.step(generation)
            if step != "compete":
                kept = self.population * (1 if step == "breed" else self.arena.size)
                population = self.bred(population, kept, variation, run)
            if step in ("breed and compete", "compete"):
                population = self.tournament(population, generation, run)
            self.log(generation, population, run)
            populations.append(population)
        for number, members in enumerate(populations):
            run.name_architecture("generation", str(number), self.selected(members, 1)[0].architecture)
        architecture, choice = self.final(population, run)
        architectures = [[individual.architecture for individual in members] for members in populations]
        return run.result(architecture, trace=Trace(architectures, choice))

    def explain(self, run: Run, trace: Trace) -> None:
        """Figures 4 to 6, and how the result was chosen."""
        keep_pictures(run, trace.populations, self.landmarks)
        if trace.choice:
            run.notes.append(trace.choice)

    def step(self, generation: int) -> Step:
        """What happens in a generation (0, 1, ...)."""
        if not self.period:
            return "breed"
        if self.schedule == "paper":  # II, DARTS step: "once every three generation"; code: scores narrow the field
            return "breed" if (generation + 1) % self.period else "breed and compete"
        place = generation % (self.period + 1)  # code: two plain steps, one that keeps more, a tournament alone
        return "compete" if place == self.period else "breed more" if place == self.period - 1 else "breed"

    def bred(self, parents: list[Individual], n: int, variation: Variation, run: Run) -> list[Individual]:
        """The `n` best of the children and of the parents that are young enough, best first."""
        known = {run.space.function_key(parent.architecture) for parent in parents}
        architectures = [parent.architecture for parent in parents]
        children = variation.offspring(architectures, known, self.offspring, run.rng)  # II, Crossover, Mutation
        children = children[: run.remaining]
        scored = self.scored([child.architecture for child in children], run)
        # Caption of Fig. 5: "aging", so that a good parent does not stay forever; the paper gives no number
        young = [replace(parent, age=parent.age + 1) for parent in parents if parent.age < self.max_age]
        selected = self.selected([*young, *scored], n)  # II, Selection: "a (mu + lambda) GA"
        survivors = {individual.architecture for individual in selected}
        variation.adaptation.learn(children, survivors)  # II, Mutation: "parameters ... learned during the iterations"
        return selected

    def scored(self, architectures: Sequence[Architecture], run: Run) -> list[Individual]:
        """New individuals with their costs, as many as the budget allows."""
        evaluations = run.estimate(list(architectures)[: run.remaining])  # II, Fitness functions; Appendix A
        return [Individual(evaluation.architecture, _costs(evaluation, run)) for evaluation in evaluations]

    def selected(self, pool: list[Individual], n: int) -> list[Individual]:
        """The `n` best of the pool, best first."""
        costs = np.array([individual.costs for individual in pool])
        return [pool[row] for row in select(costs, n, self.dominance)]

    def tournament(self, population: list[Individual], generation: int, run: Run) -> list[Individual]:
        """The winner of each group. `population` comes best first."""
        if len(population) <= self.population:
            return population
        groups = dealt(population, self.population)  # II, DARTS step: "tournaments between the offsprings"
        architectures = [[individual.architecture for individual in group] for group in groups]
        winners = self.arena.winners(architectures, f"tournament/{generation}", run)  # Fig. 2
        return [group[winner] for group, winner in zip(groups, winners, strict=True)]  # "only one ... will survive"

    def variation(self, space: SearchSpace) -> Variation:
        """The paper's operators where cells grow, otherwise the space's own."""
        adaptation = Adaptation(self.uniform_rate, self.minimum_rate, self.exploration)
        if isinstance(space, GrowingCells):
            return GrowingVariation(space, adaptation, **self.growth)
        return GenericVariation(space, adaptation)

    def final(self, population: list[Individual], run: Run) -> tuple[Architecture | None, str]:
        """The result and a sentence on it: where cells grow, the last population's shortest cells in a chain; elsewhere
        its member with the smallest sum of ranks.

        None leaves the choice to `run.result`, which takes the best evaluation of the whole search: where there is
        only one objective, or where no individual of the last population has finite costs.
        """
        usable = [individual for individual in population if np.isfinite(individual.costs).all()]
        ranked = [individual.architecture for individual in self.selected(usable, len(usable))] if usable else []
        if ranked and isinstance(run.space, GrowingCells):
            shortest = sorted(ranked, key=run.space.length)[: self.final_cells]  # code: the three shortest
            chain = run.space.chain(shortest)  # II and Fig. 3: "we concatenate the cells"
            return chain, f"the found network chains the {len(shortest)} shortest cells of the last population"
        if not ranked or len(run.objectives) == 1:
            return None, ""
        metrics = ", ".join(objective.metric for objective in run.objectives)
        return ranked[0], f"the found architecture has the last population's smallest sum of ranks in {metrics}"

    def log(self, generation: int, population: list[Individual], run: Run) -> None:
        """The best value of each objective in the population (Fig. 5), and the population's mean age."""
        best = np.min([individual.costs for individual in population], axis=0)
        values = {f"best_{objective.metric}": -cost if objective.direction == "max" else cost
                  for objective, cost in zip(run.objectives, best.tolist(), strict=True)}  # fmt: skip
        run.log(generation, **values, mean_age=float(np.mean([individual.age for individual in population])))


def _costs(evaluation: Evaluation, run: Run) -> tuple[float, ...]:
    return tuple(evaluation.cost(objective) for objective in run.objectives)


def dealt(candidates: Sequence[Candidate], groups: int) -> list[list[Candidate]]:
    """Candidates, best first, dealt in turn into groups, so that the best do not meet each other."""
    return [list(candidates[place::groups]) for place in range(min(groups, len(candidates)))]


def select(costs: np.ndarray, n: int, dominance: Dominance = "strict") -> list[int]:
    """The rows that survive, best first (II, Selection).

    Args:
        costs: (candidates, objectives), minimized. A row with an infinite cost survives only if no row is finite.
        n: how many survive.
    """
    usable = np.flatnonzero(np.isfinite(costs).all(axis=1))
    if not len(usable):
        return list(range(min(n, len(costs))))
    finite = costs[usable]
    pool = np.flatnonzero(~beaten(finite, dominance))  # "architectures that were not dominated by others"
    if len(pool) < n:  # code: fill up with those that lose the fewest comparisons
        others = np.setdiff1d(np.arange(len(finite)), pool)
        fewest = others[np.argsort(comparisons_lost(finite)[others], kind="stable")]
        pool = np.sort(np.concatenate([pool, fewest[: n - len(pool)]]))
    order = np.argsort(rank_sums(finite[pool]), kind="stable")  # "further reduce ... with the method proposed in [14]"
    champions = [min(order, key=lambda row: finite[pool][row, objective]) for objective in range(finite.shape[1])]
    chosen = list(dict.fromkeys([*champions, *order]))[:n]  # code: the best of each objective always survives
    return [int(usable[pool[row]]) for row in sorted(chosen, key=lambda row: list(order).index(row))]


def beaten(costs: np.ndarray, dominance: Dominance = "strict") -> np.ndarray:
    """(n,) bool: whether another row is smaller in all objectives; with `weak`, in one and larger in none."""
    other, own = costs[:, None], costs[None]
    if dominance == "strict":  # code
        dominates = np.asarray((other < own).all(axis=2))
    else:
        dominates = np.asarray((other <= own).all(axis=2) & (other < own).any(axis=2))
    return np.asarray(dominates.any(axis=0))


def comparisons_lost(costs: np.ndarray) -> np.ndarray:
    """(n,) int: in how many comparisons another row is smaller, over all rows and objectives."""
    lost: np.ndarray = (rankdata(costs, method="min", axis=0) - 1).sum(axis=1)
    return lost
