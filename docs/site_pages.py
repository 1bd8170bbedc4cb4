"""A hook of MkDocs: adds notebooks, and pages from outside docs/, so that links work as in the repository."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import notebooks

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = ["benchmarks/README.md", "benchmarks/results/*.md", "CHANGELOG.md", "CONTRIBUTING.md"]


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the results of benchmarks, the list of changes, the guide for contributors, and what notebooks show."""
    for path in sorted(path for pattern in OUTSIDE for path in ROOT.glob(pattern)):
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, name, content=_moved(path.read_text())))
    for path in sorted((ROOT / "docs").glob("*.ipynb")):
        markdown, pictures = _shown(path, path.stat().st_mtime)
        files.append(File.generated(config, f"{path.stem}.md", content=markdown))
        for name, picture in pictures.items():
            files.append(File.generated(config, name, content=picture))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links out of docs/ and to notebooks lead to the added pages."""
    markdown = re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", markdown)
    return re.sub(r"\]\(\.\./(benchmarks/|CHANGELOG|CONTRIBUTING)", r"](\1", markdown)


@cache
def _shown(path: Path, changed: float) -> tuple[str, dict[str, bytes]]:
    """A notebook as a page, and its pictures. `mkdocs serve` runs it again only after it changed."""
    return notebooks.page(notebooks.executed(path), path.stem)


def _moved(markdown: str) -> str:
    """A page of the repository's root, with links that fit a site whose root is docs/."""
    return re.sub(r"\]\(((?:\.\./)*)docs/", r"](\1", markdown)
