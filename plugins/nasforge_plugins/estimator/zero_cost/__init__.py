"""Scores of networks that were never trained: zero-cost proxies."""

from .estimator import ZeroCost

__all__ = ["ZeroCost"]
