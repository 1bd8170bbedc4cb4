"""Which plug-ins go together: what each one says of itself, and a sentence where two of them do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nasforge.errors import AbilityError
from nasforge.estimator import Estimator
from nasforge.registry.entry_points import registry
from nasforge.space import SearchSpace
from nasforge.strategy import Strategy

Part = Strategy[Any] | Estimator


def missing(part: Part | type[Part], space: SearchSpace | type[SearchSpace]) -> list[str]:
    """Abilities that `part` needs and `space` has not; either may be a class or an object."""
    found = space if isinstance(space, type) else type(space)
    return [ability.__name__ for ability in part.needs if not issubclass(found, ability)]


def check_space(kind: str, part: Part, space: SearchSpace) -> None:
    """Raise an `AbilityError` if `space` lacks what `part` needs, naming both, the ability, and what would fit."""
    lacks = missing(part, space)
    if lacks:
        fitting = [name for name, one in registry("space").working.items() if not missing(part, one)]
        raise AbilityError(
            f"{kind} '{part.name}' needs a space with {' and '.join(lacks)}; space '{space.name}' has not. "
            f"{_fitting('Spaces', fitting)}"
        )


def mismatch(strategy: Strategy[Any] | type[Strategy[Any]], estimator: Estimator | type[Estimator]) -> str:
    """Why `estimator` is of no use to `strategy`; empty if it is."""
    if strategy.needs_estimates and estimator.needs_weights and not strategy.shares_weights:
        return (
            f"estimator '{estimator.name}' scores with shared weights, "
            f"and strategy '{strategy.name}' trains no supernet"
        )
    if strategy.shares_weights and not strategy.needs_estimates and not estimator.needs_weights:
        return (
            f"strategy '{strategy.name}' asks about no candidate but with its supernet's weights, "
            f"and estimator '{estimator.name}' does not score with shared weights"
        )
    if strategy.needs_builder and not estimator.builds:
        return (
            f"strategy '{strategy.name}' asks about networks that are none of the space's architectures, "
            f"and estimator '{estimator.name}' knows these alone"
        )
    return ""


def check_estimator(strategy: Strategy[Any], estimator: Estimator) -> None:
    """Raise an `AbilityError` if the two do not go together, with the reason and with what would fit."""
    if reason := mismatch(strategy, estimator):
        fitting = [name for name, one in registry("estimator").working.items() if not mismatch(strategy, one)]
        raise AbilityError(f"{reason}. {_fitting('Estimators', fitting)}")


def _fitting(kind: str, names: Sequence[str]) -> str:
    return f"{kind} that fit: {', '.join(names) or 'none installed'}."
