"""The summary that a run prints when it ends."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nasforge.journal.run_folder import RunFolder
from nasforge.result import EvaluationCounts, Failure, Retrained, SearchResult, Spread, Step, TableLookup, Timing
from nasforge.run.progress import Detail
from nasforge.statistics.intervals import share_of
from nasforge.statistics.verdicts import conclusion
from nasforge.wording import amount, counted, duration, quantity, sentence_case, words

_MOODS = {True: "green", False: "yellow", None: ""}
"""Color by whether the found architecture is better than random ones; None: undecided."""
SHORTEST_EPOCH = 0.01
"""Seconds. A fit with shorter epochs was restored from the journal."""


def print_summary(
    result: SearchResult,
    folder: Path,
    timing: Timing,
    *,
    detail: Detail = Detail.ALL,
    console: Console | None = None,
) -> None:
    """Print what was found, how good it is, where the report is and what to type next.

    Each path and each command stays on one line, so that it can be copied.

    Args:
        folder: the folder of the run.
        detail: how much to print; a job of a sweep gets one line.
        console: where to print; the terminal by default.
    """
    console = console or Console()
    if detail is not Detail.ALL:
        if detail is Detail.LINE:
            _line(console, _in_one_line(result, folder, timing.total))
        return
    verb = "retrained" if result.strategy == "retrain" else f"found by {result.strategy}"
    head = f"{result.space} architecture {verb} on {result.data or 'no data'}, seed {result.seed}, {timing.total:.0f} s"
    _say(console, "")
    _say(console, f"{head} ({result.status})", "bold")
    notation = result.architecture.notation
    if " " in notation:
        _say(console, _wrapped(notation, console.width), "dim")
    else:  # one line, so that it can be copied
        _line(console, notation)
    if result.evaluations.requested:
        console.print(_measured(result))
        _say(console, _asked(result.evaluations))
    if len(result.front) > 1:
        _say(console, f"\nPareto front: {counted(len(result.front), 'architecture')} that no other one dominates")
        console.print(_front(result))
    if result.table:
        _say(console, f"\nAccuracies in the table ({result.table.how})")
        console.print(_known(result.table))
    if result.retrain:
        _say(console, f"\nTrained from scratch for {result.retrain.duration}")
        console.print(_table(result.retrain))
    for sentence, better in _sentences(result):
        _say(console, f"\n{sentence}", _MOODS[better])
    for note in result.notes:
        _say(console, f"Note: {note}", "dim")
    _failures(console, result.failures)
    _line(console, f"\nreport  {RunFolder(folder).report}")
    for step in result.next:
        time = time_ahead(step, result.retrain, timing)
        _say(console, f"\n{step.why}{f' ({time})' if time else ''}:")
        _line(console, f"  {in_folder(step.command, folder)}")


def _sentences(result: SearchResult) -> Iterator[tuple[str, bool | None]]:
    """What a search found out about its architecture, and whether that is good; None: neither."""
    if result.derivation:
        yield result.derivation.sentence, None
    sentence, better = conclusion(result.control, result.retrain)
    if sentence:
        yield sentence, better
    for promise in result.promises:
        yield sentence_case(promise.sentence), False if promise.breaks else None


def _in_one_line(result: SearchResult, folder: Path, seconds: float) -> str:
    """The result of one job of a sweep, on one line."""
    metrics = result.metrics
    best = next((quantity(goal, metrics[goal.metric]) for goal in result.goals if goal.metric in metrics), "")
    trained = f"test accuracy {result.retrain.rows[0].mean:.2%} when trained from scratch" if result.retrain else ""
    front = f"a front of {len(result.front)}" if len(result.front) > 1 else ""
    parts = [best, front, trained, duration(seconds), str(RunFolder(folder).report)]
    return f"{result.status}: {', '.join(part for part in parts if part)}"


MOST = 12
"""The most architectures of a front that the terminal shows; the report has all."""


def _front(result: SearchResult) -> Table:
    """The objectives of the architectures on the front, sorted by the first objective."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for goal in result.goals:
        table.add_column(words(goal), justify="right")
    table.add_column("", overflow="fold")
    for member in sorted(result.front, key=lambda member: result.goals[0].cost(member.metrics))[:MOST]:
        table.add_row(*(amount(goal, member.metrics[goal.metric]) for goal in result.goals), member.notation)
    if len(result.front) > MOST:
        table.add_row(*("" for _ in result.goals), f"and {len(result.front) - MOST} more in the report")
    return table


