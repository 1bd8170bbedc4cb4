"""TS-ENAS: the outside of a network first, then the inside of its cells."""

from .algorithm import TSENAS

__all__ = ["TSENAS"]
