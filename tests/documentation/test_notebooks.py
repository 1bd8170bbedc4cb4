"""The notebooks of docs/ run from top to bottom, show what they promise, and are stored without outputs."""

import runpy
from pathlib import Path

import nbformat
import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOTEBOOKS = sorted(DOCS.glob("*.ipynb"))


@pytest.fixture(scope="module")
def shown():
    """The outputs of each cell of the first notebook by the cell's name, executed once."""
    executed = runpy.run_path(str(DOCS / "notebooks.py"))["executed"]
    return {cell.id: cell.get("outputs", []) for cell in executed(DOCS / "first_search.ipynb").cells}


def text(outputs):
    return "".join(output.get("text", "") for output in outputs)


def test_the_found_cell_is_drawn(shown):
    (output,) = shown["found"]
    assert "<svg" in output.data["text/html"]
    assert "Trained from scratch it" in output.data["text/html"]


def test_the_candidates_are_a_table_and_a_plot(shown):
    (table,) = shown["candidates"]
    assert table.data["text/html"].count("<tr") == 6  # a head and five candidates
    (plot,) = shown["plot"]
    assert len(plot.data["image/png"]) > 1000


def test_the_exported_source_code_agrees_with_the_network(shown):
    assert "same logits as the network" in text(shown["export"])
    (probabilities,) = shown["predict"]
    best = probabilities.data["text/plain"].removeprefix("{'")[0]
    assert text(shown["classify"]).startswith(f"digit.png: {best} ")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_outputs_are_stored(path):
    """Stored outputs would grow stale; the site shows those of its own build."""
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
