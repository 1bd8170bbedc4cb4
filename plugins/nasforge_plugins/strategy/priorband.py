"""PriorBand: Hyperband that also draws around a guess of the user's and around the best so far (Mallik et al. 2023)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Annotated, ClassVar, cast

import numpy as np
from pydantic import Field
from scipy.special import logsumexp, softmax

from nasforge import Architecture, Count, Fraction, Result, Run, VectorEncoded
from nasforge_plugins.shared.priors import Prior, mutated
from nasforge_plugins.shared.rungs import Eta
from nasforge_plugins.strategy.hyperband import Hyperband, Stage

Confidence = Annotated[float, Field(gt=0, lt=1)]


class PriorBand(Hyperband):
    """A bracket draws its candidates at random, from the prior, and, after the first bracket, around the incumbent.

    The later a bracket stops its first candidates, the fewer are random. How many are drawn around the incumbent
    instead of from the prior depends on which of the two makes the best candidates likelier.

    Args:
        eta, min_epochs: see `SuccessiveHalving`.
        prior: the name, file or notation of an architecture that the user expects to be good. Without it, what would be
            drawn from the prior is random.
        confidence: the probability that a draw from the prior takes a decision as `prior` does; other choices share the
            rest equally.
        mutation: the probability with which a draw around the incumbent changes a decision.
    """

    name: ClassVar[str] = "priorband"
    needs = (VectorEncoded,)
    baseline = "random_search"
    architecture_options = ("prior",)

    def __init__(
        self,
        *,
        eta: Eta = 3,
        min_epochs: Count = 1,
        prior: str | None = None,
        confidence: Confidence = 0.5,
        mutation: Fraction = 0.5,
    ) -> None:
        super().__init__(eta=eta, min_epochs=min_epochs)
        self.prior, self.confidence, self.mutation = prior, confidence, mutation

    def search(self, run: Run) -> Result:
        """Read the prior, and go through brackets until the budget is used up."""
        space = cast(VectorEncoded, run.space)
        center = None if self.prior is None else space.encode(space.read(self.prior))
        self.expected = Prior(space.cardinalities, self.confidence, center)
        return super().search(run)

    def drawn(self, run: Run, stage: Stage, levels: list[int]) -> list[Architecture]:
        """The candidates that a bracket begins with, each drawn by one of three policies."""
        space, rng = cast(VectorEncoded, run.space), run.rng
        rungs = [self.ranked(run, space, epochs) for epochs in levels]
        incumbent = rungs[-1][0] if rungs[-1] else None
        random = 1 / (1 + self.eta ** levels.index(stage.epochs))
        around = 0.0 if incumbent is None else (1 - random) * self.preference(incumbent, rungs)

        def draw(policy: str) -> Architecture:
            if policy == "random":
                return space.sample(rng)
            if incumbent is None or policy == "prior":
                return space.nearest(self.expected.draw(rng))
            return space.nearest(mutated(incumbent, space.cardinalities, self.mutation, rng))

        shares = {"random": random, "prior": 1 - random - around, "incumbent": around}
        return [draw(policy) for policy in rng.choice([*shares], size=stage.candidates, p=[*shares.values()])]

    def ranked(self, run: Run, space: VectorEncoded, epochs: int) -> list[np.ndarray]:
        """The vectors of all candidates trained for so many epochs without a failure, the best first."""
        costs = [
            (evaluation.cost(run.objectives[0]), evaluation.architecture)
            for evaluation in run.evaluations
            if evaluation.epochs == epochs
        ]
        finite = [(cost, architecture) for cost, architecture in costs if math.isfinite(cost)]
        return [space.encode(architecture) for _, architecture in sorted(finite, key=itemgetter(0))]

    def preference(self, incumbent: np.ndarray, rungs: Sequence[Sequence[np.ndarray]]) -> float:
        """The share of draws around the incumbent among all that are not random, in [0, 1].

        It is the share of the likelihood of the best candidates, which are the best 1/eta of the highest rung that has
        eta. The best of them counts most, the last one least.

        Args:
            incumbent: (decisions,).
            rungs: the vectors of each rung, the lowest first, of which the first is the best.
        """
        full = [vectors for vectors in rungs if len(vectors) >= self.eta]
        if not full:
            return 0.0
        best = np.stack(full[-1][: len(full[-1]) // self.eta])
        weights = np.arange(len(best), 0, -1)
        around = replace(self.expected, center=incumbent)
        likelihoods = [logsumexp(prior.log_likelihood(best), b=weights) for prior in (around, self.expected)]
        return float(softmax(likelihoods)[0])
