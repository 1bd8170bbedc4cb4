"""The search space of NAS-Bench-201."""

from .space import NASBench201

__all__ = ["NASBench201"]
