"""A hook of MkDocs: pages from outside docs/ join the site, so that links work there as they do in the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
OUTSIDE = ["benchmarks/README.md", "benchmarks/results/*.md", "CHANGELOG.md", "CONTRIBUTING.md"]


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the results of benchmarks, the list of changes and the guide for contributors."""
    for path in sorted(path for pattern in OUTSIDE for path in ROOT.glob(pattern)):
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, name, content=_moved(path.read_text())))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Let links out of docs/ lead to the added pages."""
    return re.sub(r"\]\(\.\./(benchmarks/|CHANGELOG|CONTRIBUTING)", r"](\1", markdown)


def _moved(markdown: str) -> str:
    """A page of the repository's root, with links that fit a site whose root is docs/."""
    return re.sub(r"\]\(((?:\.\./)*)docs/", r"](\1", markdown)
