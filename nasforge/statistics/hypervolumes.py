"""Hypervolumes as shares of a box, so that those of different searches compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nasforge.architecture import Objective
from nasforge.pareto import normalized_hypervolume, undominated


@dataclass(frozen=True)
class Box:
    """The volume that hypervolumes are shares of: from the best to the worst value of each objective on a front.

    Attributes:
        objectives: two or more.
        ideal, nadir: (objectives,) costs; the nadir is the reference point.
    """

    objectives: tuple[Objective, ...]
    ideal: np.ndarray
    nadir: np.ndarray

    @classmethod
    def around(cls, objectives: tuple[Objective, ...], costs: np.ndarray) -> Box | None:
        """The box of the front of `costs` (n, objectives); None if no row is finite."""
        usable = np.unique(costs[np.isfinite(costs).all(axis=1)], axis=0)
        front = usable[undominated(usable)]
        return cls(objectives, front.min(axis=0), front.max(axis=0)) if len(front) else None

    def share(self, points: np.ndarray) -> float:
        """The share of the box, in [0, 1], that points (n, objectives), given as costs, dominate."""
        return normalized_hypervolume(points, self.ideal, self.nadir)

    def share_so_far(self, points: np.ndarray) -> np.ndarray:
        """(n,) the share of the box that the points (n, objectives) up to each one dominate together."""
        front, value = np.empty((0, len(self.objectives))), 0.0
        values = np.zeros(len(points))
        for index, point in enumerate(points):
            if not (front <= point).all(axis=1).any() and (point <= self.nadir).all():
                front = np.concatenate([front[~(point <= front).all(axis=1)], point[None]])
                value = self.share(front)
            values[index] = value
        return values
