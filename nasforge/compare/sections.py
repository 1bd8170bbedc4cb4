"""Parts of a comparison beyond its first table: tables of text, and charts, under a title of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nasforge.compare.tables import pipes
from nasforge.wording import sentence_case

if TYPE_CHECKING:
    from nasforge.compare.charts import Chart
    from nasforge.compare.comparison import Comparison


@dataclass(frozen=True)
class Grid:
    """A table as text: mean and deviation in each cell, or a dash without a run.

    Attributes:
        names: whether the first column holds names, which are aligned left, instead of numbers.
        repeats: whether the numbers are those of the comparison's first table, so that only `comparison.md` has them.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: bool = False
    repeats: bool = False

    @property
    def markdown(self) -> str:
        """The table in Markdown, with its title."""
        return f"### {sentence_case(self.title)}\n\n{pipes(self.heads, self.rows, range(self.names, len(self.heads)))}"


@dataclass(frozen=True)
class Section:
    """Tables and charts.

    Attributes:
        about: what numbers and pictures show, in sentences.
    """

    title: str
    about: str
    grids: tuple[Grid, ...]
    charts: tuple[Chart, ...] = ()

    @property
    def new_grids(self) -> list[Grid]:
        """The tables that do not repeat the comparison's first one."""
        return [grid for grid in self.grids if not grid.repeats]

    @property
    def markdown(self) -> str:
        """The tables in Markdown."""
        return "\n\n".join([f"## {self.title}", self.about, *(grid.markdown for grid in self.grids)]) + "\n"


def sections_of(comparison: Comparison) -> list[Section]:
    """What the runs show beyond the scores of the first table."""
    from nasforge.compare.agreement import agreement_section
    from nasforge.compare.option_grids import option_section
    from nasforge.compare.retraining_grids import retraining_section

    return [*option_section(comparison), *agreement_section(comparison), *retraining_section(comparison)]
