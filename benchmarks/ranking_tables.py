"""The tables of how supernets rank networks, and those of an earlier file of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from scipy.stats import kendalltau

from nasforge import Architecture
from reporting import RESULTS, spread

ALONE = (
    "networks of",
    "epochs alone",
    "trainings",
    "accuracy",
    "deviation of networks",
    "of one training",
    "tau of two halves",
)
SHARED = (
    "networks of",
    "supernet trained by",
    "epochs of one path",
    "accuracy",
    "seeds",
    "against epochs alone",
    "Kendall's tau",
)
GROUPS = ("networks of", "with", "how many", "trained", "for epochs", "accuracy")  # fmt: skip
Rows = tuple[list[str], list[str], list[str]]
"""A space's rows of the three tables."""


def tau(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(kendalltau(ours, theirs).statistic)


def tau_of_halves(accuracies: np.ndarray) -> float:
    """The mean over all splits of the trainings (trainings, networks) into halves."""
    numbers = set(range(len(accuracies)))
    halves = [half for half in combinations(sorted(numbers), len(numbers) // 2) if 0 in half]
    return float(
        np.mean([tau(accuracies[[*half]].mean(0), accuracies[[*numbers - {*half}]].mean(0)) for half in halves])
    )


@dataclass(frozen=True)
class Scores:
    """What was measured of one space.

    Attributes:
        alone: accuracies (trainings, networks) by epochs.
        shared: accuracies with the weights of supernets (seeds, networks) by sampling and epochs of one path.
    """

    networks: Sequence[Architecture]
    alone: Mapping[int, np.ndarray]
    shared: Mapping[tuple[str, int], np.ndarray]


def rows_of(space: str, decision: str, scores: Scores) -> Rows:
    """The rows of what was measured of a space."""
    return (
        [_alone(space, epochs, accuracies) for epochs, accuracies in scores.alone.items()],
        list(_shared(space, scores)),
        list(_groups(space, decision, scores)),
    )


def _alone(space: str, epochs: int, accuracies: np.ndarray) -> str:
    between = accuracies.mean(0).std(ddof=1)
    of_one = f"{accuracies.var(0, ddof=1).mean() ** 0.5:.3f}" if len(accuracies) > 1 else ""
    halves = f"**{tau_of_halves(accuracies):.2f}**" if len(accuracies) > 1 else ""
    return row(space, epochs, len(accuracies), _range(accuracies.mean(0)), f"{between:.3f}", of_one, halves)


def _shared(space: str, scores: Scores) -> Iterator[str]:
    for ((sampling, trained), values), (epochs, alone) in product(scores.shared.items(), scores.alone.items()):
        taus = [tau(accuracies, alone.mean(0)) for accuracies in values]
        supernet = f"{sampling} paths", trained, _range(values.mean(0)), len(values)
        yield row(space, *supernet, epochs, f"**{spread(taus)}**")


def _groups(space: str, decision: str, scores: Scores) -> Iterator[str]:
    """Mean accuracies of the networks with each option of a decision."""
    options = np.array([network[decision] for network in scores.networks])
    trained = {("alone", epochs): accuracies for epochs, accuracies in scores.alone.items()}
    shared = {(f"by {sampling} paths", epochs): values for (sampling, epochs), values in scores.shared.items()}
    for (how, epochs), accuracies in {**trained, **shared}.items():
        for option in np.unique(options):
            chosen = options == option
            mean = f"{accuracies[:, chosen].mean():.2f}"
            yield row(space, f"`{decision}={option}`", chosen.sum(), how, epochs, mean)


def _range(accuracies: np.ndarray) -> str:
    return f"{accuracies.min():.2f} to {accuracies.max():.2f}"


def row(*cells: object) -> str:
    """A row of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def earlier(space: str) -> Rows:
    """A space's rows in the results as they are."""
    rows: dict[str, list[str]] = {row(*head): [] for head in (ALONE, SHARED, GROUPS)}
    table: list[str] = []
    for line in (RESULTS / "module_ranking.md").read_text(encoding="utf-8").splitlines():
        table = rows.get(line, table)
        if line.startswith(f"| {space} |"):
            table.append(line)
    alone, shared, groups = rows.values()
    return alone, shared, groups


def report(rows: Mapping[str, Rows]) -> Iterator[str]:
    """The three tables."""
    for number, head in enumerate((ALONE, SHARED, GROUPS)):
        yield from (row(*head), row(*["---"] * len(head)))
        yield from (line for of_space in rows.values() for line in of_space[number])
        yield ""
