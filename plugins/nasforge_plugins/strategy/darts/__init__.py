"""DARTS (Liu, Simonyan and Yang, ICLR 2019): alphas that learn by gradient on validation images."""

from nasforge_plugins.strategy.darts.algorithm import DARTS
from nasforge_plugins.strategy.darts.collapse import collapse_warning
from nasforge_plugins.strategy.darts.module import GradientAlphas

__all__ = ["DARTS", "GradientAlphas", "collapse_warning"]
