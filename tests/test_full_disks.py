"""A disk that is full, which /dev/full in place of a file is to the system: what was saved is named, and goes on."""

from pathlib import Path

import numpy as np
import pytest

from nasforge import Column, Table

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "small.safetensors"
    accuracies = np.linspace(0.3, 0.7, 5**6)
    values = {Column("digits", "accuracy", "max"): accuracies}
    Table.of("nasbench201", (5,) * 6, values, source="made by a test").write(path)
    return [
        *("strategy=random_search", "space=nasbench201", "estimator=tabular", "budget.evaluations=3"),
        *(f"estimator.tabular.path={path}", "estimator.tabular.dataset=digits", "hydra.run.dir=run"),
    ]


def full(file):
    """Let the next write of a file in the run's folder fail; what is written whole is first written as .partial."""
    Path("run").mkdir(exist_ok=True)
    Path("run", f".{file}.partial").symlink_to("/dev/full")


def test_full_at_the_first_write_nothing_can_be_resumed(command, words):
    full("journal.jsonl")
    status, _, complaint = command(*words)
    path = Path("run/journal.jsonl").absolute()
    assert status == 1
    assert complaint.endswith(
        f"nasforge: the disk is full ({path}); free some space, then continue with: the same command again\n"
    )
    assert command(*words)[0] == 0


@pytest.mark.parametrize("file", ["config.yaml", "data.json", "result.json"])
def test_full_later_what_is_saved_can_be_resumed(command, words, file):
    full(file)
    status, _, complaint = command(*words)
    path = Path("run", file).absolute()
    assert status == 1
    assert complaint.endswith(
        f"nasforge: the disk is full ({path}); free some space, then continue with: nasforge resume run\n"
    )
    assert not path.exists()
    assert command(*words)[0] == 2, "the folder holds a run"
    assert command("resume", "run")[0] == 0
    assert path.exists()
