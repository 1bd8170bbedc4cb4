"""Check which plug-ins work together, and say in one sentence why two of them do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nasforge.errors import AbilityError
from nasforge.estimator import Estimator, has_fidelities
from nasforge.registry.entry_points import registry
from nasforge.space import SearchSpace
from nasforge.strategy import Strategy

Part = Strategy[Any] | Estimator


def missing(part: Part | type[Part], space: SearchSpace | type[SearchSpace]) -> list[str]:
    """Return the abilities that `part` needs and `space` lacks; either may be a class or an object."""
    space_class = space if isinstance(space, type) else type(space)
    return [ability.__name__ for ability in part.needs if not issubclass(space_class, ability)]


def check_space(kind: str, part: Part, space: SearchSpace) -> None:
    """Raise an `AbilityError` that names missing abilities and fitting spaces if `space` lacks what `part` needs."""
    lacking = missing(part, space)
    if lacking:
        fitting = [name for name, fit in registry("space").working.items() if not missing(part, fit)]
        raise AbilityError(
            f"{kind} '{part.name}' needs a space with {' and '.join(lacking)}, which space '{space.name}' lacks. "
            f"{_fitting('Spaces', fitting)}"
        )


def mismatch(
    strategy: Strategy[Any] | type[Strategy[Any]],
    estimator: Estimator | type[Estimator],
    beside: Sequence[Estimator] = (),
) -> str:
    """Return why `strategy` cannot use `estimator`, with others `beside` it; empty if it can."""
    if strategy.needs_estimates and estimator.needs_weights and not strategy.shares_weights:
        return (
            f"estimator '{estimator.name}' scores with shared weights, "
            f"and strategy '{strategy.name}' trains no supernet{_how_to_get_weights(estimator)}"
        )
    if strategy.shares_weights and getattr(type(estimator), "needs_weights", False) and not estimator.needs_weights:
        return (
            f"strategy '{strategy.name}' trains a supernet of its own, and estimator '{estimator.name}' was given "
            f"another: omit {estimator.weights_option}"
        )
    if strategy.shares_weights and not strategy.needs_estimates and not estimator.needs_weights:
        return (
            f"strategy '{strategy.name}' scores candidates only with its supernet's weights, "
            f"and estimator '{estimator.name}' does not score with shared weights"
        )
    if strategy.needs_builder and not estimator.builds:
        return (
            f"strategy '{strategy.name}' evaluates networks outside the space, "
            f"and estimator '{estimator.name}' knows only the space's architectures"
        )
    if strategy.needs_fidelities and not any(map(has_fidelities, (estimator, *beside))):
        return (
            f"strategy '{strategy.name}' estimates candidates after different numbers of epochs, "
            f"and estimator '{estimator.name}' does not train them"
        )
    return ""


def _how_to_get_weights(estimator: Estimator | type[Estimator]) -> str:
    if not estimator.weights_option:
        return ""
    both = [name for name, part in registry("strategy").working.items() if part.shares_weights and part.needs_estimates]
    trained = "".join(f", or strategy={name} to train one and search it" for name in both)
    return f"; add {estimator.weights_option}=RUN, the folder of a finished run that did{trained}"


def check_estimator(strategy: Strategy[Any], estimator: Estimator, beside: Sequence[Estimator] = ()) -> None:
    """Raise an `AbilityError` with the reason and fitting estimators if the two do not work together."""
    if reason := mismatch(strategy, estimator, beside):
        fitting = [name for name, fit in registry("estimator").working.items() if not mismatch(strategy, fit)]
        raise AbilityError(f"{reason}. {_fitting('Estimators', fitting)}")


def _fitting(kind: str, names: Sequence[str]) -> str:
    return f"{kind} that fit: {', '.join(names) or 'none installed'}."
