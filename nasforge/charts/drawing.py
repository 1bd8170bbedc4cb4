"""Pictures of cells: a graph from left to right with operations on the edges, colored by family."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from nasforge.architecture import CellGraph
from nasforge.charts.chain_layout import lay_out_chain
from nasforge.charts.layered import Layout, Point, Size, lay_out
from nasforge.charts.svg import LIGHT, svg_of
from nasforge.errors import ArchitectureError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAMILIES = {
    "sep": "separable convolution",
    "dil": "dilated convolution",
    "pool": "pooling",
    "skip": "skip connection",
    "other": "other convolution or operation",
    "none": "no connection",
}

_WIDTH = 640.0  # fits a column of text without scaling
_TOO_WIDE = 1000.0  # a wider picture is drawn from the top down
_MARGIN = 14.0
_TITLE = 30.0
_NODE_FONT, _LABEL_FONT = 11.0, 10.5
_SUBSCRIPTS = str.maketrans("0123456789+-aeijknt", "₀₁₂₃₄₅₆₇₈₉₊₋ₐₑᵢⱼₖₙₜ")
_SHORT = {
    "skip_connect": "skip",
    "none": "none",
    "nor_conv": "conv",
    "conv_7x1_1x7": "conv 7×1·1×7",
    "conv_3x1_1x3": "conv 3×1·1×3",
}


def draw_cell(graph: CellGraph, path_stem: Path) -> tuple[Path, Path]:
    """Write `<path_stem>.svg` and, at twice the resolution, `<path_stem>.png`; equal graphs give equal SVG bytes.

    Args:
        graph: the cell; an `ArchitectureError` names an edge that does not lead forward.
        path_stem: path of the files without a suffix; its folder is created if missing.
    """
    figure = cell_figure(graph)
    path_stem.parent.mkdir(parents=True, exist_ok=True)
    svg, png = (path_stem.with_name(path_stem.name + suffix) for suffix in (".svg", ".png"))
    svg.write_text(svg_of(figure), encoding="utf-8")
    figure.savefig(png, dpi=144, metadata={"Software": None})
    return svg, png


def cell_svg(graph: CellGraph, *, down: bool = False) -> str:
    """The picture of a cell as SVG text; `down` draws it from the top down, for a narrow page."""
    return svg_of(cell_figure(graph, down=down))


def family(operation: str) -> str:
    """The key in `FAMILIES` of an operation, judged by its usual name."""
    name = operation.lower()
    for start, kind in (("sep_", "sep"), ("dil_", "dil"), ("skip", "skip"), ("identity", "skip"), ("none", "none")):
        if name.startswith(start):
            return kind
    return "pool" if "pool" in name else "other"


def short_name(operation: str) -> str:
    """The label of an operation: `sep_conv_3x3` becomes "sep 3×3", `max_pool_3x3` becomes "max 3×3"."""
    if operation in _SHORT:
        return _SHORT[operation]
    name = re.sub(r"(\d)x(\d)", r"\1×\2", operation)
    name = re.sub(r"^(sep|dil)_conv", r"\1", name)
    name = re.sub(r"^(max|avg)_pool", r"\1", name)
    name = re.sub(r"^nor_conv", "conv", name)
    return name.replace("_", " ").strip()


def node_name(label: str) -> str:
    """The label of a node with its index as a subscript: `c_{k-1}` becomes "cₖ₋₁"."""
    return re.sub(r"_\{([\w+-]+)\}", lambda match: match[1].translate(_SUBSCRIPTS), label)


def cell_layout(graph: CellGraph, *, down: bool = False) -> tuple[Layout, list[Size], list[Size | None]]:
    """The layout of a cell, the sizes of its nodes and of its edges' labels; chains always run down."""
    for source, target, operation in graph.edges:
        if not 0 <= source < target < len(graph.nodes):
            raise ArchitectureError(
                f"edge ({source}, {target}, '{operation}') of '{graph.title}' must lead from an earlier to a later node"
            )
    nodes = [(max(text_width(node_name(label), _NODE_FONT) + 18, 32.0), 30.0) for label in graph.nodes]
    if graph.chain:
        nodes = [(max(width for width, _ in nodes), 30.0)] * len(nodes)
        plain = [(source, target) for source, target, _ in graph.edges]
        return lay_out_chain(nodes, plain), nodes, [None] * len(plain)
    labels = [
        (text_width(short_name(operation), _LABEL_FONT) + 16, 21.0) if operation else None
        for _, _, operation in graph.edges
    ]
    edges = [(source, target, size) for (source, target, _), size in zip(graph.edges, labels, strict=True)]
    layout = lay_out(nodes, edges, width=0 if down else _WIDTH, down=down)
    if layout.size[0] > _TOO_WIDE and not down:
        layout = lay_out(nodes, edges, width=0, down=True)
    return layout, nodes, labels


