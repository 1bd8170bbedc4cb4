"""Print docs/capabilities.md: which strategies, spaces and estimators work together, from their class attributes.

    python docs/capabilities.py > docs/capabilities.md

A table of published results names its space, so the tables must be installed (`nasforge doctor`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nasforge import NasforgeError, SearchSpace
from nasforge.registry.abilities import mismatch, missing
from nasforge.registry.entry_points import build, registry

Classes = Mapping[str, type[Any]]

TEXT = """\
# What works together

`python docs/capabilities.py` prints this page from class attributes, and a test compares the two. A search needs a
`yes` for each of its three pairs. `tests/test_capabilities.py` runs a small search for each `yes` (for some of
those of spaces that only differ from others in their networks), and checks that all
other pairs are refused before data are read, in a sentence that names both parts, what is missing, and what would fit.

## Abilities of spaces

{abilities}

## Strategies on spaces

{strategies}

## Estimators on spaces

{estimators}

## Strategies with estimators

{pairs}

- *no supernet*: the estimator scores with shared weights, and the strategy trains no supernet. With
  `estimator.supernet.run=RUN`, the weights of a finished run, the two work together.
- *own weights*: the strategy scores candidates only with its supernet's weights, and asks no other estimator.
- *no epochs*: the strategy compares candidates after different numbers of epochs, and the estimator trains none.
  A table fits if it has numbers after several; the installed ones have one number of epochs each.
- *prunings*: the strategy evaluates networks outside the space, which a table lacks."""


def built_in(kind: str) -> Classes:
    """The built-in classes by name."""
    known = registry(kind)
    return {name: known[name] for name, (first, *_) in known.plugins.items() if first.package == "nasforge"}


def abilities(spaces: Classes) -> dict[str, type[Any]]:
    """The abilities of spaces by name."""
    bases = {base for space in spaces.values() for base in space.__mro__ if issubclass(base, SearchSpace)}
    homes = ("nasforge.", "nasforge_plugins.shared.")
    found = {base for base in bases - {SearchSpace} if base.__module__.startswith(homes)}
    return {ability.__name__: ability for ability in sorted(found, key=lambda ability: ability.__name__)}


def on_space(part: type[Any], space: type[Any]) -> str:
    """`yes`, or what is missing; an estimator may look closer than at abilities."""
    if lacks := missing(part, space):
        return f"needs {' and '.join(lacks)}"
    if not hasattr(part, "check"):
        return "yes"
    try:
        build("estimator", {"name": part.name}).check(build("space", {"name": space.name}))
    except NasforgeError:
        return "another space's table"
    return "yes"


def together(strategy: type[Any], estimator: type[Any]) -> str:
    """`yes`, or one of the reasons that the text explains."""
    if not mismatch(strategy, estimator):
        return "yes"
    if estimator.needs_weights:
        return "no supernet"
    if strategy.needs_fidelities:
        return "no epochs"
    return "own weights" if strategy.shares_weights else "prunings"


def table(corner: str, rows: Classes, columns: Classes, cell: Callable[[Any, Any], str]) -> str:
    """In Markdown."""
    lines = [[corner, *columns], ["---"] * (1 + len(columns))]
    lines += [[f"`{name}`", *(cell(row, column) for column in columns.values())] for name, row in rows.items()]
    return "\n".join(_line(line) for line in lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    spaces, strategies, estimators = built_in("space"), built_in("strategy"), built_in("estimator")
    print(
        TEXT.format(
            abilities=table(
                "space", spaces, abilities(spaces), lambda space, ability: "yes" if issubclass(space, ability) else ""
            ),
            strategies=table("strategy", strategies, spaces, on_space),
            estimators=table("estimator", estimators, spaces, on_space),
            pairs=table("strategy", strategies, estimators, together),
        )
    )
