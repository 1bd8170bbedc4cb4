"""The suite of estimators: an estimate is a pure function, in fractions and stated units, with a direction."""

# ruff: noqa: D102  # a test's name says what it holds
from __future__ import annotations

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
from nasforge.devices.threads import threads
from nasforge.estimator import Context, Estimator, Infeasible, Weights
from nasforge.execution.executor import Answer, LocalExecutor
from nasforge.journal.journal import file_digest
from nasforge.randomness import isolated
from nasforge.space import SearchSpace, WeightSharing
from nasforge.testing.another_process import ORDER, elsewhere
from nasforge.testing.samples import samples, tiny_data, variation
from nasforge.testing.watching import copied, generators, settings_kept

UNITLESS = re.compile(r"(^|_)(latency|time|memory|energy)$")
"""Names of quantities that mean nothing without their unit; `params` and `flops` are counts."""
MILLIONS = 1e5
"""A metric in millions that is larger than this was surely meant in ones: a hundred billion parameters."""


class EstimatorContract:
    """Any `Estimator`. Supply the fixtures `estimator` and `space`, a space that it can estimate in."""

    @pytest.fixture
    def context(self, estimator: Estimator, space: SearchSpace, tmp_path: Path) -> Iterator[Context]:
        """Tiny data, one thread and, where the estimator needs them, untrained shared weights."""
        with threads(1):
            weights = _untrained(space, tmp_path) if estimator.needs_weights else None
            yield Context(space, tiny_data(), "cpu", 1, seed=0, weights=weights)

    def test_objectives_say_what_is_better(self, estimator: Estimator) -> None:
        objectives = _objectives(estimator)
        names = [objective.metric for objective in objectives]
        assert len(set(names)) == len(names), f"each metric needs a name of its own: {', '.join(names)}"
        for one in objectives:
            if one.metric.endswith("accuracy"):
                assert one.direction == "max", f"'{one.metric}' is better when it is larger: direction 'max'"

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
        (one,) = samples(space, 1, 1)
        first = _estimated(estimator, [one], context)
        torch.manual_seed(99)
        again = _estimated(estimator, [one], context)
        assert first == again, (
            f"two estimates of one architecture differ: {_shown(first)}, then {_shown(again)}; draw from torch's "
            "global generator, which is seeded for each estimate, or from context.seed, and read no clock"
        )

    def test_nothing_is_kept_between_estimates(
        self, estimator: Estimator, space: SearchSpace, context: Context
    ) -> None:
        some = samples(space, 2, 3)
        copied(estimator, f"estimator '{getattr(estimator, 'name', type(estimator).__name__)}'")
        one_by_one = [_estimated(estimator, [one], context)[0] for one in some]
        assert _estimated(estimator, some, context) == one_by_one, (
            "estimates depend on what is estimated beside or before them; an estimator must keep nothing of one for "
            "the next, and estimate_many() must give what estimate() gives"
        )
        there = elsewhere(_estimated, estimator, some[::-1], context)[::-1]
        assert there == one_by_one, (
            "a copy in another process, which gets the candidates in reverse, estimates otherwise "
            f"({_shown(one_by_one)} here, {_shown(there)} there): an estimate must depend on options and arguments "
            f"alone, and on nothing that its class or module has kept; {ORDER}"
        )

    def test_global_generators_are_not_seeded(self, estimator: Estimator, space: SearchSpace, context: Context) -> None:
        (one,) = samples(space, 5, 1)
        ends = []
        for seed in (1, 2):
            with isolated(seed):
                with suppress(Infeasible):
                    estimator.estimate(one, replace(context, seed=seed))
                ends.append(generators())
        fixed = [name for name, state in ends[0].items() if state == ends[1][name]]
        assert not fixed, (
            f"estimate() seeds the global generator of {' and '.join(fixed)} with a number of its own: it is seeded "
            "for each estimate before that begins, and estimates of different seeds must differ by chance"
        )

    def test_arguments_are_left_alone(self, estimator: Estimator, space: SearchSpace, context: Context) -> None:
        some = samples(space, 3, 2)
        before = _arguments(some, estimator, context)
        with settings_kept("estimate()"):
            answers = _answers(estimator, some, context)
        assert answers[0].status != "failed", f"an estimate failed: {answers[0].reason}"
        changed = [name for name, value in _arguments(some, estimator, context).items() if value != before[name]]
        assert not changed, f"estimate() changed {' and '.join(changed)}; it must leave all it is given as it is"

    def test_tensors_can_be_kept(
        self, estimator: Estimator, space: SearchSpace, context: Context, tmp_path: Path
    ) -> None:
        tensors = _answers(estimator, samples(space, 4, 1), context)[0].tensors
        if tensors is not None:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "kept.safetensors")


def _objectives(estimator: Estimator) -> tuple[Objective, ...]:
    given = tuple(getattr(estimator, "objectives", ()))
    sound = bool(given) and all(isinstance(one, Objective) for one in given)
    assert sound, (
        "`objectives` must list every metric with its direction, the foremost first: "
        f"(Objective('accuracy', 'max'),), not {given!r}"
    )
    return given


def _answers(estimator: Estimator, some: list[Architecture], context: Context) -> list[Answer]:
    """What a run would get of each."""
    _objectives(estimator)
    answers = dict(LocalExecutor(context.threads).run(estimator, [(one, context) for one in some]))
    return [answers[index] for index in range(len(some))]


def _estimated(estimator: Estimator, some: list[Architecture], context: Context) -> list[tuple[str, dict[str, float]]]:
    """(notation, metrics) of each."""
    answers = _answers(estimator, some, context)
    for answer in answers:
        assert answer.status == "ok", f"an estimate failed: {answer.reason}"
    return [(str(one), dict(answer.metrics)) for one, answer in zip(some, answers, strict=True)]


def _check_unit(name: str, value: float) -> None:
    if name.endswith("accuracy"):
        assert 0 <= value <= 1, f"'{name}' is {value:g}: accuracies are fractions from 0 to 1, not percent"
    assert not UNITLESS.search(name), f"'{name}' needs its unit in its name: latency_ms, memory_mb, train_seconds"
    if name.endswith(("_ms", "_seconds", "_m")):
        assert value >= 0, f"'{name}' is {value:g}: it cannot be negative"
    if name.endswith("_m"):
        assert value < MILLIONS, f"'{name}' is {value:g}: it is in millions"


def _arguments(some: list[Architecture], estimator: Estimator, context: Context) -> Mapping[str, Any]:
    """What an estimate must not change, by what people call it."""
    images = context.data.train
    pixels, labels = images[torch.arange(len(images))]
    return {
        "the architecture": [one.to_json() for one in some],
        "the images of context.data": bytes(pixels.numpy()),
        "the labels of context.data": labels.tolist(),
        "context.space": list(variation(context.space, 0)),
        "context.weights": file_digest(context.weights.path) if context.weights else None,
        "its own options": dict(estimator.options),
    }


def _shown(estimated: list[tuple[str, dict[str, float]]]) -> str:
    return ", ".join(f"{name}={value:g}" for _, metrics in estimated for name, value in metrics.items())


def _untrained(space: SearchSpace, folder: Path) -> Weights:
    assert isinstance(space, WeightSharing), "an estimator that needs weights needs a space that shares them"
    supernet = space.supernet((3, 8, 8), 2, channels=16, cells=3)
    path = folder / "weights.safetensors"
    save_file({f"supernet.{name}": tensor.contiguous() for name, tensor in supernet.state_dict().items()}, path)
    return Weights(path, file_digest(path), dict(supernet.options))
