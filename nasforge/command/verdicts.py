"""`nasforge verdict` and `nasforge.verdict`: is a strategy better than random search on the tables that fit?"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

from nasforge.errors import OptionError
from nasforge.registry.places import user_path

if TYPE_CHECKING:
    from nasforge.judging.judgment import Verdict
    from nasforge.run.progress import Progress

USAGE = "nasforge verdict STRATEGY... [tables=[NAME,...]] [tasks=[NAME,...]] [seeds=50] [evaluations=200] [out=FOLDER]"
AGAINST = ("regularized_evolution", "local_search")
"""The strategies of the box to compare with, besides random search."""


def verdict(
    strategies: str | Sequence[str],
    tables: Sequence[str] = (),
    tasks: Sequence[str] = (),
    seeds: Sequence[int] = range(50),
    *,
    evaluations: int = 200,
    against: Sequence[str] = AGAINST,
    config_dir: str | PathLike[str] | None = None,
) -> Verdict:
    """Judge strategies on all tables that fit, against random search, parameters alone and the best of the box.

    ```python
    verdict = nasforge.verdict("mine", ["nasbench201"])
    print(verdict)
    verdict.save("verdict")
    ```

    Args:
        strategies: names of strategies that only ask for estimates, with options after commas:
            "regularized_evolution,population=20".
        tables: names of tables; none: all installed ones.
        tasks: names of their data sets; none: all that have a quality to search for, such as an accuracy.
        seeds: different whole numbers, 0 or more; every strategy has the same.
        evaluations: of each search.
        against: strategies to compare with, besides random search.
        config_dir: a folder with your own configurations, like the command's --config-dir.

    Raises:
        UnknownNameError: there is no such strategy or task.
        DataError: there is no such table, or its file is damaged.
        AbilityError: a strategy trains networks.
        OptionError: a table has no task, or there are too few seeds.
    """
    from nasforge.run.progress import Detail, Progress

    names = [strategies] if isinstance(strategies, str) else strategies
    return _judged(names, tables, tasks, seeds, evaluations, against, config_dir, Progress(detail=Detail.NOTHING))


def verdict_command(arguments: Sequence[str], config_dir: str | None) -> int:
    """Run `nasforge verdict ARGUMENTS` and return its exit status."""
    from nasforge.command.simulations import seeds_of
    from nasforge.run.progress import Progress

    own = {"tables": "", "tasks": "", "seeds": "50", "evaluations": "200", "out": "verdict"}
    own["against"] = ",".join(AGAINST)
    strategies = []
    for word in arguments:
        key, equals, value = word.partition("=")
        if key in own and equals:
            own[key] = value
        elif word.startswith("-") or (equals and "," not in key):
            raise OptionError(f"verdict does not accept {word}: {USAGE}")
        else:
            strategies.append(word)
    if not own["evaluations"].isdecimal() or int(own["evaluations"]) < 1:
        raise OptionError(f"evaluations={own['evaluations']}: it must be a whole number, 1 or more")
    tables, tasks, against = (_names(own[key]) for key in ("tables", "tasks", "against"))
    seeds, evaluations = seeds_of(own["seeds"]), int(own["evaluations"])
    judged = _judged(strategies, tables, tasks, seeds, evaluations, against, config_dir, Progress())
    print(judged)
    print(judged.save(user_path(own["out"])))
    return 0


def _judged(
    strategies: Sequence[str],
    tables: Sequence[str],
    tasks: Sequence[str],
    seeds: Sequence[int],
    evaluations: int,
    against: Sequence[str],
    config_dir: str | PathLike[str] | None,
    progress: Progress,
) -> Verdict:
    from nasforge.judging import tasks as judging
    from nasforge.judging.judgment import RANDOM, Verdict, check_seeds_suffice
    from nasforge.judging.searches import searched
    from nasforge.standalone.many_seeds import check_seeds

    if not strategies:
        raise OptionError(f"verdict needs a strategy: {USAGE}")
    check_seeds(seeds)
    fitting = judging.tasks(tables, tasks)
    check_seeds_suffice(len(seeds), len(fitting))
    box = tuple(dict.fromkeys([RANDOM, *against]))
    names = list(dict.fromkeys([*strategies, *box]))
    return Verdict(
        judged=tuple(dict.fromkeys(strategies)),
        box=box,
        tasks=tuple(fitting),
        seeds=tuple(seeds),
        evaluations=evaluations,
        searches=searched(names, fitting, seeds, evaluations, config_dir, progress),
        by_size=tuple(task.by_size(seeds, evaluations) for task in fitting),
    )


def _names(text: str) -> list[str]:
    """Return the names in `a`, `a,b` or `[a,b]`."""
    return [name.strip() for name in text.strip("[]").split(",") if name.strip()]
