"""A verdict on strategies: on how many tasks each is better than random search, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np

from nasforge.errors import OptionError
from nasforge.judging.searches import Searches
from nasforge.judging.tasks import Task
from nasforge.statistics.average_ranks import AverageRanks, average_ranks, paired
from nasforge.statistics.effect_sizes import wins, wins_interval
from nasforge.statistics.intervals import Interval
from nasforge.statistics.rank_tests import LEVEL, holm
from nasforge.wording import counted

BY_SIZE = "parameters only"
"""The search that asks for the largest networks first."""


@dataclass(frozen=True)
class Duel:
    """Two strategies with the same seeds on one task.

    Attributes:
        wins: share of pairs of searches in which the first is better; ties count half.
        interval: its 95 % bootstrap interval.
        p: of the Wilcoxon signed-rank test over seeds, Holm-corrected over the tasks.
    """

    wins: float
    interval: Interval
    p: float

    @property
    def sign(self) -> int:
        """1 if the first is significantly better, -1 if it is worse, else 0."""
        return 0 if self.p >= LEVEL else int(self.wins > 0.5) - int(self.wins < 0.5)


@dataclass(frozen=True, eq=False)
class Verdict:
    """Strategies judged on tasks of tables.

    Attributes:
        judged: names of the strategies to judge.
        box: names of the strategies to compare them with; the first is the baseline, such as random search.
        searches: for each strategy, its searches on each task.
        by_size: for each task, the quality (seeds, evaluations) of the largest networks; None without parameters.
    """

    judged: tuple[str, ...]
    box: tuple[str, ...]
    tasks: tuple[Task, ...]
    seeds: tuple[int, ...]
    evaluations: int
    searches: Mapping[str, Sequence[Searches]]
    by_size: tuple[np.ndarray | None, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All strategies, those to judge first."""
        return tuple(self.searches)

    @property
    def sized(self) -> bool:
        """Whether a task has a search for the largest networks."""
        return any(by_size is not None for by_size in self.by_size)

    @property
    def baseline(self) -> str:
        """The strategy that all others are compared with on each task."""
        return self.box[0]

    @cached_property
    def regrets(self) -> Mapping[str, np.ndarray]:
        """For each strategy (tasks, seeds, evaluations): how far the best so far is from the table's best, which is 0;
        the table's median architecture is 1."""
        return {
            name: np.stack([task.regrets(each.best) for task, each in zip(self.tasks, done, strict=True)])
            for name, done in self.searches.items()
        }

    @cached_property
    def ranks(self) -> AverageRanks:
        """The average ranks over tasks at the end of the searches, in the order of `names`."""
        return average_ranks(np.stack([self.regrets[name][:, :, -1].mean(axis=1) for name in self.names], axis=1))

    def best_of_box(self, name: str) -> str:
        """The strategy of the box with the best average rank, other than `name`."""
        others = [other for other in self.box if other != name] or [self.baseline]
        return min(others, key=lambda other: self.ranks.ranks[self.names.index(other)])

    def rivals(self, name: str) -> list[str]:
        """The baseline, parameters alone if a table has them, and the best of the box."""
        sized = [BY_SIZE] if self.sized else []
        return list(dict.fromkeys([self.baseline, *sized, self.best_of_box(name)]))

    def duels(self, name: str, other: str) -> dict[int, Duel]:
        """Compare two searches at the end, by the index of each task; `BY_SIZE` has only those with parameters."""
        pairs = {
            number: (self._final(name, number), self._final(other, number))
            for number in range(len(self.tasks))
            if other != BY_SIZE or self.by_size[number] is not None
        }
        corrected = holm([paired(*pair) for pair in pairs.values()])
        return {
            number: Duel(wins(*pair), wins_interval(*pair), p)
            for (number, pair), p in zip(pairs.items(), corrected, strict=True)
        }

    def _final(self, name: str, number: int) -> np.ndarray:
        """(seeds,) the regrets of a search on a task at its end."""
        if name != BY_SIZE:
            return self.regrets[name][number, :, -1]
        by_size = self.by_size[number]
        assert by_size is not None
        return self.tasks[number].regrets(by_size[:, -1])

    def sentence(self, name: str, other: str = "") -> str:
        """The outcome in words, against the baseline unless another is named: better or worse means a significant
        difference on more than half of the tasks."""
        other = other or self.baseline
        signs = [duel.sign for duel in self.duels(name, other).values()]
        better, worse, count = signs.count(1), signs.count(-1), len(signs)
        word = "better" if 2 * better > count else "worse" if 2 * worse > count else "NOT clearly better"
        return (
            f"{name} is {word} than {other} after {self.evaluations:,} evaluations: better on {better} of "
            f"{counted(count, 'task')}, worse on {worse}, no significant difference on "
            f"{count - better - worse}."
        )

    def __str__(self) -> str:
        """Return the outcomes of all judged strategies, one a line, and the average ranks."""
        lines = []
        for name in self.judged:
            lines += [self.sentence(name, other) for other in self.rivals(name)]
        ranked = sorted(zip(self.ranks.ranks.tolist(), self.names, strict=True))
        return "\n".join([*lines, "average ranks: " + ", ".join(f"{name} {rank:.2f}" for rank, name in ranked)])

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write `verdict.html` and `verdict.csv` into a folder; return the path of the page.

        Equal verdicts give equal bytes.
        """
        from nasforge.judging.page import write_verdict

        return write_verdict(self, Path(folder))


def smallest_p(pairs: int, tests: int) -> float:
    """The smallest p that a signed-rank test of this many pairs can give, after Holm's correction for the tests."""
    return float(tests * 2 / 2**pairs)


def check_seeds_suffice(seeds: int, tasks: int) -> None:
    """Raise an `OptionError` if even the largest difference on a task would not be significant."""
    needed = next(n for n in range(2, 1000) if smallest_p(n, tasks) < LEVEL)
    if seeds < needed:
        raise OptionError(
            f"seeds: {seeds} cannot show a difference on {counted(tasks, 'task')}, because even the "
            f"largest one would not be significant; at least {needed} are needed"
        )
