"""The suite of estimators: an estimate is a pure function, and its metrics have a direction and stated units."""

# ruff: noqa: D102  # a test's name says what it checks
from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nasforge.architecture import Architecture, Objective
from nasforge.devices.threads import torch_threads
from nasforge.estimator import Context, Estimator, Infeasible, Weights
from nasforge.execution.executor import Answer, LocalExecutor
from nasforge.journal.journal import file_digest
from nasforge.randomness import isolated
from nasforge.space import SearchSpace, WeightSharing
from nasforge.testing.another_process import ORDER, elsewhere
from nasforge.testing.samples import samples, tiny_data, variation
from nasforge.testing.watching import copied, generators, left_alone, settings_kept

UNITLESS = re.compile(r"(^|_)(latency|time|memory|energy)$")
"""Names of quantities that need a unit; `params` and `flops` are counts."""
MILLIONS = 1e5
"""A metric in millions above this, a hundred billion parameters, was surely meant in ones."""


class EstimatorContract:
    """The suite of an `Estimator`. Supply the fixtures `estimator` and `space`, a space that it supports."""

    @pytest.fixture
    def context(self, estimator: Estimator, space: SearchSpace, tmp_path: Path) -> Iterator[Context]:
        """Tiny data, one thread and, if the estimator needs them, untrained shared weights."""
        with torch_threads(1):
            weights = _untrained(space, tmp_path) if estimator.needs_weights else None
            yield Context(space, tiny_data(), "cpu", 1, seed=0, weights=weights)

    def test_objectives_say_what_is_better(self, estimator: Estimator) -> None:
        objectives = _objectives(estimator)
        names = [objective.metric for objective in objectives]
        assert len(set(names)) == len(names), f"each metric needs a name of its own: {', '.join(names)}"
        for objective in objectives:
            if objective.metric.endswith("accuracy"):
                assert objective.direction == "max", f"'{objective.metric}' is better when larger: use direction 'max'"

    def test_what_looks_candidates_up_lets_the_table_be_chosen(self, estimator: Estimator) -> None:
        if estimator.looks_up:
            missing = {"table", "path", "dataset"} - set(inspect.signature(type(estimator)).parameters)
            assert not missing, f"`looks_up` is set, so it needs the options {', '.join(sorted(missing))} too"
            assert not estimator.needs_data, "`looks_up` is set, so it must not read images: needs_data = False"
            assert not estimator.draws, "`looks_up` is set, so it must not draw at random: draws = False"

    def test_metrics_are_those_of_the_objectives(
        self, estimator: Estimator, space: SearchSpace, context: Context
    ) -> None:
        answer = _answers(estimator, samples(space, 0, 1), context)[0]
        assert answer.status != "failed", f"an estimate failed: {answer.reason}"

    def test_units_are_those_that_the_names_say(
        self, estimator: Estimator, space: SearchSpace, context: Context
    ) -> None:
        for _, metrics in _estimated(estimator, samples(space, 0, 1), context):
            for name, value in metrics.items():
                _check_unit(name, value)

    def test_equal_arguments_give_equal_metrics(
        self, estimator: Estimator, space: SearchSpace, context: Context
    ) -> None:
        (architecture,) = samples(space, 1, 1)
        first = _estimated(estimator, [architecture], context)
        torch.manual_seed(99)
        again = _estimated(estimator, [architecture], context)
        assert first == again, (
            f"two estimates of one architecture differ: {_shown(first)}, then {_shown(again)}; draw from torch's "
            "global generator, which is seeded for each estimate, or from context.seed, and read no clock"
        )

    def test_nothing_is_kept_between_estimates(
        self, estimator: Estimator, space: SearchSpace, context: Context
    ) -> None:
        architectures = samples(space, 2, 3)
        copied(estimator, f"estimator '{getattr(estimator, 'name', type(estimator).__name__)}'")
        one_by_one = [_estimated(estimator, [architecture], context)[0] for architecture in architectures]
        assert _estimated(estimator, architectures, context) == one_by_one, (
            "estimates depend on the architectures estimated with or before them; an estimator must keep nothing "
            "between estimates, and estimate_many() must return the same as estimate()"
        )
        remote = elsewhere(_estimated, estimator, architectures[::-1], context)[::-1]
        assert remote == one_by_one, (
            "a copy in another process, which gets the candidates in reverse, returns different estimates "
            f"({_shown(one_by_one)} here, {_shown(remote)} there): an estimate must depend on options and arguments "
            f"alone, and not on state of its class or module; {ORDER}"
        )

    def test_global_generators_are_not_seeded(self, estimator: Estimator, space: SearchSpace, context: Context) -> None:
        (architecture,) = samples(space, 5, 1)
        ends = []
        for seed in (1, 2):
            with isolated(seed):
                with suppress(Infeasible):
                    estimator.estimate(architecture, replace(context, seed=seed))
                ends.append(generators())
        fixed = [name for name, state in ends[0].items() if state == ends[1][name]]
        assert not fixed, (
            f"estimate() seeds the global generator of {' and '.join(fixed)} itself: it must not, because the "
            "generators are seeded before each estimate, and different seeds must lead to different random draws"
        )

    def test_one_that_says_so_draws_nothing(self, estimator: Estimator, space: SearchSpace, context: Context) -> None:
        if not estimator.draws:
            with left_alone(f"estimate() of '{estimator.name}', which says draws = False,"):
                estimator.estimate_many(samples(space, 6, 2), context)

    def test_arguments_are_left_alone(self, estimator: Estimator, space: SearchSpace, context: Context) -> None:
        architectures = samples(space, 3, 2)
        before = _arguments(architectures, estimator, context)
        with settings_kept("estimate()"):
            answers = _answers(estimator, architectures, context)
        assert answers[0].status != "failed", f"an estimate failed: {answers[0].reason}"
        after = _arguments(architectures, estimator, context)
        changed = [name for name, value in after.items() if value != before[name]]
        assert not changed, f"estimate() changed {' and '.join(changed)}; it must not change its arguments"

    def test_tensors_can_be_kept(
        self, estimator: Estimator, space: SearchSpace, context: Context, tmp_path: Path
    ) -> None:
        tensors = _answers(estimator, samples(space, 4, 1), context)[0].tensors
        if tensors is not None:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "kept.safetensors")


