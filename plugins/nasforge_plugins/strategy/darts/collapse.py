"""DARTS's known failure: the derived cell fills up with operations that have no parameters."""

from __future__ import annotations

from nasforge import Architecture, SearchSpace, WeightSharing

PARAMETER_FREE = ("none", "skip_connect", "max_pool_3x3", "avg_pool_3x3")


def parameter_free(architecture: Architecture, space: SearchSpace) -> tuple[int, int]:
    """Count (operations without parameters, operations) in the space's first cell type, the normal cell.

    Published reduction cells consist of pools and skips, so these are no sign of a collapse there. If the space
    does not name its operations (`WeightSharing.mix_labels`), this returns (0, 0).
    """
    if not isinstance(space, WeightSharing) or not space.mix_labels:
        return 0, 0
    cell, (_, names) = next(iter(space.mix_labels.items()))
    chosen = [names[column] for _, column in space.mix_of(architecture)[cell].nonzero().tolist()]
    return sum(name in PARAMETER_FREE for name in chosen), len(chosen)


def collapse_warning(
    architecture: Architecture, space: SearchSpace, limit: int | None, *, constrained: bool = False
) -> list[str]:
    """Return a warning if more than `limit` operations have no parameters, otherwise an empty list.

    Args:
        architecture: derived without constraints, which may remove convolutions that the search prefers.
        limit: None: half of the cell's operations; published cells of DARTS, PC-DARTS and P-DARTS have 2 or 3 of 8.
        constrained: whether the search has constraints, and so finds another architecture.
    """
    free, operations = parameter_free(architecture, space)
    limit = operations // 2 if limit is None else limit
    if free <= limit:
        return []
    title = space.draw(architecture)[0].title + (" derived without constraints" if constrained else "")
    return [
        f"the search has collapsed, a known failure of DARTS: {free} of {operations} operations of the {title} are "
        f"skips, pools or none, which have no parameters; more than {limit} count as a collapse "
        "(strategy.max_parameter_free). Fewer epochs or a longer warm-up of the weights often help"
    ]
