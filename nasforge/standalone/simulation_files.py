"""Write a simulation as arrays or as rows; equal simulations give equal bytes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nasforge.errors import OptionError
from nasforge.journal.journal import atomic

if TYPE_CHECKING:
    from nasforge.standalone.simulation import Simulation


def write(simulation: Simulation, path: Path) -> None:
    """Write the file, whole or not at all; its suffix says how.

    Raises:
        OptionError: the path ends neither with .npz nor with .csv.
    """
    check_suffix(path)
    with atomic(path) as temporary:
        _WRITERS[path.suffix](simulation, temporary)


def check_suffix(path: Path) -> None:
    """Raise an `OptionError` if no writer has the path's suffix."""
    if path.suffix not in _WRITERS:
        raise OptionError(f"a simulation cannot be written to {path}: the name must end with {' or '.join(_WRITERS)}")


def _write_npz(simulation: Simulation, path: Path) -> None:
    about = {
        "strategy": simulation.strategy,
        "space": simulation.space,
        "data": simulation.data,
        "objectives": [objective.metric for objective in simulation.objectives],
        "notes": simulation.notes,
    }
    arrays: dict[str, Any] = {
        "about": np.array(json.dumps(about)),
        "seeds": simulation.seeds,
        "found": simulation.found,
        "architectures": np.array([str(architecture) for architecture in simulation.architectures], dtype=str),
        "feasible": simulation.feasible,
        **({"epochs": simulation.epochs} if simulation.epochs.any() else {}),
        **{f"metric_{name}": values for name, values in simulation.metrics.items()},
        **simulation.columns(),
    }
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _write_csv(simulation: Simulation, path: Path) -> None:
    columns = simulation.columns()
    values = [column.tolist() for column in columns.values()]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["seed", "evaluation", *columns])
        for search, index in np.argwhere(simulation.asked >= 0).tolist():
            cells = [column[search][index] for column in values]
            writer.writerow([simulation.seeds[search], index + 1, *("" if cell != cell else cell for cell in cells)])


_WRITERS = {".npz": _write_npz, ".csv": _write_csv}
