"""The contract of a regression model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from nasforge import torch_threads

FENCE = 1.5
"""Costs this many interquartile ranges above the upper quartile are outliers (Tukey 1977)."""


class Regressor(ABC):
    """Learns costs from features, and predicts the costs of others with their uncertainty.

    Args:
        seed: of its random draws, if it has any.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    @abstractmethod
    def train(self, features: np.ndarray, costs: np.ndarray) -> None:
        """Learn from costs (architectures,), lower is better, and features (architectures, features), as float64."""

    @abstractmethod
    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations (architectures,) of new costs for features (architectures, features)."""


def tamed(costs: np.ndarray) -> np.ndarray:
    """Return costs (architectures,) with outliers moved to the upper fence of a box plot.

    Otherwise a few networks that learn nothing would determine what a model fits.
    """
    lower, upper = np.quantile(costs, [0.25, 0.75])
    moved: np.ndarray = np.minimum(costs, upper + FENCE * (upper - lower))
    return moved


@contextmanager
def one_thread() -> Iterator[None]:
    """Let linear algebra use one thread, so that the last bits do not depend on the machine."""
    with torch_threads(1), _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
