"""The strategy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field
from scipy.stats import norm

from nasforge import (
    Architecture,
    AskTellStrategy,
    Constraint,
    Evaluation,
    Fraction,
    Metrics,
    OptionError,
    ParetoFront,
    Population,
    VectorEncoded,
    rank_sums,
)
from nasforge_plugins.shared.mutants import new_mutants
from nasforge_plugins.shared.predictors import GaussianProcess, encoders, one_thread, tamed

from .acquisition import expected_improvement, reference_point


class Bayesian(AskTellStrategy[VectorEncoded]):
    """Bayesian optimization with Gaussian processes, of one or several objectives and under constraints.

    In each round a process learns each objective and each constraint from all evaluations. Candidates are mutants of
    the best architectures and random ones, as in NAS-BOWL (Ru et al. 2021). A round proposes those with the largest
    expected improvement, of the hypervolume if there are several objectives, times the probability that they satisfy
    the constraints (Gardner et al. 2014). While none does, only that probability counts.

    The kernel is exp(-d/l) for the Hamming distance d between the paths of cells, or between decisions: for each
    process the one with the larger marginal likelihood. A failed candidate counts as bad as the worst.

    Args:
        population: number of random architectures at the start.
        batch: number of architectures proposed in a round; each is chosen as if the predictions for those before it had
            come true (the Kriging believer: Ginsbourger et al. 2010).
        candidates: number of candidates among which a round chooses.
        random: fraction of the candidates that are random.
        parents: number of best architectures that are mutated; with several objectives, at least the Pareto front.
        edits: the largest number of mutations between a parent and a mutant; each number is as likely.
    """

    name: ClassVar[str] = "bayesian"
    baseline = "random_search"

    def __init__(
        self,
        *,
        population: Population = 10,
        batch: Annotated[int, Field(ge=1, le=10_000)] = 5,
        candidates: Annotated[int, Field(ge=1, le=100_000)] = 100,
        random: Fraction = 0.5,
        parents: Annotated[int, Field(ge=1, le=10_000)] = 10,
        edits: Annotated[int, Field(ge=1, le=1_000)] = 2,
    ) -> None:
        if batch > candidates:
            raise OptionError(f"strategy.batch={batch} is more than strategy.candidates={candidates}")
        self.founders, self.batch, self.candidates, self.random = population, batch, candidates, random
        self.parents, self.edits = parents, edits

    def begin(self) -> None:
        """Start without evaluations."""
        self.evaluations: dict[Architecture, Evaluation] = {}

    def ask(self) -> Sequence[Architecture]:
        """Random architectures until one has been measured, then the candidates with the largest acquisition."""
        if not any(evaluation.metrics for evaluation in self.evaluations.values()):
            return [self.space.sample(self.rng) for _ in range(self.founders)]
        candidates = self._candidates()
        if not candidates:  # the whole neighborhood is known
            return [self.space.sample(self.rng) for _ in range(self.batch)]
        with one_thread():
            return [candidates[index] for index in self._chosen(candidates)]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Remember the evaluations."""
        self.evaluations.update((evaluation.architecture, evaluation) for evaluation in evaluations)

    def _candidates(self) -> list[Architecture]:
        """New mutants of the best architectures, and new random ones."""
        drawn = [self.space.sample(self.rng) for _ in range(round(self.random * self.candidates))]
        new = [architecture for architecture in drawn if architecture not in self.evaluations]
        count = self.candidates - len(new)
        mutants = new_mutants(self.space, self._best(), self.evaluations, self.rng, count=count, edits=self.edits)
        return list(dict.fromkeys([*mutants, *new]))

    def _best(self) -> list[Architecture]:
        """The Pareto front and those after it by their ranks; while none is feasible, the smallest violations."""
        known = [evaluation for evaluation in self.evaluations.values() if evaluation.metrics]
        feasible = [evaluation for evaluation in known if evaluation.ok]
        front = {member.architecture for member in ParetoFront(feasible, self.objectives)}
        costs = [
            [goal.cost(each.metrics) for goal in self.objectives]
            if feasible
            else [goal.violation(each.metrics) for goal in self.constraints]
            for each in feasible or known
        ]
        ranks = dict(zip((each.architecture for each in feasible or known), rank_sums(np.array(costs)), strict=True))
        ordered = sorted(ranks, key=lambda architecture: (architecture not in front, ranks[architecture]))
        return ordered[: max(self.parents, len(front))]

    def _chosen(self, candidates: Sequence[Architecture]) -> list[int]:
        """The indices of the candidates of a round."""
        known = list(self.evaluations)
        encodings = [(encoder(known), encoder(candidates)) for encoder in encoders(self.space, known)]
        models = [_most_likely(encodings, costs) for costs in self._costs().T]
        chosen: list[int] = []
        for _ in range(min(self.batch, len(candidates))):
            posteriors = [process.posterior(features) for process, features in models]
            mean, deviation = (np.column_stack(columns) for columns in zip(*posteriors, strict=True))
            acquisition = self._acquisition(mean, deviation)
            acquisition[chosen] = -np.inf
            chosen.append(int(acquisition.argmax()))
            for process, features in models:
                process.believe(features[chosen[-1:]])
        return chosen

    def _costs(self) -> np.ndarray:
        """Costs, and then by how much each constraint is exceeded (architectures, objectives + constraints)."""
        rows = [
            [objective.cost(evaluation.metrics) for objective in self.objectives]
            + [_excess(constraint, evaluation.metrics) for constraint in self.constraints]
            for evaluation in self.evaluations.values()
        ]
        costs = np.array(rows)
        worst = np.max(costs, axis=0, where=np.isfinite(costs), initial=-np.inf)
        finite: np.ndarray = np.minimum(costs, worst)
        return finite

    def _acquisition(self, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
        """The acquisition (candidates,) for predictions (candidates, objectives and constraints)."""
        count = len(self.objectives)
        scale = np.maximum(deviation[:, count:], np.finfo(float).tiny)
        probability: np.ndarray = norm.cdf(-mean[:, count:] / scale).prod(axis=1)
        feasible = [evaluation for evaluation in self.evaluations.values() if evaluation.ok]
        if not feasible:
            return probability
        front = np.array(
            [[each.cost(goal) for goal in self.objectives] for each in ParetoFront(feasible, self.objectives)]
        )
        reference = reference_point(front, self._costs()[:, :count])
        improvement = expected_improvement(mean[:, :count], deviation[:, :count], front, reference)
        weighted: np.ndarray = probability * improvement
        return weighted


def _excess(constraint: Constraint, metrics: Metrics) -> float:
    """By how much a metric exceeds its bound, negative if it keeps the bound; infinite without the metric."""
    if constraint.metric not in metrics:
        return np.inf
    distance = metrics[constraint.metric] - constraint.limit
    return distance if constraint.upper else -distance


def _most_likely(
    encodings: Sequence[tuple[np.ndarray, np.ndarray]], costs: np.ndarray
) -> tuple[GaussianProcess, np.ndarray]:
    """The process that explains the costs best, and the candidates in its encoding (candidates, features).

    Args:
        encodings: the features of known architectures and of candidates, in each encoding.
    """
    models = []
    for known, candidates in encodings:
        process = GaussianProcess()
        process.train(known, tamed(costs))
        models.append((process, candidates))
    return max(models, key=lambda model: model[0].likelihood)
