"""EG-NAS (Cai, Zhang, Liu and Fang, AAAI 2024): `algorithm.py` is the paper's Algorithm 1."""

from nasforge_plugins.strategy.egnas.algorithm import EGNAS

__all__ = ["EGNAS"]
