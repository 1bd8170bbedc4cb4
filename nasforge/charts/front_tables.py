"""The Pareto front of one search as a table, and its hypervolume."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nasforge.architecture import Metrics, Objective
from nasforge.pareto import normalized_hypervolume
from nasforge.result import Candidate, FrontMember
from nasforge.wording import amount, quantity, words


def front_table(front: Sequence[FrontMember], objectives: Sequence[Objective]) -> list[list[str]]:
    """The front as rows of text with a header, sorted by the first objective; empty for a single objective.

    Args:
        objectives: the objectives that the search followed.
    """
    if len(objectives) < 2 or not front:
        return []
    rows = sorted(front, key=lambda member: [objective.cost(member.metrics) for objective in objectives])
    return candidate_table(rows, objectives)


def candidate_table(rows: Sequence[FrontMember], metrics: Sequence[Objective | str]) -> list[list[str]]:
    """Candidates as rows of text with a header; a dash means that a metric is missing."""
    return [
        ["architecture", *map(words, metrics)],
        *([row.notation, *(_shown(metric, row.metrics) for metric in metrics)] for row in rows),
    ]


def _shown(metric: Objective | str, metrics: Metrics) -> str:
    value = metrics.get(metric if isinstance(metric, str) else metric.metric, math.nan)
    return "–" if math.isnan(value) else amount(metric, value)


def hypervolume_sentence(rows: Sequence[Candidate], objectives: Sequence[Objective]) -> str:
    """A sentence on the hypervolume of a search's candidates; empty for a single objective.

    It is a share of the box from the best to the worst value of each objective among the candidates. Flagged candidates
    are left out, because their worst possible value would inflate the box.
    """
    usable = [[objective.cost(row.metrics) for objective in objectives] for row in rows if row.measured]
    costs = np.array(usable, dtype=float).reshape(len(usable), len(objectives))
    costs = costs[np.isfinite(costs).all(axis=1)]
    if len(objectives) < 2 or not len(costs):
        return ""
    ideal, nadir = costs.min(axis=0), costs.max(axis=0)
    share = normalized_hypervolume(costs, ideal, nadir)
    return (
        f"Hypervolume {share:.4f}: the front dominates this share of the box between the best and the worst value of "
        f"each objective among this search's candidates. Worst values (reference point): "
        f"{point(objectives, nadir)}. Best values: {point(objectives, ideal)}."
    )


def point(objectives: Sequence[Objective], costs: np.ndarray) -> str:
    """A point of the objective space (objectives,), given as costs, as text."""
    pairs = zip(objectives, costs, strict=True)
    return ", ".join(quantity(objective, objective.sign * cost) for objective, cost in pairs)
