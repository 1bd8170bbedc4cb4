"""What a space does not have is built beside it, scored under a key of its own, and computed once."""

import numpy as np
import pytest
import torch

from nasforge import Architecture, ArchitectureError, Estimate, Estimator, Network, Objective, WiderSpace
from nasforge.journal.journal import Journal
from nasforge.registry.entry_points import build
from nasforge.run.resources import Budget, Machinery
from nasforge.run.run import Run
from nasforge.testing import tiny_data


class Flat(Network):
    def __init__(self, inputs, classes):
        super().__init__()
        self.layer = torch.nn.Linear(inputs, classes)

    def forward(self, images):
        return self.layer(images.flatten(1))


class WithFlat(WiderSpace):
    def __init__(self, space):
        super().__init__(space, "flat")

    def build_other(self, architecture, input_shape, classes, *, channels, cells):
        return Flat(int(np.prod(input_shape)), classes)


class Weights(Estimator):
    name = "weights"
    objectives = (Objective("weights", "min"),)
    asked = 0

    def estimate(self, architecture, context):
        self.asked += 1
        network = context.space.build(architecture, context.data.input_shape, context.data.classes, channels=4, cells=1)
        return Estimate({"weights": float(sum(parameter.numel() for parameter in network.parameters()))})


@pytest.fixture
def run(tmp_path):
    journal = Journal(tmp_path)
    yield Run(
        tmp_path,
        journal,
        space=build("space", {"name": "nasbench201"}),
        data=tiny_data(),
        estimators=[Weights()],
        seed=0,
        budget=Budget(evaluations=1),
        machinery=Machinery(trainer={"accelerator": "cpu"}, threads=1),
    )
    journal.close()


def test_what_it_does_not_have_is_built_beside_what_it_has(run):
    wider, own = WithFlat(run.space), run.space.sample(np.random.default_rng(0))
    other = Architecture.of("flat", {})
    found = run.score([other, own], run.estimators[0], space=wider)
    assert [evaluation.status for evaluation in found] == ["ok", "ok"]
    assert found[0].metrics["weights"] == 2 * (3 * 8 * 8 + 1)
    assert found[1].metrics == run.estimate([own])[0].metrics  # one that it has is the same in both
    assert run.score([other, own], run.estimators[0], space=wider) == found
    assert run.estimators[0].asked == 2
    assert len(run.evaluations) == 1  # neither of the budget nor of the search's candidates


def test_the_space_itself_goes_on_not_having_it(run):
    wider = WithFlat(run.space)
    (refused,) = run.score([Architecture.of("flat", {})], run.estimators[0])
    assert refused.status == "failed"
    one = wider.sample(np.random.default_rng(0))
    assert wider.validate(one) == one == run.space.sample(np.random.default_rng(0))
    assert wider.draw(one) == run.space.draw(one)
    assert wider.function_key(one) == run.space.function_key(one)
    with pytest.raises(ArchitectureError):
        wider.build(Architecture.of("round", {}), (3, 8, 8), 2)
