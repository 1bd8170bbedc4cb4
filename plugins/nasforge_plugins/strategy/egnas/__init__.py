"""EG-NAS (Cai, Chen, Liu, Ling and Lai, AAAI 2024): `algorithm.py` is the paper's Algorithm 1."""

from nasforge_plugins.strategy.egnas.algorithm import EGNAS

__all__ = ["EGNAS"]
