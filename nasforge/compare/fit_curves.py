"""The accuracies that the only fit of a search recorded after each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nasforge.compare.trajectories import Band, band
from nasforge.journal.records import well_formed
from nasforge.run.folders import FinishedRun
from nasforge.wording import is_share


@dataclass(frozen=True, eq=False)
class FitCurve:
    """One accuracy over the epochs of a fit.

    Attributes:
        values: (epochs,) fractions; NaN where an epoch has none, such as a warm-up.
        about: what is accurate on which images, in the words of the module that recorded it.
    """

    values: np.ndarray
    about: str

    @property
    def last(self) -> float:
        """The value of the last epoch that has one; NaN for none."""
        known = self.values[np.isfinite(self.values)]
        return float(known[-1]) if len(known) else np.nan


def fit_curves(run: FinishedRun) -> Mapping[str, FitCurve]:
    """The accuracies that a search recorded beside that of training, by name; none if it trained several supernets."""
    fits = [history for name, history in run.histories.items() if name.split("/")[0] != "retrain"]
    if len(fits) != 1:
        return {}
    with well_formed(run.folder):
        about: Mapping[str, str] = fits[0].get("about", {})
        return {
            metric: FitCurve(np.array(values, dtype=float), about.get(metric, ""))
            for metric, values in fits[0]["metrics"].items()
            if is_share(metric) and not metric.startswith("train_")
        }


def common_curves(runs: Sequence[FinishedRun]) -> list[str]:
    """The names of the accuracies that all runs recorded, if they trained supernets of one space by one strategy."""
    if len({(run.result.strategy, run.result.space) for run in runs}) > 1:
        return []  # accuracies of different supernets are not comparable
    return [name for name in fit_curves(runs[0]) if all(name in fit_curves(run) for run in runs)]


def over_epochs(label: str, runs: Sequence[FinishedRun], metric: str) -> Band:
    """The band of an accuracy over the epochs that all runs have, without those in which none was recorded."""
    curves = [fit_curves(run)[metric].values for run in runs]
    shortest = min(map(len, curves))
    values = np.stack([curve[:shortest] for curve in curves])
    epochs = np.flatnonzero(np.isfinite(values).all(axis=0))
    return band(label, epochs + 1, values[:, epochs])
