"""Prints docs/architecture.svg: the folders of the core, drawn from their imports and their docstrings' first lines.

python docs/architecture_picture.py > docs/architecture.svg
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

from nasforge.charts.svg import LIGHT

CORE = Path(__file__).resolve().parents[1] / "nasforge"
CONTRACTS = "nasforge"
"""The modules at the top, as a folder: the contracts that a plug-in's author reads."""
WIDTH, HEIGHT, GAP, RISE, MARGIN = 218, 74, 20, 46, 16
"""Pixels: of a box, between boxes, between rows, around all."""


def imported(path: Path) -> Iterator[str]:
    """The folders that a module imports when it runs."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nasforge":
            _, *parts = str(node.module).split(".")
            names = parts[:1] or [alias.name for alias in node.names]
            yield from (name if (CORE / name).is_dir() else CONTRACTS for name in names)


def graph() -> dict[str, set[str]]:
    """Each folder, and those below it that it imports."""
    folders = {path.parent.name: path.parent for path in CORE.glob("*/__init__.py")}
    edges = {name: {below for path in folder.glob("*.py") for below in imported(path)} - {name}
             for name, folder in folders.items()}  # fmt: skip
    contracts = [path for path in CORE.glob("*.py") if not path.stem.startswith("__") and path.stem != "strategy"]
    return {**edges, CONTRACTS: {below for path in contracts for below in imported(path)} - {CONTRACTS}}


def rows(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """From the bottom up: a folder stands above all that it imports."""

    @cache
    def height(name: str) -> int:
        return 1 + max(map(height, edges[name]), default=-1)

    return [sorted(name for name in edges if height(name) == row) for row in range(max(map(height, edges)) + 1)]


def needed(edges: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    """The imports that no other path stands for, so that the picture has few lines."""

    @cache
    def below(name: str) -> frozenset[str]:
        return frozenset(edges[name]).union(*map(below, edges[name]))

    for name in edges:
        for other in edges[name]:
            if not any(other in below(between) for between in edges[name] - {other}):
                yield name, other


def purpose(name: str) -> str:
    """The first sentence of a folder's docstring."""
    if name == CONTRACTS:
        return "The contracts and values that a plug-in's author reads: space, strategy, estimator, data."
    return (ast.get_docstring(ast.parse((CORE / name / "__init__.py").read_text(encoding="utf-8"))) or "").split("\n")[
        0
    ]


def picture() -> str:
    """The SVG."""
    edges = graph()
    layers = rows(edges)
    width = max(map(len, layers)) * (WIDTH + GAP) - GAP + 2 * MARGIN
    height = len(layers) * (HEIGHT + RISE) - RISE + 2 * MARGIN
    corner = {
        name: ((width - len(row) * (WIDTH + GAP) + GAP) / 2 + place * (WIDTH + GAP),
               height - MARGIN - HEIGHT - number * (HEIGHT + RISE))
        for number, row in enumerate(layers) for place, name in enumerate(row)
    }  # fmt: skip
    lines = [line(*corner[folder], *corner[below]) for folder, below in sorted(needed(edges))]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="sans-serif">',
            f'<rect width="100%" height="100%" fill="{LIGHT["paper"]}"/>',
            *lines,
            *(box(name, *corner[name]) for name in sorted(corner)),
            "</svg>",
        ]
    )


def line(x: float, y: float, to_x: float, to_y: float) -> str:
    """From the box at (x, y) down to another one."""
    path = f"M{x + WIDTH / 2:g} {y + HEIGHT:g}L{to_x + WIDTH / 2:g} {to_y:g}"
    return f'<path d="{path}" stroke="{LIGHT["node-line"]}"/>'


def text(x: float, y: float, words: str, size: float, color: str, weight: str = "normal") -> str:
    """Words whose baseline begins at (x, y)."""
    style = f'font-size="{size}" font-weight="{weight}" fill="{LIGHT[color]}"'
    return f'<text x="{x:g}" y="{y:g}" {style}>{escape(words)}</text>'


def box(name: str, x: float, y: float) -> str:
    """One folder."""
    title = f"{name}/" if name != CONTRACTS else "nasforge/*.py"
    lines = textwrap.wrap(purpose(name).replace("`", ""), 38, break_on_hyphens=False)[:3]
    colors = f'fill="{LIGHT["node"]}" stroke="{LIGHT["node-line"]}"'
    return "".join(
        [
            f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" {colors}/>',
            text(x + 10, y + 18, title, 13, "ink", "bold"),
            *(text(x + 10, y + 34 + 13 * number, line, 10.5, "muted") for number, line in enumerate(lines)),
        ]
    )


if __name__ == "__main__":
    print(picture())
