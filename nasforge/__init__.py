"""nasforge: neural architecture search out of plug-ins. This file is the whole public API; plug-ins import from here.

Names load on first use, so that `nasforge --help` does not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasforge.architecture import (
        Architecture as Architecture,
    )
    from nasforge.architecture import (
        CellGraph as CellGraph,
    )

_HOMES = {
    "architecture": ("Architecture", "CellGraph", "Evaluation", "Metrics", "Objective", "ParetoFront"),
    "errors": (
        "AbilityError",
        "ArchitectureError",
        "DataError",
        "NasforgeError",
        "OptionError",
        "RunError",
        "UnknownNameError",
        "unknown",
    ),
    "space": ("Mix", "Network", "SearchSpace", "Shape", "Supernet", "VectorEncoded", "WeightSharing"),
    "operations": ("OPERATIONS", "FactorizedReduce", "Operation", "ReLUConvBN", "operation"),
    "cells": ("drop_path", "partial_join"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'nasforge' has no attribute '{name}'")
    return getattr(importlib.import_module(f"nasforge.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
