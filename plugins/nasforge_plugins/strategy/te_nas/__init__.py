"""TE-NAS: a supernet that is pruned without being trained."""

from .algorithm import TENAS

__all__ = ["TENAS"]
