"""A table of NAS-Bench-201 with made-up numbers: `one` lacks some cells, `two` is whole; training takes time."""

from contextlib import closing

import numpy as np
import pytest

from nasforge import Column, Table
from nasforge.data import NoData
from nasforge.experiment.parts import Parts
from nasforge.journal.journal import Journal
from nasforge.run.resources import Machinery
from nasforge.run.run import Run

ROWS = 5**6


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """The path of the table; its data sets are `one` and `two`."""
    rng = np.random.default_rng(0)
    columns = {}
    for task in ("one", "two"):
        accuracy = rng.uniform(0.1, 0.9, ROWS)
        if task == "one":
            accuracy[rng.permutation(ROWS)[: ROWS // 20]] = np.nan
        columns[Column(task, "accuracy", "max")] = accuracy
        columns[Column(task, "test_accuracy", "max", report_only=True)] = rng.uniform(0.1, 0.9, ROWS)
        columns[Column(task, "params_m", "min")] = rng.uniform(0.1, 1.5, ROWS)
        columns[Column(task, "train_seconds", "min")] = rng.uniform(10, 900, ROWS)
    path = tmp_path_factory.mktemp("table") / "made_up.safetensors"
    Table.of("nasbench201", (5,) * 6, columns, source="drawn at random").write(path)
    return path


@pytest.fixture
def in_a_run(tmp_path):
    """Search as a run does, with a journal: its evaluations for people, and what it found."""

    def search(config, seed):
        parts = Parts({**config, "seed": seed})
        ledger = []
        with closing(Journal(tmp_path / f"run {len(list(tmp_path.iterdir()))}")) as journal:
            run = Run(
                journal.path.parent,
                journal,
                space=parts.space,
                data=NoData(),
                estimators=parts.estimators,
                goals=parts.goals,
                seed=parts.seed,
                budget=parts.budget,
                machinery=Machinery(trainer={"accelerator": "cpu"}, threads=1),
                ledger=ledger,
            )
            found = parts.strategy.search(run)
            run.close()
        return ledger, found

    return search
