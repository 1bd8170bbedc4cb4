"""Metrics of candidates, predicted by a model of candidates that were measured before."""

from .estimator import Predictor

__all__ = ["Predictor"]
