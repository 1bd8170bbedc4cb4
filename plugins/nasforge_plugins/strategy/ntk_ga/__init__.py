"""The NTK / linear-region GA."""

from .algorithm import NTKGA

__all__ = ["NTKGA"]
