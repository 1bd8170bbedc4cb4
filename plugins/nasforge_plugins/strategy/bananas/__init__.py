"""BANANAS: Bayesian optimization with an ensemble of neural predictors (White, Neiswanger and Savani, AAAI 2021)."""

from .strategy import BANANAS

__all__ = ["BANANAS"]
