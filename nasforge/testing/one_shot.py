"""The part of the spaces' suite in which the built-in one-shot strategies search a space that shares weights."""

# ruff: noqa: D102  # a test's name says what it checks
from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from nasforge.architecture import Architecture, Objective
from nasforge.devices.threads import torch_threads
from nasforge.errors import NasforgeError
from nasforge.estimator import Context, Estimate, Estimator
from nasforge.journal.journal import Journal
from nasforge.registry.entry_points import build, registry
from nasforge.result import Result
from nasforge.run.resources import Budget, Machinery
from nasforge.run.run import Run
from nasforge.space import SearchSpace, WeightSharing
from nasforge.strategy import Strategy
from nasforge.testing.samples import samples, tiny_data
from nasforge.training.shared_weights import SharedWeights

ONE_SHOT: Mapping[str, Mapping[str, Any]] = {
    "egnas": {"epochs": 2, "warmup_epochs": 1, "samples": 1, "population": 2},
    "egnas_reference": {
        "name": "egnas", "epochs": 1, "warmup_epochs": 0, "samples": 1, "population": 2, "supernet_of": "code",
        "search_in": "prob", "row_normalize": True, "similarity": "edge_mean", "edge_normalization": True,
    },
    "darts": {"epochs": 1},
    "pc_darts": {
        "name": "darts", "epochs": 2, "warmup_epochs": 1, "supernet_of": "pc_darts", "edge_normalization": True,
    },
    "medarts": {
        "stages": [
            {"name": "init", "cells": 3, "epochs": 1, "population": 2},
            {"name": "final", "cells": 4, "epochs": 1, "population": 1},
        ]
    },
    "single_path": {"epochs": 1, "evolution": {"population": 2, "generations": 1}},
    "single_path_fair": {
        "name": "single_path", "epochs": 1, "sampling": "fair", "evolution": {"population": 2, "generations": 1},
    },
    "te_nas": {"per_round": 100},
}  # fmt: skip
"""The smallest sizes of each strategy, other options by default: a space must work with a strategy's preferences."""


class SearchedOneShot:
    """Built-in strategies search the space; those that are not installed are skipped."""

    @pytest.mark.parametrize("strategy", ONE_SHOT)
    def test_one_shot_strategies_search_it(self, space: SearchSpace, strategy: str, tmp_path: Path) -> None:
        options = {"name": strategy, **ONE_SHOT[strategy]}
        if not isinstance(space, WeightSharing) or options["name"] not in registry("strategy"):
            return
        try:
            result, reasons = _searched(space, build("strategy", options), tmp_path)
        except NasforgeError as refusal:
            pytest.fail(f"strategy={strategy} with its defaults is refused: {refusal}", pytrace=False)
        assert space.validate(result.architecture) == result.architecture
        assert not any(reasons), f"with the weights of strategy={strategy}: {'; '.join(reasons)}"


def _searched(space: WeightSharing, strategy: Strategy[Any], folder: Path) -> tuple[Result, list[str]]:
    """Search on tiny images; return the result, and a reason (or "") for each architecture scored with its weights."""
    with closing(Journal(folder)) as journal, torch_threads(1):
        estimator: Estimator = SharedWeights() if strategy.shares_weights else _FirstBuilt()
        run = Run(
            folder,
            journal,
            space=space,
            data=tiny_data(),
            estimators=[estimator],
            seed=0,
            budget=Budget(),
            machinery=Machinery(trainer={"accelerator": "cpu", "devices": 1}, threads=1),
        )
        with closing(run):
            result = strategy.search(run)
            strategy.explain(run, result.trace)
            if result.weights is None:
                return result, []
            architectures = [result.architecture, *samples(space, 0, 2)]
            evaluations = run.score(architectures, SharedWeights(), weights=result.weights)
            return result, [evaluation.reason for evaluation in evaluations]


class _FirstBuilt(Estimator):
    """Builds only the first architecture of each call, because a pruning search requests hundreds."""

    name = "first_built"
    objectives = (Objective("kept", "min"),)

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        return self.estimate_many([architecture], context)[0]

    def estimate_many(self, architectures: Sequence[Architecture], context: Context) -> list[Estimate]:
        data = context.data
        network = context.space.build(architectures[0], data.input_shape, data.classes, channels=8, cells=1)
        images, _ = data.train[torch.arange(4)]
        network(data.preprocessing.normalize(images)).sum().backward()
        return [Estimate({"kept": str(architecture.genes).count("1")}) for architecture in architectures]
