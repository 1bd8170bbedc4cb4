"""Random search: what every other strategy must beat at the same budget (Li and Talwalkar 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from nasforge import Architecture, AskTellStrategy, Evaluation


class RandomSearch(AskTellStrategy):
    """Architectures drawn one after the other, none remembered; the best one is the result."""

    name: ClassVar[str] = "random_search"

    def ask(self) -> Sequence[Architecture]:
        """One draw from the space."""
        return [self.space.sample(self.rng)]

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Random search learns nothing."""
