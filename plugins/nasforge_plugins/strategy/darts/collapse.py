"""DARTS's known failure: shared weights favour operations that have none, and the cell fills up with them."""

from __future__ import annotations

from nasforge import Architecture, SearchSpace, WeightSharing

PARAMETER_FREE = ("none", "skip_connect", "max_pool_3x3", "avg_pool_3x3")


def parameter_free(architecture: Architecture, space: SearchSpace) -> tuple[int, int]:
    """(operations without parameters, operations) of the space's first cell type, the normal one.

    Reduction cells of published architectures are made of pools and skips; there they are no sign of a collapse. Of a
    space that does not name its mix (`WeightSharing.mix_labels`) nothing is known: (0, 0).
    """
    if not isinstance(space, WeightSharing) or not space.mix_labels:
        return 0, 0
    cell, (_, names) = next(iter(space.mix_labels.items()))
    chosen = [names[column] for _, column in space.mix_of(architecture)[cell].nonzero().tolist()]
    return sum(name in PARAMETER_FREE for name in chosen), len(chosen)


def collapse_warning(architecture: Architecture, space: SearchSpace, limit: int | None) -> list[str]:
    """A sentence that names the collapse if more than `limit` operations have no parameters; nothing otherwise.

    Args:
        limit: None is half of the cell's operations; published cells of DARTS, PC-DARTS and P-DARTS have 2 or 3 of 8.
    """
    free, operations = parameter_free(architecture, space)
    limit = operations // 2 if limit is None else limit
    if free <= limit:
        return []
    title = space.draw(architecture)[0].title
    return [
        f"the search has collapsed, as DARTS is known to: {free} of {operations} operations of the {title} are skips, "
        f"pools or none, which have no parameters; more than {limit} is called so (strategy.max_parameter_free). "
        "Fewer epochs or a longer warm-up of the weights often help"
    ]
