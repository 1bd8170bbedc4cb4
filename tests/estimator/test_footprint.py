"""`estimator=footprint` counts what the result of a search counts."""

import json

import numpy as np
import pytest

from nasforge import Context, search
from nasforge.config.configuration import compose
from nasforge.registry.entry_points import build
from nasforge.testing import EstimatorContract
from nasforge.testing.samples import tiny_data


class TestFootprint(EstimatorContract):
    @pytest.fixture
    def estimator(self):
        return build("estimator", {"name": "footprint", "channels": 8, "cells": 3})

    @pytest.fixture
    def space(self):
        return build("space", {"name": "darts"})


def test_parameters_are_those_of_the_table(shared_data):
    with np.load(shared_data("nasbench201.npz")) as table:
        published = dict(zip(table["arch_str"][::3000].tolist(), table["cifar10_params_m"][::3000], strict=True))
    space, footprint = build("space", {"name": "nasbench201"}), build("estimator", {"name": "footprint"})
    context = Context(space, tiny_data((3, 32, 32), 10, 40), "cpu", 1, 0)
    for notation, parameters in published.items():
        assert footprint.estimate(space.read(notation), context).metrics["params_m"] == pytest.approx(parameters)


@pytest.mark.parametrize(
    ("name", "preset", "macs", "parameters"),
    [("darts", "EGNAS_im_A", 598, 5.4), ("darts", "EGNAS_im_B", 495, 4.4), ("mobilenet", "mobilenet_v2", 301, 3.5)],
)
def test_imagenet_counts_are_known_ones_whatever_the_images(name, preset, macs, parameters):
    config = compose([f"space={name}", "estimator=footprint_imagenet"]).config
    space, footprint = build("space", config["space"]), build("estimator", config["estimator"]["footprint"])
    size = footprint.estimate(space.presets[preset], Context(space, tiny_data((1, 8, 8), 10, 40), "cpu", 1, 0)).metrics
    assert round(size["macs_m"]) == macs  # of MobileNetV2 as torchvision gives them (0.30 GFLOPS)
    assert round(size["params_m"], 1) == parameters


def test_a_supernet_search_keeps_a_bound(few_images, tmp_path):
    sizes = ["strategy.epochs=1", "strategy.evolution.population=6", "strategy.evolution.generations=2"]
    words = ["strategy=single_path", "space=nasbench201", "space.channels=4", *sizes, "retrain.seeds=0"]
    goals = ["estimator=[supernet_recalibrated,footprint]", "objectives=[accuracy]", "constraints=['params_m<=0.5']"]
    data = ["data=arrays", f"data.path={few_images}", "executor.threads=1"]
    found = search(run_dir=tmp_path / "run", quiet=True, overrides=[*words, *goals, *data])
    assert found.result["metrics"]["params_m"] <= 0.5
    answers = json.loads((found.folder / "evaluations.json").read_text())
    assert {answer["status"] for answer in answers} == {"ok", "infeasible"}
