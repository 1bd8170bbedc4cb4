"""ME-DARTS: a population of DARTS supernets that grow stage by stage; `algorithm.py` is the paper's algorithm box."""

from nasforge_plugins.strategy.medarts.algorithm import MEDARTS

__all__ = ["MEDARTS"]
