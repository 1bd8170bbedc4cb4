"""The short table at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def print_summary(result: Mapping[str, Any], folder: Path, *, seconds: float, console: Console | None = None) -> None:
    """Say what was found, how good it is, where it lies and what to type next.

    Paths and commands stay on one line each, so that they can be copied.
    """
    console = console or Console()
    verb = "retrained" if result["strategy"] == "retrain" else f"found by {result['strategy']}"
    head = f"{result['space']} architecture {verb} on {result['data']}, seed {result['seed']}, {seconds:.0f} s"
    console.print(f"\n[bold]{head}[/bold] ({result['status']})")
    console.print(result["architecture"]["notation"], style="dim", highlight=False, markup=False)
    if result["control"]:
        style = "green" if result["control"]["better_than_random"] else "yellow"
        console.print(f"\n{result['control']['sentence']}", style=style, highlight=False)
    if result["retrain"]:
        console.print(_table(result["retrain"]))
        console.print(result["retrain"]["sentence"], highlight=False)
    for note in result["notes"]:
        console.print(f"Note: {note}", style="dim", highlight=False, markup=False)
    for failure in result["failures"][:3]:
        console.print(f"Failed: {failure['reason']}", style="yellow", highlight=False, markup=False)
    _line(console, f"\nreport  {folder / 'report.html'}")
    for command in result["next"]:
        console.print(f"\n{command['why']}:", highlight=False)
        _line(console, f"  {command['command'].replace('RUN', str(folder))}")


def _table(retrain: Mapping[str, Any]) -> Table:
    table = Table(title=f"trained from scratch for {retrain['epochs']} epochs", title_justify="left", title_style="")
    table.add_column("")
    for column in ("test accuracy", "networks", "params"):
        table.add_column(column, justify="right")
    found, *others = retrain["rows"]
    size = f"{found['params_m']:.3f} M"
    table.add_row("found", _share(found["mean"], found["std"], len(found["seeds"])), str(len(found["seeds"])), size)
    if others:
        sizes = [row["params_m"] for row in others]
        span = f"{min(sizes):.3f} to {max(sizes):.3f} M"
        random = retrain["random"]
        table.add_row("random cells", _share(random["mean"], random["std"], len(others)), str(len(others)), span)
    return table


def _share(mean: float, deviation: float, n: int) -> str:
    return f"{mean:.2%} ± {deviation:.2%}" if n > 1 else f"{mean:.2%}"


def _line(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)
