"""Beliefs about which architectures are good, and draws near a good one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Prior:
    """Vectors whose decisions are independent.

    Attributes:
        cardinalities: the number of choices of each decision.
        confidence: the probability of the center's choice, if there are others; they share the rest equally.
        center: a vector (decisions,); None: all choices are equally likely.
    """

    cardinalities: tuple[int, ...]
    confidence: float
    center: np.ndarray | None

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """A vector (decisions,)."""
        if self.center is None:
            return rng.integers(self.cardinalities)
        return mutated(self.center, self.cardinalities, 1 - self.confidence, rng)

    def log_likelihood(self, vectors: np.ndarray) -> np.ndarray:
        """The logarithm of the probability of each of the vectors (n, decisions)."""
        choices = np.array(self.cardinalities)
        if self.center is None:
            return np.full(len(vectors), -np.log(choices).sum())
        others = np.log((1 - self.confidence) / np.maximum(choices - 1, 1))
        same = np.where(choices > 1, np.log(self.confidence), 0.0)
        logarithms: np.ndarray = np.where(vectors == self.center, same, others).sum(1)
        return logarithms


def mutated(
    vector: np.ndarray, cardinalities: tuple[int, ...], probability: float, rng: np.random.Generator
) -> np.ndarray:
    """The vector with some decisions changed, each with this probability and to any other choice alike."""
    choices = np.array(cardinalities)
    steps = rng.integers(1, np.maximum(choices, 2))
    changes = rng.random(len(choices)) < probability
    other: np.ndarray = (vector + steps * changes) % choices
    return other
