"""Rungs of successive halving: the numbers of epochs after which candidates are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from nasforge import Constraint, Count, Estimator, Objective, OptionError, Strategy, common_fidelities, numbers

Eta = Annotated[int, Field(ge=2, le=1000)]


class SuccessiveHalving(Strategy):
    """Trains many candidates briefly and the best 1/eta of them further, by the first objective.

    Args:
        eta: the reduction factor.
        min_epochs: the fewest epochs of a candidate. The most, R, are the estimator's.
    """

    needs_estimates = True
    needs_data = False
    needs_fidelities = True
    baseline = "random_search"

    def __init__(self, *, eta: Eta = 3, min_epochs: Count = 1) -> None:
        self.eta, self.min_epochs = eta, min_epochs

    def check_goals(
        self, estimators: Sequence[Estimator], objectives: Sequence[Objective], constraints: Sequence[Constraint]
    ) -> None:
        """Raise an `OptionError` if candidates would all be trained for all epochs."""
        self.levels(common_fidelities(estimators))

    def levels(self, fidelities: Sequence[int]) -> list[int]:
        """The numbers of epochs of the rungs, ascending; see `rungs`."""
        return rungs(fidelities, self.eta, self.min_epochs)


def rungs(fidelities: Sequence[int], eta: int, least: int) -> list[int]:
    """The numbers of epochs at which candidates are compared, ascending.

    The last is the most epochs there are, R; each before it is the most that is at most 1/eta of the next, which is
    R * eta^-i if all numbers of epochs are allowed and R is a power of eta.

    Args:
        fidelities: the numbers of epochs after which candidates can be estimated, ascending.
        eta: the reduction factor, more than 1.
        least: the fewest epochs of a candidate.

    Raises:
        OptionError: there is only one such number.
    """
    chosen = [fidelities[-1]]
    while lower := [epochs for epochs in fidelities if least <= epochs and epochs * eta <= chosen[0]]:
        chosen.insert(0, lower[-1])
    if len(chosen) == 1:
        raise OptionError(
            f"strategy.eta={eta} and strategy.min_epochs={least} leave no candidate to stop before {chosen[0]} epochs: "
            f"candidates can be compared after {numbers(fidelities)} epochs"
        )
    return chosen
