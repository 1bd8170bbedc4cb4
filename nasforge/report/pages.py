"""Pages of one file: templates filled in, everything from outside escaped, nothing that needs a network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from nasforge.charts.svg import PALETTE
from nasforge.journal.journal import atomic


def write_page(path: Path, template: str, content: Mapping[str, Any]) -> Path:
    """Write `path` from a template ("report/report.html.jinja"), in the colours of the palette.

    Args:
        content: what the template's names stand for; texts are escaped, `Markup` goes in as it is.
    """
    page = _templates().get_template(template).render(palette=PALETTE, **content)
    with atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


@cache
def _templates() -> Environment:
    """Those beside this file; each is compiled once in a process, not for every run of a sweep."""
    return Environment(
        loader=PackageLoader("nasforge", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
