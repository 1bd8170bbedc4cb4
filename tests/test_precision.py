"""Every precision that a trainer may have is that of the fits of every strategy that trains, and of retraining."""

from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from safetensors.numpy import load_file
from test_capabilities import LEAST, SIZES, SPACE_SIZES

import nasforge_plugins.strategy
from nasforge.config.configuration import compose
from nasforge.experiment import experiment
from nasforge.experiment.trainer_options import TrainerOptions

PRECISIONS = get_args(get_type_hints(TrainerOptions)["precision"])
TRAINING = [f"estimator.training.{word}" for word in ("epochs=1", "channels=4", "cells=1")]
SEARCHES = {
    "darts": [
        "space=nasbench201",
        "strategy.order=2",
        "retrain.seeds=1",
        "retrain.random=0",
        "retrain.epochs=1",
        "retrain.channels=4",
    ],
    "egnas": ["space=darts"],
    "medarts": ["space=darts"],
    "ntk_ga": ["space=nasbench201", "estimator=zero_cost", "estimator.zero_cost.proxies=[params]"],
    "single_path": ["space=nasbench201", "budget.evaluations=4"],
    "tsenas": ["space=tsenas", "estimator=training", "budget.evaluations=2", *TRAINING],
}
"""By the name of a strategy: what it searches, and how it is made small; one of them retrains what it found."""


def test_every_strategy_that_trains_is_among_them():
    sources = Path(nasforge_plugins.strategy.__path__[0]).rglob("*.py")
    training = {path.parent.name for path in sources if ".fit(" in path.read_text()}
    assert training == set(SEARCHES)


@pytest.mark.parametrize("strategy", SEARCHES)
def test_each_precision_is_that_of_every_fit(strategy, few_images, tmp_path):
    space = SEARCHES[strategy][0].partition("=")[2]
    small = [*LEAST, *SIZES[strategy], *SPACE_SIZES.get(space, ())]
    words = [f"strategy={strategy}", "data=arrays", f"data.path={few_images}", "data.batch_size=64", *small]
    trained = {}
    for precision in PRECISIONS:
        config = compose([*words, *SEARCHES[strategy], f"trainer.precision={precision}"]).config
        found = experiment.search(config, tmp_path / precision)
        assert found.result["failures"] == []
        fits = (found.folder / "fits").rglob("weights.safetensors")
        trained[precision] = {str(path.relative_to(found.folder)): numbers(path) for path in fits}
    assert trained["32-true"]
    for fit, single in trained["32-true"].items():
        double, mixed = (trained[precision].get(fit) for precision in ("64-true", "bf16-mixed"))
        assert single.dtype == np.float32
        if double is not None:  # other numbers may have found other networks to train
            assert double.dtype == np.float64
        if mixed is not None:
            assert mixed.dtype == np.float32
            assert mixed.shape != single.shape or not np.array_equal(mixed, single)


def numbers(path):
    """All weights of a file that are no counts."""
    tensors = [tensor.ravel() for tensor in load_file(path).values() if tensor.dtype.kind == "f"]
    assert len({tensor.dtype for tensor in tensors}) == 1
    return np.concatenate(tensors)
