"""The growing search space of the NTK / linear-region GA."""

from .space import Reolon

__all__ = ["Reolon"]
