import shutil

import numpy as np
import pytest
import torch
from torch import nn

from nasforge import Classifier, FoundNetwork, Transform
from nasforge.registry.entry_points import registry

SIZES = {"darts": {"channels": 4, "cells": 3}, "nasbench201": {"channels": 4, "cells": 1}}
"""Small networks of the spaces that have no small ones by default."""


OPTIONS = {"tsenas": {"min_cells": 4, "max_cells": 4, "reductions": 1}}
"""Of spaces whose networks of default size take ONNX and torch.export long."""


@pytest.fixture
def run(trained_run, tmp_path):
    """A copy of a finished run."""
    return shutil.copytree(trained_run, tmp_path / "run")


@pytest.fixture(scope="session")
def make_found():
    """Make a network to export, with random weights: of a space, for images of a shape."""

    def make(space, architecture=None, *, shape=(3, 16, 16), class_names=("a", "b", "c"), **sizes):
        built = registry("space")[space](**OPTIONS.get(space, {}))
        if architecture is None:
            architecture = built.sample(np.random.default_rng(0))
        elif isinstance(architecture, str):
            architecture = built.presets[architecture]
        torch.manual_seed(0)
        network = built.build(architecture, shape, len(class_names), **{**SIZES.get(space, {}), **sizes}).eval()
        for module in network.modules():  # statistics other than those of a new BatchNorm
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        transform = Transform(shape, (0.4,) * shape[0], (0.3,) * shape[0])
        pixels = torch.randint(0, 256, (40, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        return FoundNetwork(
            name="found",
            classifier=Classifier(network, transform, tuple(class_names)),
            title="A network for tests.",
            facts={"Size": "small"},
            calibration=lambda: pixels,
            test=lambda: zip(pixels.split(16), (torch.arange(40) % len(class_names)).split(16), strict=True),
            trained=False,
        )

    return make
