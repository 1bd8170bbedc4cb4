"""Heatmaps of a supernet's mixing weights over time, one per cell type, for light and dark pages.

Each shade has the hue of its operation's family, as in the drawings of cells, so a collapse to skips or pools shows as
a change of color.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from torch import Tensor

from nasforge.charts.drawing import family, node_name, short_name
from nasforge.charts.svg import LIGHT

Labels = tuple[Sequence[str], Sequence[str]]
"""Names of the edges and of the operations of a mix."""

_ROW, _GAP, _TOP, _LEFT, _WIDTH, _RIGHT = 6.5, 6.0, 64.0, 92.0, 500.0, 150.0
_LEVELS = 12
_MOST_COLUMNS = 60


def mix_over_time(
    trace: Mapping[str, Tensor],
    labels: Mapping[str, Labels],
    edge_weights: Mapping[str, Tensor] | None = None,
    *,
    time: str = "epoch",
) -> dict[str, str]:
    """An SVG for each cell type, with a block per edge and a row per operation; time runs from left to right.

    Shades range from the smallest to the largest weight of the picture, both of which are printed.

    Args:
        trace: mixing weights (times, edges, operations) by cell type, in [0, 1].
        labels: names of edges and operations by cell type; without names, they are numbered.
        edge_weights: PC-DARTS's betas (edges,) at the end, normalized per node, which are printed beside the edges.
        time: the name of a time step.
    """
    return {
        cell: _heat_map(
            rows.cpu().double().numpy(), *_labels(rows, labels.get(cell)), (edge_weights or {}).get(cell), time
        )
        for cell, rows in trace.items()
    }


def _labels(rows: Tensor, given: Labels | None) -> tuple[list[str], list[str]]:
    edges, operations = given or (range(rows.shape[1]), range(rows.shape[2]))
    return [node_name(str(edge)) for edge in edges], [str(operation) for operation in operations]


def _heat_map(
    trace: np.ndarray, edges: Sequence[str], operations: Sequence[str], betas: Tensor | None, time: str
) -> str:
    times = np.unique(np.linspace(0, len(trace) - 1, min(len(trace), _MOST_COLUMNS)).round().astype(int))
    shares = trace[times]  # (columns, edges, operations)
    column = _WIDTH / len(times)
    low, high = float(shares.min()), float(shares.max())
    block = _ROW * len(operations) + _GAP
    height = _TOP + block * len(edges) + 28
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + _RIGHT:g} {height:g}" '
        f'width="{_LEFT + _WIDTH + _RIGHT:g}" height="{height:g}">',
        f'<rect width="100%" height="100%" fill="{LIGHT["paper"]}"/>',
        '<g font-family="DejaVu Sans, Verdana, sans-serif" font-size="10.5">',
        _rows_of_an_edge(operations),
        *_scale(low, high),
    ]
    for edge, name in enumerate(edges):
        top = _TOP + block * edge
        parts.append(
            f'<rect x="{_LEFT:g}" y="{top:g}" width="{_WIDTH:g}" height="{block - _GAP:g}" fill="{LIGHT["node"]}"/>'
        )
        middle = top + (block - _GAP) / 2 + 4
        parts.append(_text(_LEFT - 8, middle - (0 if betas is None else 7), name, "muted", "end"))
        if betas is not None:
            parts.append(_text(_LEFT - 8, middle + 7, f"β {betas[edge].item():.1%}", "ink", "end"))
        strongest = int(shares[-1, edge].argmax())
        y = top + _ROW * strongest
        text = f"{short_name(operations[strongest])} {shares[-1, edge, strongest]:.1%}"
        parts.append(f'<path d="M{_LEFT + _WIDTH + 3:g} {y:g}v{_ROW:g}" stroke="{LIGHT["found"]}" stroke-width="2.5"/>')
        parts.append(_text(_LEFT + _WIDTH + 10, min(max(y + 6.5, top + 9), top + block - _GAP), text, "ink"))
    parts += _cells((shares - low) / ((high - low) or 1.0), [family(name) for name in operations], column, block)
    bottom = _TOP + block * len(edges) + 8
    parts.append(_text(_LEFT, bottom + 6, f"before the first {time}", "muted"))
    parts.append(_text(_LEFT + _WIDTH, bottom + 6, f"after {time} {len(trace) - 1}", "muted", "end"))
    return "\n".join([*parts, "</g></svg>\n"])


def _cells(shades: np.ndarray, families: Sequence[str], column: float, block: float) -> list[str]:
    """One path for each family and shade in [0, 1], with all its rectangles."""
    levels = np.rint(_LEVELS * shades).astype(int)  # (columns, edges, operations)
    paths = []
    for kind in dict.fromkeys(families):
        of_kind = np.array([name == kind for name in families])
        for level in range(1, _LEVELS + 1):
            where = np.argwhere((levels == level) & of_kind)
            if len(where):
                drawn = "".join(
                    f"M{_LEFT + column * t:.1f} {_TOP + block * e + _ROW * o:.1f}h{column:.1f}v{_ROW:g}h-{column:.1f}z"
                    for t, e, o in where
                )
                paths.append(f'<path d="{drawn}" fill="{LIGHT[kind]}" fill-opacity="{level / _LEVELS:.2f}"/>')
    return paths


def _rows_of_an_edge(operations: Sequence[str]) -> str:
    names = ", ".join(f'<tspan fill="{LIGHT[family(name)]}">{escape(short_name(name))}</tspan>' for name in operations)
    return f'<text x="0" y="12" fill="{LIGHT["muted"]}">rows of each edge, from the top: {names}</text>'


def _scale(low: float, high: float) -> list[str]:
    """The legend of the shades. They begin at the smallest weight, because weights of a short search hardly differ."""
    title = f"mixing weight {low:.1%}"
    parts = [_text(_LEFT, 42, title, "muted")]
    start = _LEFT + 6.5 * len(title)
    for level in range(1, _LEVELS + 1):
        parts.append(
            f'<rect x="{start + 10 * level:g}" y="33" width="10" height="10" fill="{LIGHT["muted"]}" '
            f'fill-opacity="{level / _LEVELS:.2f}"/>'
        )
    parts.append(_text(start + 10 * _LEVELS + 18, 42, f"{high:.1%}", "muted"))
    parts.append(_text(_LEFT + _WIDTH + 10, 42, "strongest at the end", "muted"))
    return parts


def _text(x: float, y: float, text: str, color: str, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{LIGHT[color]}" text-anchor="{anchor}">{escape(text)}</text>'
