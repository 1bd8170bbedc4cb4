"""Modules that users name: what can be imported, and that a run's folder alone makes nasforge import nothing."""

import re
import sys

import pytest

from nasforge import OptionError
from nasforge.registry.entry_points import build

NET = """\
from pathlib import Path
Path(__file__).with_name("imported").touch()
from torch import nn
from nasforge import choice
class Net(nn.Module):
    def __init__(self, classes=10, scale=1):
        super().__init__()
        self.layers = nn.Sequential(choice(small=nn.Conv2d(1, 4, 1), large=nn.Conv2d(1, 4, 3, padding=1)),
                                    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))
    def forward(self, x):
        return self.layers(x)
number = 3
"""


def target(name, **options):
    return build("space", {"name": "module", "target": name, **options})


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a module that leaves a file when it is imported."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_users_net.py").write_text(NET)
    yield tmp_path
    sys.modules.pop("a_users_net", None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a_users_net:Net", "a_users_net is in this folder: PYTHONPATH=. before the command imports from here"),
        ("nobody.has.this:Net", "space.target=nobody.has.this:Net cannot be imported: ModuleNotFoundError"),
        ("torch.nn:Nothing", "space.target=torch.nn:Nothing cannot be imported: AttributeError"),
        ("os.path:join", "space.target=os.path:join is not a class that inherits from torch.nn.Module"),
        ("resnett", r"it must be MODULE:CLASS, such as my_package.net:Net, or a name .* \(resnet"),
        ("rm -rf", "space.target=rm -rf: it must be MODULE:CLASS"),
        ("torch.nn:Identity", "Identity declares no choice: nothing can be searched"),
    ],
)
def test_what_cannot_be_a_space(here, name, message):
    with pytest.raises(OptionError, match=message):
        target(name)


def test_a_class_that_an_importable_module_lacks(here, monkeypatch):
    monkeypatch.syspath_prepend(here)
    with pytest.raises(OptionError, match=r"AttributeError: module 'a_users_net' has no attribute 'Nett'$"):
        target("a_users_net:Nett")


def test_arguments_of_the_constructor(here, monkeypatch):
    monkeypatch.syspath_prepend(here)
    assert target("a_users_net:Net", arguments={"scale": 2}).size == 2
    with pytest.raises(OptionError, match=re.escape("space.arguments.scal: a_users_net:Net has no such argument; it")):
        target("a_users_net:Net", arguments={"scal": 2})
    with pytest.raises(OptionError, match=re.escape("space.arguments.classes: a_users_net:Net has no such argument")):
        target("a_users_net:Net", arguments={"classes": 2})


SEARCH = ["space=module", "space.target=a_users_net:Net", "strategy=random_search", "estimator=zero_cost",
          "estimator.zero_cost.proxies=[synflow]", "budget.evaluations=2", "retrain.seeds=0",
          "hydra.run.dir=run"]  # fmt: skip


def test_a_runs_folder_imports_only_what_the_user_allows(here, monkeypatch, command, mistake):
    monkeypatch.syspath_prepend(here)
    status, _, complaint = command(*SEARCH)
    assert status == 0, complaint
    assert (here / "imported").exists()
    for words in (["report", "run"], ["resume", "run"], ["retrain", "run"], ["export", "run"]):
        (here / "imported").unlink(missing_ok=True)
        sys.modules.pop("a_users_net", None)
        said = mistake(*words)
        assert "space.target=a_users_net:Net, and importing a module runs its code: set NASFORGE_MODULES=" in said, (
            words
        )
        assert not (here / "imported").exists(), words
    monkeypatch.setenv("NASFORGE_MODULES", "another:Net, a_users_net:Net")
    command("report", "run")
    assert (here / "imported").exists()
