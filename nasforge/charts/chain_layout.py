"""Layout of a chain: nodes in a column, straight wires between neighbors, lanes for wires that skip nodes."""

from __future__ import annotations

from collections.abc import Sequence

from nasforge.charts.layered import Layout, Point, Size

_GAP = 32.0
_LANE = 11.0
_PORT = 8.0


def lay_out_chain(nodes: Sequence[Size], edges: Sequence[tuple[int, int]]) -> Layout:
    """Lay out a chain from the top down, without labels.

    Args:
        nodes: width and height of each, from first to last.
        edges: (from, to), each from an earlier to a later node.
    """
    width, height = (max((size[axis] for size in nodes), default=0.0) for axis in (0, 1))
    centers = [(width / 2, height / 2 + i * (height + _GAP)) for i in range(len(nodes))]
    lanes = _lanes(edges)
    starts, ends = _ports(edges, lanes, width, 0), _ports(edges, lanes, width, 1)
    wires = []
    for (source, target), lane, start, end in zip(edges, lanes, starts, ends, strict=True):
        top, bottom = centers[source][1] + height / 2, centers[target][1] - height / 2
        wire: list[Point] = [(start, top)]
        if lane is not None:
            beside = width + _LANE * (lane + 1)
            wire += [(start, top), (beside, top + _GAP - 8), (beside, bottom - _GAP + 8), (end, bottom - 8)]
        wires.append((*wire, (end, bottom)))
    used = 1 + max((lane for lane in lanes if lane is not None), default=-1)
    tall = len(nodes) * (height + _GAP) - _GAP if nodes else 0.0
    return Layout((width + _LANE * used, tall), tuple(centers), (None,) * len(edges), tuple(wires))


def _lanes(edges: Sequence[tuple[int, int]]) -> list[int | None]:
    """For each edge that skips nodes, the innermost lane that is free along the edge; shorter edges choose first."""
    lanes: list[int | None] = [None] * len(edges)
    taken: list[set[int]] = []
    for i in sorted(range(len(edges)), key=lambda i: (edges[i][1] - edges[i][0], edges[i])):
        way = set(range(*edges[i]))
        if len(way) > 1:
            lane = next((lane for lane, gaps in enumerate(taken) if not gaps & way), len(taken))
            taken += [set()] if lane == len(taken) else []
            taken[lane] |= way
            lanes[i] = lane
    return lanes


def _ports(edges: Sequence[tuple[int, int]], lanes: Sequence[int | None], width: float, end: int) -> list[float]:
    """The x of each edge at its node: the wire to the next node in the middle, then lanes from inside to outside."""
    ports = [0.0] * len(edges)
    for node in {edge[end] for edge in edges}:
        mine = sorted((i for i, edge in enumerate(edges) if edge[end] == node), key=lambda i: (lanes[i] or 0, edges[i]))
        straight = [i for i in mine if lanes[i] is None]
        skips = [i for i in mine if lanes[i] is not None]
        for place, i in enumerate(straight):
            ports[i] = width / 2 + (place - (len(straight) - 1) / 2) * _PORT
        first = width / 2 + (len(straight) + 1) / 2 * _PORT
        step = min(_PORT, (width - first - 8) / max(len(skips), 1))
        for place, i in enumerate(skips):
            ports[i] = first + place * step
    return ports
