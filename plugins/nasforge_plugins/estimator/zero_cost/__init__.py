"""Zero-cost proxies: scores of networks that were never trained."""

from .estimator import ZeroCost

__all__ = ["ZeroCost"]
