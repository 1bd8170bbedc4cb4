"""A run whose module's code has changed is not resumed."""

import sys

import pytest

from nasforge import RunError, search
from nasforge.experiment.experiment import resume

NET = """\
from torch import nn
from nasforge import choice

class Net(nn.Sequential):
    def __init__(self, in_channels=1, classes=10):
        middle = choice(a=nn.Conv2d(in_channels, 4, 3, padding=1), b=nn.Conv2d(in_channels, 4, 1))
        super().__init__(middle, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
"""


@pytest.fixture
def interrupted(tmp_path, few_images, monkeypatch):
    """The folder of a search that used up its budget, and the file of its module."""
    (tmp_path / "changing.py").write_text(NET)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("NASFORGE_MODULES", "changing:Net")
    words = ["space=module", "space.target=changing:Net", "estimator=zero_cost", "estimator.zero_cost.proxies=[params]"]
    data = ["data=arrays", f"data.path={few_images}", "retrain.seeds=0", "budget.evaluations=2", "executor.threads=1"]
    search("random_search", run_dir=tmp_path / "run", quiet=True, overrides=[*words, *data])
    yield tmp_path / "run", tmp_path / "changing.py"
    sys.modules.pop("changing", None)


def test_the_same_module_is_resumed(interrupted):
    run, _ = interrupted
    assert resume(run, ["budget.evaluations=3"]).result.evaluations.requested == 3


def test_another_one_is_refused(interrupted):
    run, file = interrupted
    file.write_text(NET.replace("nn.ReLU()", "nn.Sigmoid()"))
    with pytest.raises(RunError, match=r"the code of space 'module' changed since the run in .*run began; restore it"):
        resume(run, ["budget.evaluations=3"])
    file.write_text(NET)
    assert resume(run, ["budget.evaluations=3"]).result.status == "finished"
