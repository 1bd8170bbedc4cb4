"""The tables of how supernets rank networks, and those of an earlier file of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from scipy.stats import kendalltau

from nasforge import Architecture
from reporting import RESULTS, spread

HEADS = (
    ("networks of", "epochs alone", "trainings", "accuracy", "deviation of networks", "of one training",
     "tau of two halves"),
    ("networks of", "supernet trained by", "epochs of one path", "gradient norm up to", "learning rate",
     "against epochs alone", "accuracy", "seeds", "Kendall's tau", "among equal widths", "tau by cross-entropy"),
    ("networks of", "with", "trained", "how many", "accuracy"),
)  # fmt: skip
NAMED = (2, 6, 3)
"""How many cells of a row say what it is about."""
Rows = tuple[list[str], list[str], list[str]]
"""Rows of the three tables."""


def tau(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(kendalltau(ours, theirs).statistic)


def tau_among(options: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> float:
    """The tau of all pairs of networks (networks,) that have the same option."""
    same = [(one, other) for one, other in combinations(range(len(options)), 2) if options[one] == options[other]]
    return float(np.mean([np.sign((ours[i] - ours[j]) * (theirs[i] - theirs[j])) for i, j in same]))


def tau_of_halves(accuracies: np.ndarray) -> float:
    """The mean over all splits of the trainings (trainings, networks) into halves."""
    numbers = set(range(len(accuracies)))
    halves = [half for half in combinations(sorted(numbers), len(numbers) // 2) if 0 in half]
    return float(
        np.mean([tau(accuracies[[*half]].mean(0), accuracies[[*numbers - {*half}]].mean(0)) for half in halves])
    )


@dataclass(frozen=True)
class Training:
    """How a supernet is trained.

    Attributes:
        epochs: of one path.
        clip: the largest norm of a step's gradient.
        rate: the learning rate at the beginning.
        split: the decision whose options share no weights; "": all share theirs.
    """

    sampling: str
    epochs: int
    clip: float = 5.0
    rate: float = 0.025
    split: str = ""

    @property
    def paths(self) -> str:
        """In words, which paths are trained."""
        return f"{self.sampling} paths, split by `{self.split}`" if self.split else f"{self.sampling} paths"


@dataclass(frozen=True)
class Scores:
    """What was measured of one space.

    Attributes:
        parameters: of the networks, in millions.
        alone: accuracies (trainings, networks) by epochs.
        shared: accuracies and cross-entropies with the weights of supernets (seeds, 2, networks).
    """

    networks: Sequence[Architecture]
    parameters: Sequence[float]
    alone: Mapping[int, np.ndarray]
    shared: Mapping[Training, np.ndarray]


def rows_of(space: str, decision: str, scores: Scores) -> Rows:
    """The rows of what was measured of a space."""
    return (
        [_alone(space, epochs, accuracies) for epochs, accuracies in scores.alone.items()],
        [*_sizes(space, decision, scores), *_shared(space, decision, scores)],
        list(_groups(space, decision, scores)),
    )


def _alone(space: str, epochs: int, accuracies: np.ndarray) -> str:
    between = accuracies.mean(0).std(ddof=1)
    of_one = f"{accuracies.var(0, ddof=1).mean() ** 0.5:.3f}" if len(accuracies) > 1 else ""
    halves = f"**{tau_of_halves(accuracies):.2f}**" if len(accuracies) > 1 else ""
    return row(space, epochs, len(accuracies), _range(accuracies.mean(0)), f"{between:.3f}", of_one, halves)


def _sizes(space: str, decision: str, scores: Scores) -> Iterator[str]:
    """How well the networks are ranked without any supernet."""
    options = np.array([each[decision] for each in scores.networks])
    sizes = {"parameters": np.array(scores.parameters), f"`{decision}`": options}
    for (size, values), (epochs, alone) in product(sizes.items(), scores.alone.items()):
        found = f"**{tau(values, alone.mean(0)):.2f}**", f"{tau_among(options, values, alone.mean(0)):.2f}"
        yield row(space, f"no supernet, but {size}", "", "", "", epochs, "", "", *found, "")


def _shared(space: str, decision: str, scores: Scores) -> Iterator[str]:
    options = np.array([each[decision] for each in scores.networks])
    for (training, values), (epochs, alone) in product(scores.shared.items(), scores.alone.items()):
        taus = [tau(accuracies, alone.mean(0)) for accuracies, _ in values]
        among = [tau_among(options, accuracies, alone.mean(0)) for accuracies, _ in values]
        by_entropy = [tau(-entropies, alone.mean(0)) for _, entropies in values]
        how = training.paths, training.epochs, f"{training.clip:g}", f"{training.rate:g}", epochs
        found = f"**{spread(taus)}**", spread(among), spread(by_entropy)
        yield row(space, *how, _range(values[:, 0].mean(0)), len(values), *found)


def _groups(space: str, decision: str, scores: Scores) -> Iterator[str]:
    """Mean accuracies of the networks with each option of a decision."""
    options = np.array([network[decision] for network in scores.networks])
    trained = {f"alone, {epochs} epochs": accuracies for epochs, accuracies in scores.alone.items()}
    trained |= {
        f"by {each.paths}, {each.epochs} epochs, norm {each.clip:g}, rate {each.rate:g}": values[:, 0]
        for each, values in scores.shared.items()
    }
    for how, accuracies in trained.items():
        for option in np.unique(options):
            chosen = options == option
            yield row(space, f"`{decision}={option}`", how, chosen.sum(), f"{accuracies[:, chosen].mean():.2f}")


def _range(accuracies: np.ndarray) -> str:
    return f"{accuracies.min():.2f} to {accuracies.max():.2f}"


def row(*cells: object) -> str:
    """A row of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def earlier() -> Rows:
    """The rows of the results as they are."""
    tables: dict[str, list[str]] = {row(*head): [] for head in HEADS}
    table: list[str] = []
    for line in (RESULTS / "module_ranking.md").read_text(encoding="utf-8").splitlines():
        if line in tables:
            table = tables[line]
        elif line.startswith("| ") and not line.startswith("| ---"):
            table.append(line)
    alone, shared, groups = tables.values()
    return alone, shared, groups


def replaced(old: Rows, new: Rows) -> Rows:
    """The old rows, where those about the same thing are the new ones, and the other new rows."""
    alone, shared, groups = (
        list({**_by_name(before, cells), **_by_name(after, cells)}.values())
        for before, after, cells in zip(old, new, NAMED, strict=True)
    )
    return alone, shared, groups


def _by_name(rows: Sequence[str], cells: int) -> dict[str, str]:
    return {"|".join(line.split("|")[: cells + 1]): line for line in rows}


def report(rows: Rows) -> Iterator[str]:
    """The three tables."""
    for head, lines in zip(HEADS, rows, strict=True):
        yield from (row(*head), row(*["---"] * len(head)), *lines, "")
