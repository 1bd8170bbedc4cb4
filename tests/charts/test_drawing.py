"""Cells are drawn whole, readable, and the same twice."""

import itertools
import subprocess
import sys

import pytest

from nasforge import ArchitectureError, CellGraph
from nasforge.charts.drawing import cell_layout, cell_svg, draw_cell, family, short_name
from nasforge_plugins.space.darts import DARTS

CHAIN = CellGraph(
    "chain",
    tuple(str(i) for i in range(12)),
    (*tuple((i, i + 1, "") for i in range(11)), (0, 5, ""), (2, 11, "")),
)
NB201 = CellGraph(
    "cell",
    ("0", "1", "2", "3"),
    tuple(
        (a, b, operation)
        for (a, b), operation in zip(
            [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)],
            ["nor_conv_3x3", "none", "nor_conv_1x1", "skip_connect", "avg_pool_3x3", "nor_conv_3x3"],
            strict=True,
        )
    ),
)

PARALLEL = CellGraph("", ("in", "out"), ((0, 1, "sep_conv_3x3"), (0, 1, "sep_conv_3x3"), (0, 1, ""), (0, 1, "")))
COLUMN = CellGraph(
    "column",
    ("input", *(f"{i} · AmoebaNet-A reduction" for i in range(1, 8)), "output"),
    (
        *((i, i + 1, "") for i in range(8)),
        (0, 1, ""),
        *((a, b, "") for a, b in [(0, 2), (0, 3), (1, 4), (3, 5), (0, 7)]),
    ),
    chain=True,
    marked=(2, 5),
)
NAMED_CHAIN = CellGraph("chain", tuple(f"AmoebaNet reduction {i}" for i in range(12)), (*CHAIN.edges, (1, 4, "skip")))


def graphs():
    space = DARTS()
    cells = [graph for name in ("DARTS_V2", "NASNet_A", "AmoebaNet_A") for graph in space.draw(space.presets[name])]
    return [*cells, CHAIN, NAMED_CHAIN, NB201, PARALLEL, COLUMN]


def boxes(graph):
    """(left, top, right, bottom) of every node and every label."""
    layout, nodes, labels = cell_layout(graph)
    placed = [*zip(layout.nodes, nodes, strict=True), *zip(layout.labels, labels, strict=True)]
    return [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for spot, size in placed if spot and size
            for (x, y), (w, h) in [(spot, size)]]  # fmt: skip


@pytest.mark.parametrize("graph", graphs(), ids=lambda graph: f"{graph.title}-{len(graph.edges)}")
def test_nothing_lies_on_anything_else_and_every_label_is_there(graph):
    for one, other in itertools.combinations(boxes(graph), 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)
    svg = cell_svg(graph)
    for _, _, operation in graph.edges:
        assert not operation or short_name(operation) in svg
    assert cell_svg(graph) == svg


@pytest.mark.parametrize("graph", graphs(), ids=lambda graph: f"{graph.title}-{len(graph.edges)}")
def test_wires_keep_clear_of_foreign_nodes_and_labels(graph):
    layout, nodes, labels = cell_layout(graph)
    for i, (wire, (source, target, _)) in enumerate(zip(layout.wires, graph.edges, strict=True)):
        foreign = [(layout.nodes[n], nodes[n]) for n in range(len(nodes)) if n not in (source, target)]
        foreign += [(layout.labels[j], labels[j]) for j in range(len(labels)) if j != i and labels[j]]
        for (x, y), (w, h) in foreign:
            for (x0, y0), (x1, y1) in itertools.pairwise(wire):
                beside = max(x0, x1) <= x - w / 2 + 1e-6 or min(x0, x1) >= x + w / 2 - 1e-6
                above = max(y0, y1) <= y - h / 2 + 1e-6 or min(y0, y1) >= y + h / 2 - 1e-6
                assert beside or above, (graph.edges[i], (x, y))


def test_parallel_edges_have_lanes_of_their_own():
    layout, _, _ = cell_layout(PARALLEL)
    heights = {wire[len(wire) // 2][1] for wire in layout.wires}
    assert len(heights) == 4


def test_a_chain_stands_upright_and_its_skips_share_lanes_where_they_can():
    layout, _, _ = cell_layout(COLUMN)
    assert len({x for x, _ in layout.nodes}) == 1
    straight = [wire for wire in layout.wires if len(wire) == 2]
    assert len(straight) == 9
    assert all(start[0] == end[0] for start, end in straight)
    assert len({wire[0] for wire in straight}) == 9
    lane = {edge[:2]: wire[2][0] for edge, wire in zip(COLUMN.edges, layout.wires, strict=True) if len(wire) > 2}
    assert lane[0, 2] == lane[3, 5] < lane[0, 3] < lane[1, 4] < lane[0, 7]
    assert lane[0, 7] <= layout.size[0]


def test_long_names_flow_down_and_short_ones_to_the_right():
    (width, height), (narrow, tall) = (cell_layout(graph)[0].size for graph in (CHAIN, NAMED_CHAIN))
    assert width > height
    assert tall > narrow
    assert max(narrow, *(cell_layout(graph)[0].size[0] for graph in graphs())) <= 800


def test_labels_are_text_and_no_formula():
    svg = cell_svg(CellGraph("$x$ <b>", ("c_{k-2}", "$y$"), ((0, 1, "a_$b$"),)))
    for text in ("$x$ &lt;b&gt;", "cₖ₋₂", "$y$", "a $b$"):
        assert f">{text}</text>" in svg


def test_importing_nasforge_or_its_drawings_imports_no_matplotlib():
    code = "import sys, nasforge, nasforge.charts.drawing, nasforge.report.page; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_files_are_written_and_the_svg_carries_no_date(tmp_path):
    svg, png = draw_cell(NB201, tmp_path / "pictures" / "cell")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "<dc:date" not in svg.read_text()
    assert svg.read_text() == draw_cell(NB201, tmp_path / "again")[0].read_text()


def test_operations_have_families():
    names = ["sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "skip_connect", "conv_7x1_1x7", "none"]
    assert [family(name) for name in names] == ["sep", "dil", "pool", "skip", "other", "none"]


def test_an_edge_that_leads_back_is_named():
    with pytest.raises(ArchitectureError, match=r"edge \(1, 0, 'skip_connect'\) of 'bad' must lead from an earlier"):
        cell_svg(CellGraph("bad", ("a", "b"), ((1, 0, "skip_connect"),)))
