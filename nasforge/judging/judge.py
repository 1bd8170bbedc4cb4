"""Judge strategies: check what is asked for, search, and return the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

from nasforge.errors import AbilityError, OptionError
from nasforge.judging import tasks
from nasforge.judging.fronts import having
from nasforge.judging.judgment import Verdict, check_seeds_suffice
from nasforge.judging.searches import searched
from nasforge.registry.entry_points import registry
from nasforge.run.progress import Progress
from nasforge.standalone.many_seeds import check_seeds, looking_up


@dataclass(frozen=True)
class Terms:
    """How strategies are judged.

    Attributes:
        tables, tasks: names of tables and of their data sets; none: all.
        seeds: of the searches of every strategy on every task.
        evaluations: of each search.
        baseline: name of the strategy that all are compared with.
        against: names of the other strategies to compare with.
        estimator: name of the estimator that looks candidates up.
        objectives: metrics to follow; none: the quality of each data set.
    """

    tables: Sequence[str]
    tasks: Sequence[str]
    seeds: Sequence[int]
    evaluations: int
    baseline: str
    against: Sequence[str]
    estimator: str
    objectives: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_seeds(self.seeds)
        if isinstance(self.evaluations, bool) or not isinstance(self.evaluations, int) or self.evaluations < 1:
            raise OptionError(f"evaluations={self.evaluations}: it must be a whole number, 1 or more")
        if not registry("estimator")[self.estimator].looks_up:
            raise AbilityError(
                f"estimator={self.estimator} does not look candidates up; choose {' or '.join(looking_up())}"
            )


def judge(
    strategies: Sequence[str], terms: Terms, config_dir: str | PathLike[str] | None, progress: Progress
) -> Verdict:
    """Return the verdict on strategies, `NAME` or `NAME,OPTION=VALUE,...`; errors as for `nasforge.verdict`."""
    if not strategies:
        raise OptionError("verdict needs a strategy: nasforge verdict STRATEGY...")
    what = (having(terms.objectives), " and ".join(terms.objectives)) if terms.objectives else ()
    fitting = tasks.tasks(terms.tables, terms.tasks, *what)
    check_seeds_suffice(len(terms.seeds), len(fitting))
    box = tuple(dict.fromkeys([terms.baseline, *terms.against]))
    names = list(dict.fromkeys([*strategies, *box]))
    return Verdict(
        judged=tuple(dict.fromkeys(strategies)),
        box=box,
        tasks=tuple(fitting),
        seeds=tuple(terms.seeds),
        evaluations=terms.evaluations,
        searches=searched(names, fitting, terms.estimator, terms.seeds, terms.evaluations, config_dir, progress),
        by_size=tuple(task.by_size(terms.seeds, terms.evaluations) for task in fitting),
    )