def _objectives(estimator: Estimator) -> tuple[Objective, ...]:
    objectives = tuple(getattr(estimator, "objectives", ()))
    valid = bool(objectives) and all(isinstance(objective, Objective) for objective in objectives)
    assert valid, (
        "`objectives` must list every metric with its direction, the main one first: "
        f"(Objective('accuracy', 'max'),), not {objectives!r}"
    )
    return objectives


def _answers(estimator: Estimator, architectures: list[Architecture], context: Context) -> list[Answer]:
    """Return the answers that a run would receive."""
    _objectives(estimator)
    work = [(architecture, context) for architecture in architectures]
    answers = dict(LocalExecutor(context.threads).run(estimator, work))
    return [answers[index] for index in range(len(work))]


def _estimated(
    estimator: Estimator, architectures: list[Architecture], context: Context
) -> list[tuple[str, dict[str, float]]]:
    """Return (notation, metrics) of each architecture."""
    answers = _answers(estimator, architectures, context)
    for answer in answers:
        assert answer.status == "ok", f"an estimate failed: {answer.reason}"
    pairs = zip(architectures, answers, strict=True)
    return [(str(architecture), dict(answer.metrics)) for architecture, answer in pairs]


def _check_unit(name: str, value: float) -> None:
    if name.endswith("accuracy"):
        assert 0 <= value <= 1, f"'{name}' is {value:g}: accuracies are fractions from 0 to 1, not percent"
    assert not UNITLESS.search(name), f"'{name}' needs its unit in its name: latency_ms, memory_mb, train_seconds"
    if name.endswith(("_ms", "_seconds", "_m")):
        assert value >= 0, f"'{name}' is {value:g}: it cannot be negative"
    if name.endswith("_m"):
        assert value < MILLIONS, f"'{name}' is {value:g}: it is in millions"


def _arguments(architectures: list[Architecture], estimator: Estimator, context: Context) -> Mapping[str, Any]:
    """Return everything that an estimate must not change, by its name in messages."""
    images = context.data.train
    pixels, labels = images[torch.arange(len(images))]
    return {
        "the architecture": [architecture.to_json() for architecture in architectures],
        "the images of context.data": bytes(pixels.numpy()),
        "the labels of context.data": labels.tolist(),
        "context.space": list(variation(context.space, 0)),
        "context.weights": file_digest(context.weights.path) if context.weights else None,
        "its own options": dict(estimator.options),
    }


def _shown(estimated: list[tuple[str, dict[str, float]]]) -> str:
    return ", ".join(f"{name}={value:g}" for _, metrics in estimated for name, value in metrics.items())


def _untrained(space: SearchSpace, folder: Path) -> Weights:
    assert isinstance(space, WeightSharing), "an estimator with needs_weights requires a space with WeightSharing"
    supernet = space.supernet((3, 8, 8), 2, channels=16, cells=3)
    path = folder / "weights.safetensors"
    save_file({f"supernet.{name}": tensor.contiguous() for name, tensor in supernet.state_dict().items()}, path)
    return Weights(path, file_digest(path), dict(supernet.options))
