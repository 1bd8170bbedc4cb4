"""ME-DARTS (Chen, Shi and Luo): `algorithm.py` is the paper's algorithm box."""

from nasforge_plugins.strategy.medarts.algorithm import MEDARTS

__all__ = ["MEDARTS"]
