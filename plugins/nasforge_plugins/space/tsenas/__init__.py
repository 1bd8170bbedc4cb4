"""The search space of TS-ENAS."""

from .space import TSENAS

__all__ = ["TSENAS"]