def _measured(result: SearchResult) -> Table:
    """The estimated metrics of the architecture, without those that are equal for all candidates."""
    table = Table(box=None, pad_edge=False, show_header=False, title="")
    table.add_column()
    table.add_column(justify="right")
    for name, value in result.metrics.items():
        if name not in result.evaluations.constant:
            metric = result.by_metric.get(name, name)
            table.add_row(words(metric), amount(metric, value))
    return table


def _asked(count: EvaluationCounts) -> str:
    infeasible = f"; {count.infeasible} violated a constraint" if count.infeasible else ""
    seconds = count.simulated_seconds
    simulated = f"; training them would have taken {seconds / 3600:,.1f} hours" if seconds else ""
    return f"best of {count.requested} estimates, {count.distinct} of them distinct{infeasible}{simulated}"


def in_folder(command: str, folder: Path) -> str:
    """The command with the run's folder, quoted for a shell, in place of RUN."""
    return re.sub(r"\bRUN\b", lambda _: shlex.quote(str(folder)), command)


def _known(known: TableLookup) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", no_wrap=True)
    for row in known.rows:
        table.add_column(row.name, justify="right")
    for dataset, kind in known.columns:
        accuracies = (getattr(row, kind).get(dataset) for row in known.rows)
        shares = ("" if accuracy is None else f"{accuracy:.2%}" for accuracy in accuracies)
        table.add_row(f"{dataset}, {kind.partition('_')[0]}", *shares)
    return table


def _table(retrain: Retrained) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("")
    for column in ("test accuracy", "95 % interval", "networks", "params"):
        table.add_column(column, justify="right")
    found, *others = retrain.rows
    n = len(found.seeds)
    interval = interval_words(found, retrain)
    table.add_row(found.name, _share(found, n), interval and f"{interval}%", str(n), f"{found.params_m:.3f} M")
    if others and retrain.random:
        sizes = sorted({f"{row.params_m:.3f}" for row in others}, key=float)
        span = " to ".join(dict.fromkeys([sizes[0], sizes[-1]])) + " M"
        table.add_row("random", _share(retrain.random, len(others)), "", str(len(others)), span)
    return table


def interval_words(row: Spread, retrain: Retrained) -> str:
    """Return the 95 % interval of a mean test accuracy, in percent: "96.12 to 98.40"; empty if unknown.

    It is the error of the test images alone; the deviation is that of the trainings.
    """
    if not retrain.images:
        return ""
    within = share_of(row.mean, retrain.images)
    return f"{100 * within.low:.2f} to {100 * within.high:.2f}"


def _failures(console: Console, failures: Sequence[Failure]) -> None:
    for failure in failures[:3]:
        _say(console, f"Failed: {failure.reason}", "yellow")
    if len(failures) > 3:
        _say(console, f"and {len(failures) - 3} more failed; the report names them", "yellow")


def _wrapped(notation: str, width: int) -> str:
    """Wrap a notation between its parts, never inside a pair like `('skip_connect', 0)`."""
    whole = re.sub(r" (?=[^()\[\]]*[)\]])", "\N{NO-BREAK SPACE}", notation)
    wrap = textwrap.TextWrapper(width, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(wrap.wrap(whole)).replace("\N{NO-BREAK SPACE}", " ")


def _share(accuracies: Spread, n: int) -> str:
    return f"{accuracies.mean:.2%} ± {accuracies.std:.2%}" if n > 1 else f"{accuracies.mean:.2%}"


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text), style=style, highlight=False)


def _line(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def time_ahead(step: Step, retrain: Retrained | None, timing: Timing) -> str:
    """Forecast how long a step takes from this run's times: "about 3 minutes"; empty if unknown.

    Fits that were restored from the journal took no time and are ignored.
    """
    if step.runs:
        return f"about {duration(step.runs * timing.total)}"
    trainings = [value for label, value in timing.seconds.items() if label.startswith("fit retrain/")]
    if not step.epochs or not retrain or not trainings:
        return ""
    epoch = max(trainings) / retrain.epochs
    return f"about {duration(step.epochs * epoch)}" if epoch > SHORTEST_EPOCH else ""
