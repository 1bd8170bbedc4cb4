"""Tables of the report: published values of the found architecture, and accuracy by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nasforge.architecture import Objective
from nasforge.result import SearchResult
from nasforge.statistics.confusion import MOST_SHOWN, Confusions
from nasforge.wording import amount, is_share, ratio, sentence_case, words


def known_rows(result: SearchResult) -> list[list[str]]:
    """Rows of (metric, found value, optimum, regret, how it was measured), with the followed metrics first.

    Regret is the difference between the found architecture and the best one in the space. If a search follows several
    objectives, only accuracies have a regret, because the smallest network is not the goal.
    """
    known, metrics = result.known, result.metrics
    followed = [goal.metric for goal in result.goals]
    rows = []
    for name in [name for name in dict.fromkeys([*followed, *known]) if name in known and name in metrics]:
        metric, optimum, value = result.by_metric.get(name, name), known[name].optimum, metrics[name]
        best = regret = "–"
        if optimum is not None:
            best = amount(metric, optimum)
            regret = _regret(metric, abs(optimum - value)) if is_share(metric) or followed == [name] else regret
        title = words(metric) + (", followed" if name in followed else "")
        rows.append([title, amount(metric, value), best, regret, sentence_case(known[name].about or "")])
    return rows if any(row[2] != "–" for row in rows) else []


def _regret(metric: Objective | str, difference: float) -> str:
    return f"{100 * difference:.2f} points" if is_share(metric) else amount(metric, difference)


@dataclass(frozen=True)
class BoundsTable:
    """What constraints cost a derived architecture.

    Attributes:
        names: the bounded metrics.
        rows: the name of an architecture, its notation, its values, and how many times as probable it is.
    """

    names: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[str], str]]


def bounds_table(result: SearchResult) -> BoundsTable | None:
    """The derived architecture and the one without constraints; one row if they are the same."""
    if (derivation := result.derivation) is None:
        return None
    metrics = list(derivation.bounded)
    rows = (
        ("derived", str(result.architecture), derivation.bounded, 0.0),
        ("without constraints", derivation.most_probable, derivation.unbounded, derivation.cost),
    )
    return BoundsTable(
        [words(metric) for metric in metrics],
        [(name, notation, [amount(metric, values[metric]) for metric in metrics], ratio(cost))
         for name, notation, values, cost in rows[: 1 + (derivation.most_probable != str(result.architecture))]],
    )  # fmt: skip


@dataclass(frozen=True)
class ClassRow:
    """One class of the images.

    Attributes:
        name: the class name.
        training, test: number of images; a dash if it was not recorded.
        right: accuracy on the test images of this class, in percent; empty without retraining.
        mostly: the class that the other images are most often mistaken for.
    """

    name: str
    training: str
    test: str = "–"
    right: str = ""
    mostly: str = ""


def class_rows(data: Mapping[str, Any], confusions: Confusions | None) -> list[ClassRow]:
    """One row per class: least accurate first, or in the order of the data if nothing was retrained."""
    counts: Mapping[str, int] = data.get("class counts", {})
    if confusions is None:
        return [ClassRow(name, f"{count:,}") for name, count in counts.items()]
    return [
        ClassRow(name, f"{counts[name]:,}" if name in counts else "–", f"{test:,}", f"{100 * share:.1f}", mostly)
        for name, test, share, mostly in confusions.by_class
    ]


def matrix(confusions: Confusions | None) -> Confusions | None:
    """The confusion matrix, if it is small enough for a page."""
    return confusions if confusions is not None and len(confusions.names) <= MOST_SHOWN else None
