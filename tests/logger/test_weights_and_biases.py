"""wandb really records, offline: nothing of these tests leaves this machine."""

import json
import struct
from pathlib import Path

import pytest

from nasforge import NasforgeError, OptionError
from nasforge.config.configuration import compose
from nasforge.experiment.watchers import check_watchers
from nasforge.loggers.run_logger import RunFacts
from nasforge_plugins.logger.weights_and_biases import WeightsAndBiases

SEARCH = ["strategy=regularized_evolution", "strategy.population=2", "strategy.sample=2", "space=nasbench201"]
SEARCH += ["estimator=zero_cost", "estimator.zero_cost.proxies=[synflow]", "data=arrays", "executor.threads=1"]
SEARCH += ["retrain.seeds=1", "retrain.random=0", "retrain.epochs=2", "retrain.channels=4", "retrain.cells=1"]
SEARCH += ["logger=wandb", "logger.wandb.offline=true"]


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """A user without an account."""
    for variable in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def wandb():
    return pytest.importorskip("wandb", reason="LOGGER NOT CHECKED: wandb is not installed (extra `wandb`)")


def records(path):
    """What an offline run has written: a file in LevelDB's log format, after a header of seven bytes."""
    from wandb.proto import wandb_internal_pb2

    content, place, partial = path.read_bytes(), 7, b""
    while place < len(content):
        if 32768 - place % 32768 < 7:  # a block's rest is too short for a record
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        partial += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a full record, or the last part of one
            yield wandb_internal_pb2.Record.FromString(partial)
            partial = b""


def kept(folder):
    """(runs, rows of the history, names of artifacts) of all starts of a run, in order."""
    runs, rows, artifacts = [], [], []
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for record in records(path):
            if record.HasField("run"):
                runs.append(record.run)
            if record.HasField("history"):
                items = record.history.item
                rows.append({item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items})
            if record.request.HasField("log_artifact"):
                artifacts.append(record.request.log_artifact.artifact.name)
            if record.HasField("artifact"):
                artifacts.append(record.artifact.name)
    return runs, rows, artifacts


def test_a_run_is_one_run_of_wandb_over_all_starts(wandb, command, few_images):
    words = [*SEARCH, f"data.path={few_images}", "logger.wandb.tags=[small]", "hydra.run.dir=run"]
    status, printed, complaint = command(*words, "budget.evaluations=3")
    assert status == 0, complaint
    assert "wandb: offline; `wandb sync " in printed + complaint
    status, _, complaint = command("resume", "run", "budget.evaluations=5")
    assert status == 0, complaint
    runs, rows, artifacts = kept(Path("run"))
    assert len({run.run_id for run in runs}) == 1
    assert {(run.project, run.display_name, *run.tags) for run in runs} == {("nasforge", "run", "small")}
    steps = [row["search/step"] for row in rows if "search/step" in row]
    assert steps == sorted(set(steps))
    assert [row["search/evaluations"] for row in rows if "search/evaluations" in row][-1] == 5
    assert any("retrain/found/seed-0/train_loss" in row for row in rows)
    assert any(key.startswith("pictures/cell") for row in rows for key in row)
    assert any(name.startswith("report-") for name in artifacts)


def test_a_user_without_an_account_is_told_before_the_run(wandb, mistake):
    sentence = mistake("logger=wandb", "hydra.run.dir=run")
    assert "not logged in: run `wandb login`, set WANDB_API_KEY, or add logger.wandb.offline=true" in sentence
    assert not Path("run").exists()


def test_the_environment_may_keep_it_offline(wandb, monkeypatch):
    assert WeightsAndBiases().destination == "https://api.wandb.ai"
    assert WeightsAndBiases(offline=True).destination == ""
    for mode in ("offline", "dryrun", "disabled"):
        monkeypatch.setenv("WANDB_MODE", mode)
        assert WeightsAndBiases().destination == ""
    check_watchers(compose(["logger=wandb"]).config)


def test_a_run_of_the_users_own_program_stays_open(wandb, tmp_path):
    own = wandb.init(mode="offline", dir=tmp_path, project="own")
    logger = WeightsAndBiases(offline=True, save_dir=tmp_path / "run")
    logger.begin(RunFacts("0123456789abcdef", tmp_path / "run", "sweep", {"seed": 1}))
    assert (logger.experiment.id, logger.experiment.group, logger.experiment.name) == (
        "0123456789abcdef",
        "sweep",
        "run",
    )
    logger.log_metrics({"a/loss": 1.0}, 0)
    logger.finalize("success")
    assert wandb.run is own
    own.finish()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("logger.wandb.project=5", "logger.wandb.project=5: it must be text"),
        ("logger.wandb.project=https://x.org", "not an address"),
        ("logger.wandb.tags=small", 'logger.wandb.tags="small": it must be a list, each item text'),
        ("logger.wandb.ofline=true", "ofline"),
    ],
)
def test_wrong_options_are_one_sentence(mistake, word, sentence):
    assert sentence in mistake("logger=wandb", word)


def test_without_the_package_there_is_a_line_that_installs_it(monkeypatch):
    monkeypatch.setattr("nasforge.experiment.watchers.find_spec", lambda module: None)
    with pytest.raises(
        OptionError, match=r"logger=wandb needs wandb. Install it with: pip install 'nasforge\[wandb\]'"
    ):
        check_watchers(compose(["logger=wandb"]).config)
    with pytest.raises(NasforgeError, match=r"pip install 'nasforge\[mlflow\]'"):
        check_watchers(compose(["logger=[csv,mlflow]"]).config)