def cell_figure(graph: CellGraph, *, down: bool = False) -> Figure:
    """The picture of a cell as a matplotlib figure, with one point per unit of the layout."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    layout, nodes, labels = cell_layout(graph, down=down)
    top = _TITLE if graph.title else 0.0
    width = max(layout.size[0], text_width(graph.title, 13) if graph.title else 0) + 2 * _MARGIN
    height = layout.size[1] + 2 * _MARGIN + top
    figure = Figure(figsize=(width / 72, height / 72), facecolor=LIGHT["paper"])
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-_MARGIN, width - _MARGIN), ylim=(height - _MARGIN - top, -_MARGIN - top))
    axes.axis("off")
    axes.text(0, -top + 6, graph.title, size=13, weight="bold", color=LIGHT["ink"], va="center", parse_math=False)
    down = (
        down
        or graph.chain
        or bool(layout.size[1] > layout.size[0] and layout.wires and layout.wires[0][0][0] == layout.wires[0][1][0])
    )
    for wire, (_, _, operation) in zip(layout.wires, graph.edges, strict=True):
        _draw_wire(axes, wire, operation, down)
    for place, size, (_, _, operation) in zip(layout.labels, labels, graph.edges, strict=True):
        if place and size:
            kind = family(operation)
            _draw_box(axes, place, size, short_name(operation), f"{kind}-soft", kind, _LABEL_FONT)
    for i, (place, size, label) in enumerate(zip(layout.nodes, nodes, graph.nodes, strict=True)):
        line = "ink" if i in graph.marked else "node-line"
        _draw_box(axes, place, size, node_name(label), "node", line, _NODE_FONT)
    return figure


def _draw_wire(axes: Axes, wire: tuple[Point, ...], operation: str, down: bool) -> None:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path as Curve

    codes, points = [Curve.MOVETO], [wire[0]]
    for i, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(wire)):
        if i % 2 == 0:
            codes, points = [*codes, Curve.LINETO], [*points, (x1, y1)]
            continue
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        bends = [(x0, y), (x1, y)] if down else [(x, y0), (x, y1)]
        codes, points = [*codes, *[Curve.CURVE4] * 3], [*points, *bends, (x1, y1)]
    color = LIGHT[family(operation)] if operation else LIGHT["node-line"]
    style = "--" if family(operation) == "none" else "-"
    axes.add_artist(PathPatch(Curve(points, codes), fill=False, edgecolor=color, linewidth=1.4, linestyle=style))
    x, y = wire[-1]
    tip = [(x, y), (x - 3.5, y - 7), (x + 3.5, y - 7)] if down else [(x, y), (x - 7, y - 3.5), (x - 7, y + 3.5)]
    axes.add_artist(Polygon(tip, closed=True, facecolor=color, edgecolor="none"))


def _draw_box(axes: Axes, place: Point, size: Size, text: str, fill: str, line: str, font: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    (x, y), (width, height) = place, size
    style = f"round,pad=0,rounding_size={height / 2 if fill != 'node' else 7}"
    corner = (x - width / 2, y - height / 2)
    axes.add_artist(
        FancyBboxPatch(
            corner, width, height, boxstyle=style, facecolor=LIGHT[fill], edgecolor=LIGHT[line], linewidth=1.1
        )
    )
    weight = "bold" if fill == "node" else "normal"
    # `baseline` plus a constant: centering by ink would place "skip" and "max" at different heights.
    axes.text(
        x, y + 0.36 * font, text, size=font, weight=weight, color=LIGHT["ink"], ha="center", va="baseline",
        parse_math=False,
    )  # fmt: skip


@lru_cache(maxsize=512)
def text_width(text: str, font: float) -> float:
    """The width of a line of text, measured in bold, the widest style in use."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    path = TextPath((0, 0), text.replace("$", "S"), size=font, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    return float(path.get_extents().width)
