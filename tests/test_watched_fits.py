"""Loggers, callbacks and profilers watch the fits of a run and change nothing of it."""

import csv

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nasforge.config.configuration import compose
from nasforge.experiment import experiment

SMALL = ["strategy=darts", "space=nasbench201", "data=arrays", "data.batch_size=8"]
SMALL += ["strategy.supernet.channels=4", "strategy.epochs=2", "strategy.warmup_epochs=1", "control.samples=20"]
SMALL += ["retrain.seeds=1", "retrain.random=0", "retrain.epochs=2", "retrain.channels=4", "retrain.cells=1"]
SMALL += ["executor.threads=1", "trainer.accelerator=cpu"]


@pytest.fixture(scope="module")
def searched(few_images, tmp_path_factory):
    """Search with further words; the run's folder."""

    def search(*words):
        folder = tmp_path_factory.mktemp("search") / "run"
        return experiment.search(compose([*SMALL, f"data.path={few_images}", *words]).config, folder).folder

    return search


@pytest.fixture(scope="module")
def plain(searched):
    return searched()


@pytest.fixture(scope="module")
def watched(searched):
    words = ["logger=[csv,tensorboard]", "callbacks=learning_rate_monitor", "trainer.profiler=simple"]
    return searched(*words, "trainer.log_every_n_steps=1", "logger.csv.flush_logs_every_n_steps=1")


def test_the_result_is_that_of_a_run_that_nobody_watches(plain, watched):
    assert (watched / "result.json").read_bytes() == (plain / "result.json").read_bytes()


def test_learning_rates_and_metrics_reach_the_logger(watched):
    (path,) = watched.glob("csv/version_*/metrics.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    rates = [float(rate) for row in rows for name, rate in row.items() if name.endswith("lr-SGD") and rate]
    assert rates == pytest.approx([0.025, 0.013, 0.1, 0.05])  # two epochs of the search, two of the retraining


def test_tensorboard_and_csv_get_the_same_numbers(watched):
    events = EventAccumulator(str(watched / "tensorboard" / "version_0")).Reload()
    in_tensorboard = {
        name: {event.step: event.value for event in events.Scalars(name)} for name in events.Tags()["scalars"]
    }
    with (watched / "csv" / "version_0" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in rows[0].keys() - {"step"}:
        in_csv = {int(row["step"]): float(row[name]) for row in rows if row[name]}
        assert in_tensorboard.pop(name) == pytest.approx(in_csv, rel=1e-6)
    assert {name.rpartition("/")[2] for name in in_tensorboard} <= {"epoch"}  # Lightning's, of each metric's step
    assert {"supernet/train_loss", "supernet/train_accuracy", "retrain/found/seed-0/train_loss"} <= rows[0].keys()


def test_tensorboard_gets_the_cells_as_pictures_and_the_place_of_the_report(watched):
    events = EventAccumulator(str(watched / "tensorboard" / "version_0")).Reload()
    (picture,) = events.Images("pictures/cell")
    with Image.open(watched / "cell.png") as cell:
        assert (picture.width, picture.height) == cell.size
    (text,) = events.Tensors("report/text_summary")
    assert str(watched / "report.html") in text.tensor_proto.string_val[0].decode()


def test_each_fit_has_its_profile(watched):
    profiles = {path.parent.relative_to(watched).as_posix() for path in watched.rglob("fit-profile.txt")}
    assert profiles == {"fits/supernet", "fits/retrain/found/seed-0"}
    assert "run_training_batch" in (watched / "fits/supernet/fit-profile.txt").read_text()


@pytest.mark.parametrize(("profiler", "files"), [("advanced", "fit-profile.txt"), ("pytorch", "*.json")])
def test_the_other_profilers_write_too(profiler, files, plain, searched):
    folder = searched(f"trainer.profiler={profiler}")
    assert list((folder / "fits" / "supernet").glob(files))
    assert (folder / "result.json").read_bytes() == (plain / "result.json").read_bytes()
