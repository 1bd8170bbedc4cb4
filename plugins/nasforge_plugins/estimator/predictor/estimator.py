"""The estimator, by any of five models."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from nasforge import (
    Architecture,
    Context,
    Estimate,
    Estimator,
    Objective,
    SearchSpace,
    VectorEncoded,
    find_table,
    words,
)
from nasforge_plugins.shared.predictors import (
    MLP,
    Boosting,
    Calibrated,
    Encoder,
    Forest,
    GaussianProcess,
    Regressor,
    Ridge,
    encoders,
    one_thread,
)

from .examples import LEAST, Examples, RunCandidates, TableSample
from .scores import WithScores

MODELS: Mapping[str, type[Regressor]] = {
    "gp": GaussianProcess,
    "boosting": Boosting,
    "forest": Forest,
    "mlp": MLP,
    "ridge": Ridge,
}


WEAK = 0.3
"""Kendall's tau out of sample below which a search is warned that it follows little."""


class Predictor(Estimator):
    """Predicts metrics of candidates from those of others that were measured before, with calibrated uncertainty.

    The examples are fixed before the search begins, so an estimate depends on its architecture alone. Each metric has a
    model of its own, which sees the paths through cells or the decisions, whichever ranks the examples better by
    cross-validation. A second metric, METRIC_deviation, is only reported: 90% of true values lie within 1.645
    deviations of the prediction, also by cross-validation.

    Args:
        model: `gp` (a Gaussian process with a Hamming kernel), `boosting`, `forest`, `mlp` (the ensemble of BANANAS)
            or `ridge`.
        run: the folder of a finished run, whose measured candidates are the examples; None: a sample of the table.
        table: name of the table.
        path: its file or folder, if it is not installed.
        dataset: the data set of the table, and of `scores`.
        samples: number of examples from the table.
        metrics: which metrics to predict; None: the objectives that the run followed, or the table's first metric.
        scores: name of a table of scores of untrained networks, which become features; None: no such features.
        seed: of the sample and of the models' draws.

    Raises:
        DataError: the table is missing or broken, or has too few rows.
        RunError: there is no such run, or it measured too few candidates.
        OptionError: a metric was measured on test data.
        UnknownNameError: there is no such data set or metric.
    """

    name: ClassVar[str] = "predictor"
    needs: ClassVar[tuple[type[SearchSpace], ...]] = (VectorEncoded,)
    builds: ClassVar[bool] = False
    draws: ClassVar[bool] = False
    needs_data: ClassVar[bool] = False

    def __init__(
        self,
        *,
        model: Literal["gp", "boosting", "forest", "mlp", "ridge"] = "gp",
        run: Path | None = None,
        table: str = "nasbench201",
        path: Path | None = None,
        dataset: str = "cifar10",
        samples: Annotated[int, Field(ge=LEAST, le=10_000)] = 100,
        metrics: tuple[str, ...] | None = None,
        scores: str | None = None,
        seed: Annotated[int, Field(ge=0, lt=2**32)] = 0,
    ) -> None:
        self.model, self.run, self.path, self.seed = model, run, path, seed
        self._examples: Examples = (
            TableSample.draw(find_table(table, path), dataset, samples, metrics, seed)
            if run is None
            else RunCandidates.read(run, metrics)
        )
        self._predicted = tuple(map(_prediction, self._examples.objectives))
        self.objectives = (*self._predicted, *map(_uncertainty, self._predicted))
        self._scores = None if scores is None else (find_table(scores), dataset)
        tables = [] if self._scores is None else [self._scores[0].fingerprint]
        self.fingerprint, self.dataset = " ".join([self._examples.fingerprint, *tables]), self._examples.dataset
        self._trained: tuple[SearchSpace, Sequence[_Model]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the models, which each process trains once."""
        return {**vars(self), "_trained": None}

    def check(self, space: SearchSpace) -> None:
        """Train the models; a `DataError` or an `OptionError` if the examples are not of `space`."""
        models = self._trained_on(space)
        count = len(self._examples.values)
        for objective, model in zip(self._predicted, models, strict=True):
            if not model.regressor.tau >= WEAK:
                warnings.warn(
                    f"estimator.predictor.model={self.model} hardly ranks {objective.metric}: Kendall's tau with the "
                    f"{count} examples is {model.regressor.tau:.2f} out of sample; more examples or another model "
                    "may help",
                    stacklevel=4,
                )
        self.about = {
            objective.metric: f"predicted by {self.model} from {count} of {self._examples.source}, Kendall's tau "
            f"{model.regressor.tau:.2f} out of sample"
            for objective, model in zip(self._predicted, models, strict=True)
        }

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """The predictions for one architecture, each within the range of its metric, and their deviations."""
        return self.estimate_many([architecture], context)[0]

    def estimate_many(self, architectures: Sequence[Architecture], context: Context) -> Sequence[Estimate]:
        """The predictions for each architecture, one by one: the last bits of a matrix product depend on its size."""
        models = self._trained_on(context.space)
        with one_thread():
            return [self._predict(models, architecture) for architecture in architectures]

    def _predict(self, models: Sequence[_Model], architecture: Architecture) -> Estimate:
        metrics, deviations = {}, {}
        for objective, model in zip(self._predicted, models, strict=True):
            value, deviation = model.predict(architecture)
            metrics[objective.metric] = value
            deviations[_uncertainty(objective).metric] = deviation
        return Estimate({**metrics, **deviations})

    def _trained_on(self, space: SearchSpace) -> Sequence[_Model]:
        """The model of each metric in `space`, trained once in each process."""
        if self._trained is None or self._trained[0] is not space:
            architectures = self._examples.architectures(space)
            assert isinstance(space, VectorEncoded)  # by `needs`
            columns = zip(self._predicted, self._examples.values.T, strict=True)
            with one_thread():
                models = [self._train(space, architectures, objective, values) for objective, values in columns]
            self._trained = space, models
        return self._trained[1]

    def _encoders(self, space: VectorEncoded, architectures: Sequence[Architecture]) -> Sequence[Encoder]:
        plain = encoders(space, architectures)
        if self._scores is None:
            return plain
        return [WithScores(encoder, space, *self._scores, architectures) for encoder in plain]

    def _train(
        self, space: VectorEncoded, architectures: Sequence[Architecture], objective: Objective, values: np.ndarray
    ) -> _Model:
        """The model with the encoding that ranks best out of sample."""
        models = []
        for encoder in self._encoders(space, architectures):
            regressor = Calibrated(lambda: MODELS[self.model](self.seed))
            regressor.train(encoder(architectures), objective.sign * values)
            low = 0.0 if (values >= 0).all() else -np.inf  # a size, a time or a share
            models.append(_Model(encoder, regressor, objective, low, 1.0 if "accuracy" in objective.metric else np.inf))
        return max(models, key=lambda model: np.nan_to_num(model.regressor.tau))


@dataclass(frozen=True, eq=False)
class _Model:
    """A trained model of one metric.

    Attributes:
        low, high: the range of the metric.
    """

    encoder: Encoder
    regressor: Calibrated
    objective: Objective
    low: float
    high: float

    def predict(self, architecture: Architecture) -> tuple[float, float]:
        """Return the value and its deviation."""
        mean, deviation = self.regressor.predict(self.encoder([architecture]))
        return float(np.clip(self.objective.sign * mean[0], self.low, self.high)), float(deviation[0])


def _prediction(objective: Objective) -> Objective:
    """The objective with a label that says that its values are predicted."""
    return replace(objective, label=f"predicted {words(objective).partition(',')[0]}")


def _uncertainty(prediction: Objective) -> Objective:
    """The metric that says how uncertain a prediction is."""
    label = f"uncertainty of the {prediction.label}"
    return Objective(f"{prediction.metric}_deviation", "min", report_only=True, label=label, unit=prediction.unit)
