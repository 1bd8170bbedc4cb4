"""The search space of DARTS."""

from .space import DARTS

__all__ = ["DARTS"]
