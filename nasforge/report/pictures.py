"""Pictures of a run as safe HTML for its report."""

from __future__ import annotations

from markupsafe import Markup

from nasforge.architecture import CellGraph
from nasforge.charts.drawing import cell_svg
from nasforge.charts.svg import image, inline
from nasforge.journal.records import read_json
from nasforge.journal.run_folder import RunFolder
from nasforge.report.curves import FitChart, fit_charts


def picture(svg: str, name: str, caption: str, scale: float = 1.0) -> Markup:
    """The picture as safe HTML: `inline` passes only shapes and text."""
    return Markup(inline(svg, name, caption, scale=scale))


def both_ways(graph: CellGraph, name: str) -> tuple[Markup, Markup]:
    """A cell drawn from left to right, and from the top down for narrow pages; chains always run down."""
    svg = cell_svg(graph)
    edges = [operation for _, _, operation in graph.edges if operation]
    caption = f"{graph.title}: {', '.join(edges)}" if edges else graph.title
    down = picture(svg if graph.chain else cell_svg(graph, down=True), f"{name}-down", caption)
    return picture(svg, name, caption, scale=1.25), down


def fit_pictures(run: RunFolder, called: str = "found") -> list[tuple[str, list[tuple[FitChart, Markup]]]]:
    """(name, charts with their pictures) for each group of fits."""
    return [
        (
            name,
            [
                (chart, picture(chart.svg, f"fit{i}-{j}", f"{name}: {chart.title} over epochs{chart.ends}"))
                for j, chart in enumerate(charts)
            ],
        )
        for i, (name, charts) in enumerate(fit_charts(run, called=called))
    ]


def artifacts(run: RunFolder) -> list[tuple[str, Markup]]:
    """(caption, picture) of each artifact that the strategy kept."""
    index = read_json(run.captions, list) if run.owns(run.captions) else []
    return [_artifact(run, entry["file"], entry["caption"]) for entry in index if entry["caption"]]


def _artifact(run: RunFolder, file: str, caption: str) -> tuple[str, Markup]:
    path = run.path / file
    if path.suffix not in (".svg", ".png") or not run.owns(path):
        return caption, Markup("<p class='muted'>This run has no picture {}.</p>").format(file)
    if path.suffix == ".svg":
        return caption, picture(path.read_text(encoding="utf-8"), path.stem, caption)
    return caption, Markup(image(path.read_bytes(), "image/png", caption))
