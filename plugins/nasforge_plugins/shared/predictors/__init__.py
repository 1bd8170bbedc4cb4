"""Regression models that predict a metric of architectures from features, with its uncertainty."""

from .calibration import Calibrated
from .encodings import DecisionEncoder, Encoder, PathEncoder, encoded, encoders
from .ensemble import MLP, Ensemble
from .gaussian_process import GaussianProcess
from .regressor import Regressor, one_thread, tamed
from .ridge import Ridge
from .trees import Boosting, Forest

__all__ = [
    "MLP",
    "Boosting",
    "Calibrated",
    "DecisionEncoder",
    "Encoder",
    "Ensemble",
    "Forest",
    "GaussianProcess",
    "PathEncoder",
    "Regressor",
    "Ridge",
    "encoded",
    "encoders",
    "one_thread",
    "tamed",
]
