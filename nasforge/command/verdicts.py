"""`nasforge verdict` and `nasforge.verdict`: is a strategy better than random search on the tables that fit?"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from nasforge.command.own_options import names_of, seeds_of, split, usual_choices
from nasforge.errors import OptionError
from nasforge.registry.places import user_path

if TYPE_CHECKING:
    from nasforge.judging.judge import Terms
    from nasforge.judging.judgment import Verdict

USAGE = (
    "nasforge verdict STRATEGY... [tables=[NAME,...]] [tasks=[NAME,...]] "
    "[objectives=[METRIC,...]] [seeds=50] [evaluations=200] [out=FOLDER]"
)
OWN = ("tables", "tasks", "seeds", "evaluations", "baseline", "against", "estimator", "objectives", "out")


def verdict(
    strategies: str | Sequence[str],
    tables: Sequence[str] = (),
    tasks: Sequence[str] = (),
    seeds: Sequence[int] = range(50),
    *,
    evaluations: int = 200,
    baseline: str | None = None,
    against: Sequence[str] | None = None,
    estimator: str | None = None,
    objectives: Sequence[str] = (),
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
        tables: names of tables, or paths of their files; none: all installed ones.
        tasks: names of their data sets; none: all that have a quality to search for, such as an accuracy.
        seeds: different whole numbers, 0 or more; every strategy has the same.
        evaluations: of each search.
        baseline: the strategy that every other is compared with; None: random search.
        against: other strategies to compare with; None: those of nasforge's own that `conf/tables.yaml` names.
        estimator: the one that looks candidates up; None: nasforge's own.
        objectives: metrics that searches follow, such as ["accuracy", "params_m"]; searches in several objectives are
            compared by hypervolume. None: each data set's quality.
        config_dir: a folder with your own configurations, like the command's --config-dir.

    Raises:
        UnknownNameError: there is no such strategy, estimator or task.
        DataError: there is no such table, or its file is damaged.
        AbilityError: a strategy trains networks, or the estimator does more than to look candidates up.
        OptionError: a table has no task, or there are too few seeds.
    """
    from nasforge.judging.judge import judge
    from nasforge.run.progress import Detail, Progress

    terms = _terms(
        tables=tables,
        tasks=tasks,
        seeds=seeds,
        evaluations=evaluations,
        baseline=baseline,
        against=against,
        estimator=estimator,
        objectives=objectives,
    )
    names = [strategies] if isinstance(strategies, str) else strategies
    return judge(names, terms, config_dir, Progress(detail=Detail.NOTHING))


def verdict_command(arguments: Sequence[str], config_dir: str | None) -> int:
    """Run `nasforge verdict ARGUMENTS` and return its exit status."""
    from nasforge.judging.judge import judge
    from nasforge.run.progress import Progress

    own, strategies = split(arguments, OWN)
    for word in strategies:
        if word.startswith("-") or "=" in word.partition(",")[0]:
            raise OptionError(f"verdict does not accept {word}: {USAGE}")
    evaluations = own.get("evaluations", "200")
    terms = _terms(
        tables=names_of(own.get("tables", "")),
        tasks=names_of(own.get("tasks", "")),
        seeds=seeds_of(own.get("seeds", "50")),
        evaluations=int(evaluations) if evaluations.isdecimal() else evaluations,
        baseline=own.get("baseline"),
        against=names_of(own["against"]) if "against" in own else None,
        estimator=own.get("estimator"),
        objectives=names_of(own.get("objectives", "")),
    )
    verdict = judge(strategies, terms, config_dir, Progress())
    print(verdict)
    print(verdict.save(user_path(own.get("out", "verdict"))))
    return 0


def _terms(**given: Any) -> Terms:
    """Return the terms of a verdict; what is None is chosen as usual."""
    from nasforge.judging.judge import Terms

    usual = dict(usual_choices())
    if len(given["objectives"]) > 1:
        usual["against"] = usual["against_fronts"]
    return Terms(**{name: usual[name] if value is None else value for name, value in given.items()})
