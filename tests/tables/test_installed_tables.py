"""Tables of installed packages: listed, described, found by name, and refused if a byte differs."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import nasforge_tables
from nasforge import DataError, OptionError, find_table
from nasforge.registry.entry_points import build
from nasforge.tables.installed import installed_tables, open_installed

FILES = Path(nasforge_tables.__file__).parent
NAMES = sorted(path.stem for path in FILES.glob("*.npz"))
SMALL = "nasbench_macro"


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path, monkeypatch):
    """No table in the working folder, the user's cache and $NASFORGE_DATA."""
    monkeypatch.chdir(tmp_path)
    for variable in ("NASFORGE_DATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))


@pytest.fixture
def copied(guest):
    """Make a package with a copy of a small table; its folder."""

    def make(name, table=SMALL):
        module = name.replace("-", "_")
        site = guest(name, {"nasforge.tables": [f"{name} = {module}"]}, {f"{module}/__init__.py": ""})
        shutil.copy(FILES / f"{SMALL}.npz", site / module / f"{table}.npz")
        sums = (FILES / "SHA256SUMS").read_text().replace(f"{SMALL}.npz", f"{table}.npz")
        (site / module / "SHA256SUMS").write_text(sums)
        return site / module

    return make


def test_they_are_small_and_say_where_they_come_from():
    assert sum(path.stat().st_size for path in FILES.glob("*.npz")) <= 8_000_000
    for name in NAMES:
        table = open_installed(name)
        assert table.name == name
        assert table.origin.repository.startswith("https://github.com/")
        assert all(len(commit) == 40 for commit in table.origin.commit.split("; "))
        assert {term.split()[-1] for term in table.origin.license.split("; ")} <= {"MIT", "Apache-2.0"}
        assert table.origin.paper
        assert table.origin.notice.startswith("Copyright")
        assert all(column.about and (column.basis or "estimated" in column.about) for column in table.columns)


def test_there_are_tables_tasks_and_families_enough():
    tables = [open_installed(name) for name in NAMES]
    results = [table for table in tables if not table.name.endswith("_zerocost")]
    assert len(results) >= 8
    assert len({table.space for table in results}) >= 5
    assert len({(table.name, dataset) for table in results for dataset in table.datasets}) >= 25


def test_a_surrogates_numbers_are_called_predictions_wherever_they_are():
    estimator = build("estimator", {"name": "tabular", "table": "nasbench301_mini"})
    assert estimator.objectives[0].label == "predicted accuracy"
    assert estimator.about["accuracy"].startswith("predicted, ")
    assert build("estimator", {"name": "tabular"}).objectives[0].label == "measured accuracy"


def test_they_are_listed_and_described(command):
    status, listed, _ = command("list", "tables")
    assert status == 0
    *lines, total = listed.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    tables = [open_installed(name) for name in NAMES]
    tasks = sum(len(table.datasets) for table in tables)
    spaces = len({table.space for table in tables})
    assert total == f"{len(NAMES)} tables of {spaces} spaces, with {tasks} data sets and devices"
    assert "5,125 of space mnasnet, measured and computed: imagenet, a100" in listed
    status, described, _ = command("table", "info", "nasbench301_mini")
    assert status == 0
    for text in ("a sample of 1218 architectures", "license: Apache-2.0", "notice: Copyright 2019", "predicted, valid"):
        assert text in described


def test_a_name_is_found_wherever_a_path_is(tmp_path):
    table = find_table("transnas_micro")
    assert table.path is None  # a run on it is resumed on a machine with another installation
    for path in ("transnas_micro", tmp_path / "transnas_micro"):
        assert find_table("nasbench201", path).fingerprint == table.fingerprint
    options = {"name": "tabular", "path": "transnas_micro", "dataset": "jigsaw"}
    assert build("estimator", options).table.name == "transnas_micro"


def test_data_sets_add_up_their_metrics():
    options = {"name": "tabular", "table": "accel_nasbench", "dataset": ["imagenet", "a100"]}
    metrics = [objective.metric for objective in build("estimator", options).objectives]
    assert metrics[0] == "accuracy"
    assert "images_per_second" in metrics
    for datasets, sentence in (
        (["zcu102", "a100"], "dataset: zcu102 and a100 both have images_per_second; a metric must be of one data set"),
        ([], r"dataset=\[\]: it must name a data set, or several"),
    ):
        with pytest.raises(OptionError, match=sentence):
            build("estimator", {**options, "dataset": datasets})


def test_a_users_own_file_comes_first(tmp_path):
    shutil.copy(FILES / f"{SMALL}.npz", tmp_path / "transnas_micro.npz")
    assert find_table("transnas_micro").name == SMALL


def test_a_changed_byte_is_refused(copied, command):
    path = copied("forged", "forged") / "forged.npz"
    assert open_installed("forged").space == SMALL
    for place in (0, 10, path.stat().st_size // 2, -1):  # of the archive's own fields too
        content = bytearray((FILES / f"{SMALL}.npz").read_bytes())
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"forged.npz is damaged: .* in SHA256SUMS; install forged again"):
            open_installed("forged")
    assert "UNUSABLE" in next(line for line in command("list", "tables")[1].splitlines() if "forged" in line)


def test_a_table_without_its_checksum_is_refused(copied):
    sums = copied("forged", "forged") / "SHA256SUMS"
    sums.write_text("")
    with pytest.raises(DataError, match="is damaged"):
        open_installed("forged")
    sums.unlink()
    with pytest.raises(DataError, match="forged has tables without their SHA256SUMS"):
        open_installed("forged")


def test_two_tables_with_one_name_are_refused(copied, command):
    copied("rival")
    with pytest.raises(DataError, match=f"nasforge-tables and rival both have a table '{SMALL}'"):
        find_table(SMALL)
    assert "nasforge-tables 0.1.0 and rival 1.0" in command("list", "tables")[1]
    assert len(installed_tables()[SMALL]) == 2


def test_a_task_that_a_table_lacks_is_a_sentence_with_those_it_has(mistake):
    words = ["space=transnas_micro", "estimator=tabular", "estimator.tabular.table=transnas_micro"]
    said = mistake("strategy=random_search", *words, "estimator.tabular.dataset=jigsow")
    assert "no data set in table 'transnas_micro' named 'jigsow'. Did you mean 'jigsaw'?" in said
    assert "autoencoder, class_object, class_scene, jigsaw, normal, room_layout, segmentsemantic" in said


@pytest.mark.parametrize(
    ("name", "source"), [("transnas_micro", "transnas101_micro"), ("transnas_macro", "transnas101_macro")]
)
def test_scores_are_the_sources(shared_data, name, source):
    table = find_table(name)
    with np.load(shared_data(f"atlas/{source}.npz")) as arrays:
        for column in table.columns:
            scale = 100 if column.metric == "accuracy" else 1
            assert (table.values(column) * scale).astype(np.float32).tolist() == arrays[
                f"val_{column.dataset}"
            ].tolist()


def test_nasbench201_is_that_of_the_arrays(shared_data):
    installed, imported = find_table("nasbench201"), find_table("nasbench201", shared_data("nasbench201.npz"))
    for column in installed.columns:
        if column.metric != "test_accuracy":
            (same,) = [known for known in imported.columns if known.key == column.key]
            assert installed.values(column).tolist() == imported.values(same).tolist()
    latencies, imported = find_table("hwnasbench201"), find_table("hwnasbench201", shared_data("hwnasbench201.npz"))
    for column, same in zip(latencies.columns, imported.columns, strict=True):
        assert (column.dataset, latencies.values(column).tolist()) == (same.dataset, imported.values(same).tolist())
