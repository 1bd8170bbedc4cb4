"""Early stopping of candidates by extrapolated learning curves."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from scipy.optimize import OptimizeWarning, curve_fit

POINTS = 4
"""Fewest epochs of a curve: one more than the power law has parameters."""


def power_law(epoch: np.ndarray, limit: float, gain: float, rate: float) -> np.ndarray:
    """pow3 of Domhan et al. (2015, Table 1): limit - gain * epoch^(-rate), for epochs (n,) from 1."""
    curve: np.ndarray = limit - gain * epoch**-rate
    return curve


def extrapolated(accuracies: Sequence[float], epoch: int) -> float:
    """The accuracy at a later `epoch`, in [0, 1], by a power law fitted to the first epochs' accuracies.

    If the fit fails, the curve is assumed to stay at its best value.
    """
    epochs, observed = np.arange(1, len(accuracies) + 1, dtype=float), np.array(accuracies)
    best = float(observed.max())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)  # about the covariance, which is unused
            parameters, _ = curve_fit(
                power_law, epochs, observed, p0=(best, best, 0.5), bounds=([0.0, 0.0, 0.01], [1.0, 1.0, 10.0])
            )
    except RuntimeError:
        return best
    return max(best, float(power_law(np.array([float(epoch)]), *parameters)[0]))


class StopBelow(Callback):
    """Stops a training whose learning curve, extrapolated to the last epoch, stays below an accuracy.

    Args:
        accuracy: a fraction in [0, 1].
        validate: returns the current accuracy on images outside the training.
    """

    def __init__(self, accuracy: float, validate: Callable[[], float]) -> None:
        self._accuracy, self._validate = accuracy, validate
        self.curve: list[float] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        """Extend the curve, and stop if its extrapolation is too low."""
        self.curve.append(self._validate())
        last = trainer.max_epochs or len(self.curve)
        if POINTS <= len(self.curve) < last and extrapolated(self.curve, last) < self._accuracy:
            trainer.should_stop = True
