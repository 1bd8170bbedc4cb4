"""Render self-contained HTML pages from templates, with all outside text escaped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from nasforge.charts.svg import PALETTE
from nasforge.journal.journal import atomic
from nasforge.wording import sentence_case


def write_page(path: Path, template: str, content: Mapping[str, Any]) -> Path:
    """Write `path` from a template such as "report/report.html.jinja", in the colors of the palette.

    Args:
        content: the template's variables; text is escaped, `Markup` is inserted unchanged.
    """
    with atomic(path) as temporary:
        temporary.write_text(page_of(template, content), encoding="utf-8")
    return path


def page_of(template: str, content: Mapping[str, Any]) -> str:
    """Return what `write_page` writes."""
    return _templates().get_template(template).render(palette=PALETTE, **content)


@cache
def _templates() -> Environment:
    """The package's templates; each is compiled once per process, not for every run of a sweep."""
    templates = Environment(
        loader=PackageLoader("nasforge", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["sentence_case"] = sentence_case
    return templates
