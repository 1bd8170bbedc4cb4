"""Sections of the report that are tables: what is known beside the search, and how well each class is recognised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nasforge.architecture import Objective
from nasforge.result import SearchResult
from nasforge.statistics.confusion import MOST_SHOWN, Confusions
from nasforge.wording import amount, is_share, sentence_case, words


def known_rows(result: SearchResult, objectives: Sequence[Objective]) -> list[list[str]]:
    """Metric, value of the found architecture, the best there is, regret, and how it is measured; the foremost first.

    Regret is what the found one is short of the best architecture of all. Where a search follows several objectives,
    only accuracies have one: nobody misses the smallest of all networks.

    Args:
        objectives: those that the search followed.
    """
    known, metrics = result.known, result.metrics
    followed = [objective.metric for objective in objectives]
    rows = []
    for name in dict.fromkeys([*(metric for metric in followed if metric in known), *known]):
        if name not in metrics:
            continue
        metric, optimum, value = result.by_metric.get(name, name), known[name].optimum, metrics[name]
        best = regret = "–"
        if optimum is not None:
            best = amount(metric, optimum)
            regret = _regret(metric, abs(optimum - value)) if is_share(metric) or followed == [name] else regret
        rows.append(
            [
                words(metric) + (", followed" if name in followed else ""),
                amount(metric, value),
                best,
                regret,
                sentence_case(known[name].about or ""),
            ]
        )
    return rows if any(row[2] != "–" for row in rows) else []


def _regret(metric: Objective | str, difference: float) -> str:
    return f"{100 * difference:.2f} points" if is_share(metric) else amount(metric, difference)


@dataclass(frozen=True)
class ClassRow:
    """One class of the images.

    Attributes:
        name: the class's.
        training, test: images of it; a dash where that is not recorded.
        right: the share of the test images that are recognised, in percent; empty without a retraining.
        mostly: what the others are mostly taken for.
    """

    name: str
    training: str
    test: str = "–"
    right: str = ""
    mostly: str = ""


def class_rows(data: Mapping[str, Any], confusions: Confusions | None) -> list[ClassRow]:
    """Class by class: the worst recognised first, or in their own order where nothing was retrained."""
    counts: Mapping[str, int] = data.get("class counts", {})
    if confusions is None:
        return [ClassRow(name, f"{count:,}") for name, count in counts.items()]
    return [
        ClassRow(name, f"{counts[name]:,}" if name in counts else "–", f"{test:,}", f"{100 * share:.1f}", mostly)
        for name, test, share, mostly in confusions.by_class
    ]


def matrix(confusions: Confusions | None) -> Confusions | None:
    """The confusion matrix, if it fits a page."""
    return confusions if confusions is not None and len(confusions.names) <= MOST_SHOWN else None
