"""Latencies: published ones, and predictions from a few measurements."""

from .estimator import Latency

__all__ = ["Latency"]
