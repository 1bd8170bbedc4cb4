"""What a notebook shows of a run: its cells, its verdict and its accuracy, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from nasforge.architecture import CellGraph
from nasforge.charts.drawing import cell_svg
from nasforge.charts.svg import inline
from nasforge.journal.journal import digest
from nasforge.report.pages import page_of
from nasforge.result import SearchResult
from nasforge.statistics.verdicts import conclusion


def notebook_html(folder: Path, result: SearchResult, graphs: Sequence[CellGraph], lines: Sequence[str]) -> str:
    """Return a part of a page that needs nothing else; all texts are escaped.

    Args:
        folder: the run's, shown at the end.
        graphs: the cells of the architecture.
        lines: shown above them, the first one as the title; empty ones are left out.
    """
    name = f"run-{digest([str(folder), result.to_json()])[:8]}"  # pictures of one page must have ids of their own
    cells = [Markup(inline(cell_svg(graph), f"{name}-{i}", graph.title)) for i, graph in enumerate(graphs)]
    title, *others = filter(None, lines)
    sentence, _ = conclusion(result.control, result.retrain)
    content = {"title": title, "lines": [*others, sentence], "cells": cells, "folder": str(folder), "result": result}
    return page_of("report/notebook.html.jinja", content)
