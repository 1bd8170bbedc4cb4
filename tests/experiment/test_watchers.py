"""Loggers and callbacks come by name, from installed packages, and get plain values: nothing else that a file says."""

import sys

import pytest
from pytorch_lightning.callbacks import DeviceStatsMonitor, LearningRateMonitor, RichModelSummary
from pytorch_lightning.loggers import CSVLogger

from nasforge import NasforgeError, OptionError
from nasforge.config.configuration import compose
from nasforge.experiment.watchers import check_watchers, watchers
from nasforge.loggers.tensorboard import TensorBoard
from nasforge.registry.entry_points import registry
from nasforge.registry.options import filled

COUNTING = """
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import CSVLogger

class Counting(Callback):
    def __init__(self, *, every: int = 1, path: str = ""):
        self.every, self.path = every, path

class Picky(Callback):
    def __init__(self, *, level: int = 0):
        raise RuntimeError(f"level {level} is not for me")

class NoCallback:
    pass
"""


@pytest.fixture
def counting(guest):
    """A package with a callback of its own, one that raises, a class that is none, and a logger of Lightning's."""
    offered = {
        "nasforge.callback": ["counting = counting:Counting", "picky = counting:Picky", "odd = counting:NoCallback"],
        "nasforge.logger": ["neptune = pytorch_lightning.loggers:NeptuneLogger", "lost = nowhere:Logger"],
    }
    guest("counting", offered, {"counting.py": COUNTING})


def refused(**sections):
    with pytest.raises(NasforgeError) as error:
        check_watchers(sections)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_shipped_loggers_are_made_in_the_runs_folder(tmp_path):
    made = watchers(compose(["logger=[csv,tensorboard]"]).config, "logger", tmp_path)
    assert [type(logger) for logger in made] == [CSVLogger, TensorBoard]
    assert [logger.save_dir for logger in made] == [str(tmp_path)] * 2
    assert [logger.version for logger in made] == [0, 0]


def test_each_start_of_a_run_has_a_version_in_tensorboard(tmp_path):
    (tmp_path / "tensorboard" / "version_0").mkdir(parents=True)
    for words, folder in ([], "version_1"), (["logger.tensorboard.version=again"], "again"):
        (made,) = watchers(compose(["logger=tensorboard", *words]).config, "logger", tmp_path)
        assert made.log_dir == str(tmp_path / "tensorboard" / folder)


def test_the_shipped_callback_is_made(tmp_path):
    config = compose(["logger=csv", "callbacks=learning_rate_monitor"]).config
    check_watchers(config)
    (made,) = watchers(config, "callbacks", tmp_path)
    assert isinstance(made, LearningRateMonitor)
    assert made.logging_interval == "epoch"


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_the_yaml_of_a_logger_has_the_defaults_of_its_class(name):
    options = compose([f"logger={name}"]).config["logger"][name]
    assert filled(registry("logger")[name], {}) == options


def test_harmless_callbacks_are_made(tmp_path):
    words = ["logger=csv", "callbacks=[device_stats,model_summary]", "callbacks.device_stats.cpu_stats=false"]
    config = compose(words).config
    check_watchers(config)
    made = watchers(config, "callbacks", tmp_path)
    assert {type(callback) for callback in made} == {DeviceStatsMonitor, RichModelSummary}


def test_device_stats_of_a_cpu_need_a_package(monkeypatch):
    config = compose(["logger=csv", "callbacks=device_stats"]).config
    monkeypatch.setattr("nasforge.experiment.watchers.find_spec", lambda module: None)
    assert "callbacks.device_stats needs psutil for the CPU. Install it with: pip install psutil" in refused(**config)


def test_none_are_made_where_none_are_asked_for(tmp_path):
    config = compose([]).config
    assert watchers(config, "logger", tmp_path) == watchers(config, "callbacks", tmp_path) == []
    check_watchers({"logger": None, "callbacks": {}})


def test_a_package_adds_its_own(counting, tmp_path):
    config = {"callbacks": {"counting": {"every": 2, "path": "RUN/counts"}}}
    check_watchers(config)
    (made,) = watchers(config, "callbacks", tmp_path)
    assert (made.every, made.path) == (2, f"{tmp_path}/counts")
    (other,) = watchers({"callbacks": {"counting": {"path": "RUNNER"}}}, "callbacks", tmp_path)
    assert other.path == "RUNNER"


def test_what_a_packages_class_refuses_is_said(counting, tmp_path):
    with pytest.raises(OptionError, match=r"callbacks\.picky cannot be built: RuntimeError: level 3 is not for me"):
        watchers({"callbacks": {"picky": {"level": 3}}}, "callbacks", tmp_path)


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"callbacks": {"odd": {}}}, "counting.NoCallback must be a class that inherits from pytorch_lightning.callba"),
        (
            {"callbacks": {"counting": {"often": 1}}},
            "no option callbacks.counting.often. callbacks.counting has: every",
        ),
        ({"callbacks": {"counting": {"every": {"_target_": "os.system"}}}}, "callbacks.counting.every="),
        ({"callbacks": {"early_stopping": {}}}, "no callback named 'early_stopping'. Available: counting, "),
        ({"callbacks": {"learning_rate_monitor": {}}}, "callbacks.learning_rate_monitor has nowhere to write to"),
        ({"callbacks": [1, 2]}, "callbacks=[1, 2]: it must hold options by name of a callback"),
        ({"logger": {"csv": [1, 2]}}, "logger.csv=[1, 2]: it must hold the options save_dir, "),
        ({"logger": {"csv": {}}}, "logger.csv.save_dir is missing"),
        ({"logger": {"cvs": {}}}, "no logger named 'cvs'. Did you mean 'csv'?"),
        ({"logger": {1: {}}}, "no logger named '1'"),
        ({"logger": {"lost": {}}}, "logger 'lost' of counting cannot be loaded: ModuleNotFoundError"),
        ({"logger": {"csv": {"save_dir": "reference::file:///x.json"}}}, "a folder on this machine, not an address"),
        ({"logger": {"tensorboard": {"save_dir": "x", "sub_dir": "github://a"}}}, "not an address"),
        ({"logger": {"csv": {"save_dir": "RUN", "_partial_": True}}}, "there is no option logger.csv._partial_"),
        (
            {"callbacks": {"x": {"_target_": "collections.OrderedDict"}}},
            "callbacks.x._target_: a callback is chosen by its name, not by its class. Available: counting, ",
        ),
    ],
)
def test_all_else_is_one_sentence(counting, sections, sentence):
    assert sentence in refused(**sections)


def test_no_module_is_imported_because_a_file_names_it(tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text(
        "from pytorch_lightning.callbacks import Callback\nclass Fine(Callback): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("planted.Fine", "planted:Fine", "planted"):
        refused(callbacks={name: {}})
        refused(callbacks={"x": {"_target_": name}})
    assert "planted" not in sys.modules
