"""DARTS's known failure: shared weights favour operations that have none, and the cell fills up with them."""

from __future__ import annotations

from nasforge import Architecture, SearchSpace

PARAMETER_FREE = ("none", "skip_connect", "max_pool_3x3", "avg_pool_3x3")


def parameter_free(architecture: Architecture, space: SearchSpace) -> tuple[int, int]:
    """(operations without parameters, operations) of the first cell that the space draws, the normal one.

    Reduction cells of published architectures are made of pools and skips; there they are no sign of a collapse.
    """
    names = [name for _, _, name in space.draw(architecture)[0].edges if name]
    return sum(name in PARAMETER_FREE for name in names), len(names)


def collapse_warning(architecture: Architecture, space: SearchSpace, limit: int) -> list[str]:
    """A sentence that names the collapse if more than `limit` operations have no parameters; nothing otherwise."""
    free, operations = parameter_free(architecture, space)
    if free <= limit:
        return []
    title = space.draw(architecture)[0].title
    return [
        f"the search has collapsed, as DARTS is known to: {free} of {operations} operations of the {title} are skips, "
        f"pools or none, which have no parameters (more than strategy.max_parameter_free={limit}); fewer epochs, "
        "a longer warm-up or strategy=pc_darts often help"
    ]
