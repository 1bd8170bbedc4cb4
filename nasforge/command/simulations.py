"""`nasforge simulate` and `nasforge.simulate`: a strategy with many seeds on a table, in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from nasforge.command.own_options import names_of, seeds_of, split, usual_choices
from nasforge.config.configuration import compose
from nasforge.config.overrides import override
from nasforge.errors import AbilityError, OptionError
from nasforge.journal.records import flat
from nasforge.registry.entry_points import registry
from nasforge.registry.places import user_path
from nasforge.tables.files import table_of

if TYPE_CHECKING:
    from nasforge.run.progress import Progress
    from nasforge.standalone.simulation import Simulation

USAGE = "nasforge simulate strategy=NAME table=NAME task=NAME [seeds=1000] [out=FILE.npz] [KEY=VALUE]..."
OWN = ("table", "task", "seeds", "out")


def simulate(
    strategy: str,
    table: str | PathLike[str],
    task: str | None = None,
    seeds: Sequence[int] = range(1000),
    *,
    overrides: Sequence[str] = (),
    config_dir: str | PathLike[str] | None = None,
    **options: Any,
) -> Simulation:
    """Search a table with each seed, and return what every search did, in seconds for a thousand of them.

    No search has a folder, a journal or a process, and yet each asks for the same candidates as `nasforge.search` with
    that seed, to the bit.

    ```python
    simulation = nasforge.simulate("regularized_evolution", "nasbench201", "cifar10", seeds=range(100))
    simulation.best.mean(axis=0)  # (500,) validation accuracy of the best so far
    simulation.of_incumbents("test_accuracy")[:, -1]  # (100,) test accuracy of the cells found
    simulation.save("evolution.npz")
    ```

    Args:
        strategy: name of a strategy that only asks for estimates.
        table: name or path of the table; its space is searched.
        task: one of the table's data sets; None: the estimator's default.
        seeds: different whole numbers, 0 or more.
        overrides: arguments in the syntax of the command line, for those that are not options ("+experiment=...").
        config_dir: a folder with your own configurations, like the command's --config-dir.
        options: any other key of a search's configuration, dotted or as nested dictionaries, such as
            `budget={"evaluations": 200}` (500 by default), `objectives=["accuracy", "params_m"]`,
            `constraints=["params_m<=1.0"]` or `estimator=["tabular", "latency"]`.

    Returns:
        A `Simulation` with an array (searches, evaluations) of everything that a search has after each evaluation.

    Raises:
        UnknownNameError: there is no such strategy, or the table lacks the task; the message names those that exist.
        DataError: there is no such table, or its file is damaged.
        AbilityError: the strategy trains networks, or an estimator does more than to look candidates up.
        OptionError: seeds are missing or occur twice, or an option is invalid.
    """
    from nasforge.run.progress import Detail, Progress

    given = [*overrides, *(override(key, value) for key, value in flat({"strategy": strategy, **options}).items())]
    words = [*_chosen(fspath(table), task or "", given), *given]
    return _simulated(words, seeds, config_dir, Progress(detail=Detail.NOTHING))


def simulate_command(arguments: Sequence[str], config_dir: str | None) -> int:
    """Run `nasforge simulate ARGUMENTS` and return its exit status."""
    from nasforge.run.progress import Progress
    from nasforge.standalone.simulation_files import check_suffix

    own, others = split(arguments, OWN)
    for word in others:
        if word.partition("=")[0] in ("seed", "-m", "--multirun"):
            raise OptionError(f"{word}: a simulation takes several seeds at once, as in seeds=1000 or seeds=[3,5]")
        if "=" not in word or word.startswith("-"):
            raise OptionError(f"simulate takes KEY=VALUE and --config-dir, not '{word}': {USAGE}")
    seeds, out = seeds_of(own.get("seeds", "1000")), user_path(own["out"]) if own.get("out") else None
    if out is not None:
        check_suffix(out)
    words = [*_chosen(own.get("table", ""), own.get("task", ""), others), *others]
    simulation = _simulated(words, seeds, config_dir, Progress())
    print(simulation)
    if out is not None:
        simulation.save(out)
        print(out)
    return 0


def _simulated(
    words: Sequence[str], seeds: Sequence[int], config_dir: str | PathLike[str] | None, progress: Progress
) -> Simulation:
    from nasforge.standalone.many_seeds import check_seeds, simulate

    check_seeds(seeds)
    return simulate(compose(words, config_dir=config_dir).config, seeds, progress)


def _chosen(table: str, task: str, given: Sequence[str]) -> list[str]:
    """Return the words that choose a table, its task and its space, except what the given words choose.

    Args:
        table: name or path of the table; empty: the estimator's default.
        task: name of a data set; empty: the estimator's default.
    """
    chosen = [names_of(word.partition("=")[2]) for word in given if word.startswith("estimator=")]
    words = [] if chosen else [f"estimator={usual_choices()['estimator']}"]
    if not (table or task):
        return words
    lookup = _looking_up(chosen[-1] if chosen else [usual_choices()["estimator"]])
    if table:
        found = table_of(table)
        if task:
            found.of_dataset(task)
        source = ("path", found.path) if found.path else ("table", found.name)
        words.append(override(f"estimator.{lookup}.{source[0]}", source[1]))
        if not any(word.startswith("space=") for word in given):
            words.append(override("space", found.space))
    return [*words, override(f"estimator.{lookup}.dataset", task)] if task else words


def _looking_up(estimators: Sequence[str]) -> str:
    """Return the first of the estimators that looks candidates up in the table that its options name."""
    from nasforge.standalone.many_seeds import looking_up

    for name in estimators:
        if registry("estimator")[name].looks_up:
            return name
    raise AbilityError(
        f"estimator={','.join(estimators)} looks nothing up, so it takes no table and task; choose "
        f"{' or '.join(looking_up())}"
    )
