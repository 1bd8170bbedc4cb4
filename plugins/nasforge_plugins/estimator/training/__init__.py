"""Estimates candidates by training them for a few epochs."""

from .estimator import Training

__all__ = ["Training"]
