"""Bayesian optimization with Gaussian processes and expected improvement, of one or several objectives."""

from .strategy import Bayesian

__all__ = ["Bayesian"]
