"""TS-ENAS: first which cells a network has, then what is inside them."""

from .algorithm import TSENAS

__all__ = ["TSENAS"]
