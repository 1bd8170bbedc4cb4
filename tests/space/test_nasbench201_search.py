"""EG-NAS on space=nasbench201 with the real CIFAR-10, small: 2,000 images, C=4, N=1."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import nasforge
from nasforge_plugins.space.nasbench201 import NASBench201

SHARED = Path(os.environ.get("NASFORGE_SHARED") or Path(__file__).resolve().parents[2].parent / "shared")
FILES = {"train": (SHARED / "data/cifar10/cifar10_train_1of5.npz", 2_000)}
FILES["test"] = (SHARED / "data/cifar10/cifar10_test.npz", 500)


@pytest.fixture(scope="module")
def cifar10(tmp_path_factory):
    """The folder of a `cifar10.npz` with the first images of the real one, as many of each class."""
    missing = [str(file) for file, _ in FILES.values() if not file.is_file()]
    if missing:
        pytest.skip(f"REAL CIFAR-10 NOT SEARCHED: no {', '.join(missing)}; NASFORGE_SHARED names another folder")
    arrays = {}
    for part, (file, count) in FILES.items():
        with np.load(file, allow_pickle=False) as packed:
            planes = np.cumsum(packed["residual"][:, :count], axis=3, dtype=np.uint8)
            arrays[f"{part}_labels"], arrays["classes"] = packed["labels"][:count], packed["classes"]
        green, red, blue = np.cumsum(planes, axis=2, dtype=np.uint8)
        arrays[f"{part}_images"] = np.stack([red + green, green, blue + green], axis=-1)
    folder = tmp_path_factory.mktemp("cifar10")
    np.savez(folder / "cifar10.npz", **arrays)
    return folder


def test_egnas_searches_on_real_photographs(cifar10, tmp_path, monkeypatch):
    monkeypatch.setenv("NASFORGE_DATA", str(SHARED / "data"))
    outcome = nasforge.search(
        "egnas",
        "nasbench201",
        "cifar10",
        run_dir=tmp_path / "run",
        retrain={"epochs": 1, "seeds": 1, "random": 1, "channels": 4, "cells": 1},
        executor={"threads": 1},
        trainer={"accelerator": "cpu"},
        **{"data.root": str(cifar10), "data.batch_size": 32, "space.channels": 4, "space.cells": 1},
        **{"strategy.epochs": 5, "strategy.warmup_epochs": 4, "strategy.samples": 1, "strategy.population": 4},
    )
    assert outcome.result["status"] == "finished"
    assert NASBench201().read(str(tmp_path / "run" / "architecture.json")) == outcome.architecture
    assert (tmp_path / "run" / "cell.svg").is_file()
    learned = json.loads((tmp_path / "run" / "fits" / "supernet" / "history.json").read_text())["metrics"]
    assert learned["train_loss"][-1] < learned["train_loss"][0] < 2.6
    assert learned["train_accuracy"][-1] > 0.2  # ten classes
    assert learned["es_accuracy"][:4] == [None] * 4
    assert all(0 <= accuracy <= 1 for accuracy in learned["es_accuracy"][4:])
    assert len(outcome.result["control"]["random"]) == 20
    assert {row["name"] for row in outcome.result["retrain"]["rows"]} == {"found", "random 1"}
    known = {row["name"]: row["test_accuracy"] for row in outcome.result["table"]["rows"]}
    assert list(known) == ["found", "random search", "mean of all", "optimum", "paper"]
    assert {name: round(value, 4) for name, value in known["optimum"].items()} == {  # what the literature quotes
        "cifar10": 0.9437,
        "cifar100": 0.7351,
        "imagenet16_120": 0.4731,
    }
    with np.load(SHARED / "data/nasbench201.npz") as table:
        row = list(table["arch_str"]).index(str(outcome.architecture))
        for dataset, accuracy in known["found"].items():
            assert accuracy == table[f"{dataset}_test_acc_200ep_mean"][row] / 100
