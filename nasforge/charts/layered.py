"""Layout of a layered graph: nodes in columns, each edge in its own lane, labels in between.

Labels are placed like nodes (Sugiyama, Tagawa and Toda 1981; Gansner et al. 1993), so no label overlaps a node, another
label, or another edge.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

Size = tuple[float, float]
Point = tuple[float, float]

_SPACING = 9.0
_LANE = 5.0
_PORT = 7.0


@dataclass(frozen=True)
class Layout:
    """Centers and curves in the unit of the given sizes; y grows downward.

    Attributes:
        size: width and height of the whole picture.
        nodes: the center of each node.
        labels: the center of each edge's label; None for an edge without one.
        wires: the corners of each edge: its start, then alternately the ends of curves and of straight pieces.
    """

    size: Size
    nodes: tuple[Point, ...]
    labels: tuple[Point | None, ...]
    wires: tuple[tuple[Point, ...], ...]


@dataclass(eq=False)
class Vertex:
    """A node (even columns), a label or a lane; `along` is its extent in the direction of flow."""

    column: int
    along: float
    across: float
    rank: int = 0
    y: float = 0.0
    near: tuple[list[Vertex], list[Vertex]] = field(default_factory=lambda: ([], []))

    def pull(self, other: Vertex) -> float:
        """How strongly two vertices attract each other: lanes should bend least."""
        return (1.0, 2.0, 8.0)[(not self.along) + (not other.along)]


def lay_out(
    nodes: Sequence[Size], edges: Sequence[tuple[int, int, Size | None]], *, width: float, down: bool = False
) -> Layout:
    """Lay out a directed acyclic graph, from left to right, or from the top down.

    Args:
        nodes: width and height of each, in topological order; the last one is placed at the end.
        edges: (from, to, size of its label or None); parallel edges get separate lanes.
        width: the extent in the direction of flow that gaps may grow to fill.
        down: whether to flow from the top down.
    """
    turned = [_turned(size, down) for size in nodes]
    layers = _layers(len(nodes), edges)
    vertices = [Vertex(2 * layer, *size) for layer, size in zip(layers, turned, strict=True)]
    paths = _paths(vertices, [(a, b, _turned(size, down) if size else None) for a, b, size in edges])
    columns: list[list[Vertex]] = [[] for _ in range(2 * max(layers, default=0) + 1)]
    for vertex in dict.fromkeys([*vertices, *(vertex for path in paths for vertex in path)]):
        columns[vertex.column].append(vertex)
    _order(columns)
    height = _level(columns)
    spans, total = _spans(columns, width)
    centers = [sum(span) / 2 for span in spans]
    wires = _wires(paths, spans, centers)
    labels = [next((vertex for vertex in path[1:-1] if vertex.along), None) for path in paths]
    place = [(centers[vertex.column], vertex.y) for vertex in vertices]
    return Layout(
        size=_turned((total, height), down),
        nodes=tuple(_turned(point, down) for point in place),
        labels=tuple(_turned((centers[label.column], label.y), down) if label else None for label in labels),
        wires=tuple(tuple(_turned(point, down) for point in wire) for wire in wires),
    )


def _turned(pair: Size, down: bool) -> Size:
    return (pair[1], pair[0]) if down else pair


def _layers(n: int, edges: Sequence[tuple[int, int, Size | None]]) -> list[int]:
    layers = [0] * n
    for source, target, _ in sorted(edges, key=lambda edge: edge[1]):
        layers[target] = max(layers[target], layers[source] + 1)
    return [*layers[:-1], max(layers)] if n else []


def _paths(vertices: list[Vertex], edges: Sequence[tuple[int, int, Size | None]]) -> list[list[Vertex]]:
    """Each edge as one vertex per column; its label goes to the column with the fewest labels, near its target."""
    taken: dict[int, int] = {}
    paths = []
    shortest_first = sorted(
        range(len(edges)), key=lambda i: vertices[edges[i][1]].column - vertices[edges[i][0]].column
    )
    chosen = {}
    for i in shortest_first:
        source, target, size = edges[i]
        odd = range(vertices[target].column - 1, vertices[source].column, -2)
        if size:
            chosen[i] = min(odd, key=lambda column: taken.get(column, 0))
            taken[chosen[i]] = taken.get(chosen[i], 0) + 1
    for i, (source, target, size) in enumerate(edges):
        path = [vertices[source]]
        for column in range(vertices[source].column + 1, vertices[target].column):
            path.append(Vertex(column, *(size if size and chosen[i] == column else (0.0, _LANE))))
        path.append(vertices[target])
        for vertex, following in itertools.pairwise(path):
            vertex.near[1].append(following)
            following.near[0].append(vertex)
        paths.append(path)
    return paths


def _order(columns: list[list[Vertex]]) -> None:
    """Sort each column so that few wires cross: barycenter sweeps, then swaps of neighbors; keep the best order."""
    _rank(columns)
    best, fewest = [list(column) for column in columns], _crossings(columns)
    for sweep in range(12):
        side = sweep % 2
        for column in columns[:: -1 if side else 1]:
            column.sort(key=lambda vertex: _mean([other.rank for other in vertex.near[side]], vertex.rank))
            _rank([column])
        _swap(columns)
        if (count := _crossings(columns)) < fewest:
            best, fewest = [list(column) for column in columns], count
    for column, order in zip(columns, best, strict=True):
        column[:] = order
    _rank(columns)


def _rank(columns: list[list[Vertex]]) -> None:
    for column in columns:
        for rank, vertex in enumerate(column):
            vertex.rank = rank


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _swap(columns: list[list[Vertex]]) -> None:
    for column in columns:
        for i in range(len(column) - 1):
            upper, lower = column[i], column[i + 1]
            if _crossed(lower, upper) < _crossed(upper, lower):
                column[i], column[i + 1] = lower, upper
                _rank([column])


def _crossed(upper: Vertex, lower: Vertex) -> int:
    """The number of crossings between the wires of two vertices of a column, the first above the second."""
    return sum(a.rank > b.rank for side in (0, 1) for a in upper.near[side] for b in lower.near[side])


def _crossings(columns: list[list[Vertex]]) -> int:
    pairs = ((a, b) for column in columns for i, a in enumerate(column) for b in column[i + 1 :])
    return sum(u.rank > v.rank for a, b in pairs for u in a.near[1] for v in b.near[1])


def _level(columns: list[list[Vertex]]) -> float:
    """Set `y` of each vertex close to its neighbors, and return the height of the picture."""
    for column in columns:
        for vertex in column:
            vertex.y = 30.0 * (vertex.rank - (len(column) - 1) / 2)
    for sweep in range(100):
        for column in columns[:: -1 if sweep % 2 else 1]:
            _settle(column)
    top = min((vertex.y - vertex.across / 2 for column in columns for vertex in column), default=0.0)
    for column in columns:
        for vertex in column:
            vertex.y -= top
    return max((vertex.y + vertex.across / 2 for column in columns for vertex in column), default=0.0)


def _settle(column: list[Vertex]) -> None:
    """Place the vertices of a column by least squares under their order and distances (isotonic regression)."""
    offset, offsets, blocks = 0.0, [], list[tuple[float, float, int]]()
    for i, vertex in enumerate(column):
        if i:
            offset += (column[i - 1].across + vertex.across) / 2 + _SPACING
        offsets.append(offset)
        pulls = [(vertex.pull(other), other.y) for side in vertex.near for other in side] or [(1.0, vertex.y)]
        weight = sum(pull for pull, _ in pulls)
        value, count = sum(pull * y for pull, y in pulls) / weight - offset, 1
        while blocks and blocks[-1][0] > value:
            other_value, other_weight, other_count = blocks.pop()
            value = (value * weight + other_value * other_weight) / (weight + other_weight)
            weight, count = weight + other_weight, count + other_count
        blocks.append((value, weight, count))
    settled = [value for value, _, count in blocks for _ in range(count)]
    for vertex, place, slack in zip(column, settled, offsets, strict=True):
        vertex.y = place + slack


def _spans(columns: list[list[Vertex]], width: float) -> tuple[list[tuple[float, float]], float]:
    """Start and end of each column, and the total extent; gaps beside a column with only lanes are narrower."""
    extents = [max(vertex.along for vertex in column) if column else 0.0 for column in columns]
    shares = [1.0 if extent and following else 0.6 for extent, following in itertools.pairwise(extents)]
    gap = min(max((width - sum(extents)) / max(sum(shares), 1), 20.0), 80.0)
    x, spans = 0.0, []
    for extent, share in zip(extents, [*shares, 0.0], strict=True):
        spans.append((x, x + extent))
        x += extent + gap * share
    return spans, spans[-1][1]


def _wires(paths: list[list[Vertex]], spans: list[tuple[float, float]], centers: list[float]) -> list[list[Point]]:
    starts, ends = _ports(paths, 0), _ports(paths, -1)
    wires = []
    for path, start, end in zip(paths, starts, ends, strict=True):
        source, target = path[0], path[-1]
        wire = [(centers[source.column] + source.along / 2, start), (spans[source.column][1], start)]
        alone = sum(other[0] is source and other[-1] is target for other in paths) == 1
        for vertex in path[1:-1]:
            begin, finish = spans[vertex.column]
            if alone and begin == finish:
                continue  # nothing occupies this column, so the wire may cross it diagonally
            wire += [(begin, vertex.y), (finish, vertex.y)]
        wires.append([*wire, (spans[target.column][0], end), (centers[target.column] - target.along / 2, end)])
    return wires


def _ports(paths: list[list[Vertex]], end: int) -> list[float]:
    """The y of each edge at its node: the wires of a node fan out over its side in the order of their lanes."""
    neighbor = 1 if end == 0 else -2
    ports = [0.0] * len(paths)
    for node in dict.fromkeys(path[end] for path in paths):
        mine = sorted((i for i, path in enumerate(paths) if path[end] is node), key=lambda i: paths[i][neighbor].y)
        step = min(_PORT, (node.across - 10) / max(len(mine) - 1, 1))
        for place, i in enumerate(mine):
            ports[i] = node.y + (place - (len(mine) - 1) / 2) * step
    return ports
