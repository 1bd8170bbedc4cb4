"""`nasforge.search` takes the command's options, gives its errors and returns the result."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import nasforge
from nasforge import OptionError, UnknownNameError
from nasforge.config.configuration import compose
from nasforge.config.overrides import override
from nasforge.experiment import experiment


@pytest.fixture
def searched(monkeypatch):
    calls = []

    def search(config, folder, overrides, progress):
        calls.append((config, folder, overrides))
        return SimpleNamespace(folder=folder)

    monkeypatch.setattr(experiment, "search", search)
    return calls


def test_options_reach_the_configuration(searched, tmp_path):
    outcome = nasforge.search(
        "egnas", "darts", seed=3, budget={"seconds": 60}, run_dir=tmp_path / "mine", **{"data.batch_size": 32}
    )
    ((config, folder, overrides),) = searched
    assert outcome.folder == folder == tmp_path / "mine"
    assert (config["seed"], config["budget"]["seconds"], config["data"]["batch_size"]) == (3, 60, 32)
    assert compose(overrides).config == config


def test_the_default_is_the_bare_command(searched):
    nasforge.search()
    ((config, folder, overrides),) = searched
    assert config == compose([]).config
    assert folder.parent == Path("runs")
    assert overrides == []


def test_several_estimators_and_words_of_the_command_line(searched):
    nasforge.search(estimator=["training", "supernet"], overrides=["+callbacks.mine.level=3"])
    ((config, _, _),) = searched
    assert sorted(config["estimator"]) == ["supernet", "training"]
    assert config["callbacks"] == {"mine": {"level": 3}}


def test_errors_are_the_commands():
    with pytest.raises(UnknownNameError, match=r"no strategy named 'egna'\. Did you mean 'egnas'\?"):
        nasforge.search(strategy="egna")
    with pytest.raises(OptionError, match=r"no option strategy\.populaton\. Did you mean strategy\.population\?"):
        nasforge.search(**{"strategy.populaton": 3})
    with pytest.raises(OptionError, match=r'strategy\.population="8": it must be a whole number'):
        nasforge.search(strategy="egnas", **{"strategy.population": "8"})


@pytest.mark.parametrize(
    "value",
    [
        *(
            "a",
            "it's",
            'say "x"',
            "a\\b",
            "a\\'b",
            "end\\",
            "x,y",
            "a=b",
            "[1]",
            "{a: 1}",
            "",
            " ",
            "true",
            "null",
            "True",
            "NaN",
            "digits",
            "8",
        ),
        *(True, None, 3, -1, 1e-5, 2.5, 1e22, [1, 2], ["a", "b,c"], [[1], ["x"]], "C:\\new", "ü"),
    ],
)
def test_values_arrive_as_they_were(value):
    assert compose([override("architecture", value)]).config["architecture"] == value


def test_numpy_numbers_and_paths_are_welcome():
    assert compose([override("seed", np.int64(3))]).config["seed"] == 3
    assert compose([override("architecture", Path("a") / "b.json")]).config["architecture"] == str(Path("a/b.json"))
