"""Candidates looked up in a table: the right row, nothing else, and each mistake said before a run begins."""

import pickle
import warnings

import numpy as np
import pytest

from nasforge import Architecture, Column, Context, DataError, Objective, Table, UnknownNameError, VectorEncoded
from nasforge.config.configuration import compose
from nasforge.data import NoData
from nasforge.execution.executor import LocalExecutor
from nasforge.registry.entry_points import build
from nasforge.testing import EstimatorContract
from nasforge_plugins.estimator.tabular import Tabular

OPTIMUM = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"
ACCURACY = Column("digits", "accuracy", "max")
TESTED = Column("digits", "test_accuracy", "max", report_only=True)
SIZE = Column("digits", "params_m", "min")
ELSEWHERE = Column("letters", "test_accuracy", "max", report_only=True)


class Stairs(VectorEncoded):
    """Two decisions; only what a look-up needs."""

    name = "stairs"
    cardinalities = (3, 2)

    def encode(self, architecture):
        return np.array(architecture["steps"])

    def decode(self, vector):
        return Architecture.of("stairs", {"steps": [int(step) for step in vector]}, f"stairs {list(vector)}")

    def draw(self, architecture):
        return ()

    def validate(self, architecture):
        return architecture

    build = None


@pytest.fixture
def written(tmp_path):
    """Write a table of the stairs; the option that names it."""

    def write(**changes):
        rng = np.random.default_rng(0)
        values = {column: rng.random(6) for column in (ACCURACY, TESTED, SIZE, ELSEWHERE)}
        for column in list(values):
            values[column][changes.get(f"absent_{column.metric}", [])] = np.nan
        Table.of("stairs", (3, 2), values, source="").write(tmp_path / "stairs.safetensors")
        return str(tmp_path / "stairs.safetensors")

    return write


def context(space):
    return Context(space, NoData(), "cpu", 1, seed=0)


def answers(estimator, some):
    return dict(LocalExecutor(1).run(estimator, [(architecture, context(Stairs())) for architecture in some]))


ALL = [Stairs().decode(vector) for vector in np.ndindex(3, 2)]


# Answers


def test_every_architecture_gets_its_own_row(written):
    estimator = Tabular(path=written(), dataset="digits")
    table = estimator.table
    for row, one in enumerate(ALL):
        metrics = estimator.estimate(one, context(Stairs())).metrics
        assert metrics == {column.metric: table.values(column)[row] for column in (ACCURACY, TESTED, SIZE)}
    together = [estimate.metrics for estimate in estimator.estimate_many(ALL, context(Stairs()))]
    assert together == [estimator.estimate(architecture, context(Stairs())).metrics for architecture in ALL]


def test_it_says_what_it_gives(written):
    estimator = Tabular(path=written(), dataset="digits")
    assert estimator.objectives == (
        Objective("accuracy", "max"),
        Objective("test_accuracy", "max", report_only=True),
        Objective("params_m", "min"),
    )
    assert not estimator.needs_data
    assert estimator.dataset == "digits"
    assert estimator.fingerprint == estimator.table.fingerprint
    columns = {column.metric: estimator.table.values(column) for column in (ACCURACY, TESTED, SIZE)}
    assert estimator.optima == {
        "accuracy": columns["accuracy"].max(),
        "test_accuracy": columns["test_accuracy"].max(),
        "params_m": columns["params_m"].min(),
    }
    assert estimator.about == {
        objective.metric: objective.about for objective in (ACCURACY, TESTED, SIZE) if objective.about
    }


def test_another_tables_answers_have_other_keys(written):
    first = Tabular(path=written(), dataset="digits").fingerprint
    with pytest.warns(UserWarning, match="has no numbers for 1"):
        assert Tabular(path=written(absent_accuracy=[0]), dataset="digits").fingerprint != first


def test_it_travels_to_another_process(written):
    estimator = Tabular(path=written(), dataset="digits")
    there = pickle.loads(pickle.dumps(estimator))
    assert there.estimate(ALL[3], context(Stairs())) == estimator.estimate(ALL[3], context(Stairs()))


def test_what_was_not_measured_fails_with_its_reason_and_spoils_no_other(written):
    path = written(absent_accuracy=[2], absent_params_m=[2, 4])
    with pytest.warns(UserWarning, match="has no numbers for 2 of 6 architectures: their estimates fail"):
        estimator = Tabular(path=path, dataset="digits")
    found = answers(estimator, ALL)
    assert [found[row].status for row in range(6)] == ["ok", "ok", "failed", "ok", "failed", "ok"]
    assert found[2].reason == f"{path} has no accuracy, params_m for stairs [1, 0]"
    assert found[4].reason == f"{path} has no params_m for stairs [2, 0]"


def test_a_whole_table_warns_of_nothing(written):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Tabular(path=written(), dataset="digits")


# Mistakes


def test_a_table_of_another_space_is_refused_before_a_run(written):
    estimator = Tabular(path=written(), dataset="digits")
    estimator.check(Stairs())
    ladder = type("Ladder", (Stairs,), {"name": "ladder"})()
    for space, name in ((ladder, "ladder"), (build("space", {"name": "darts"}), "darts")):
        sentence = f"is of space 'stairs' with 6 architectures, but the run's space is '{name}'"
        with pytest.raises(DataError, match=sentence):
            estimator.check(space)
        with pytest.raises(DataError, match=f"the run's space is '{name}'"):
            estimator.estimate(ALL[0], context(space))


def test_a_space_of_other_decisions_is_refused(written):
    taller = type("Taller", (Stairs,), {"cardinalities": (2, 3)})()
    with pytest.raises(DataError, match="is of space 'stairs' with 6"):
        Tabular(path=written(), dataset="digits").check(taller)


def test_an_unknown_data_set_is_named(written):
    with pytest.raises(UnknownNameError, match=r"named 'digit'. Did you mean 'digits'\? Available: digits, letters"):
        Tabular(path=written(), dataset="digit")


def test_test_columns_alone_are_nothing_to_follow(written):
    with pytest.raises(DataError, match="has no metric of letters that a search may follow: only test_accuracy"):
        Tabular(path=written(), dataset="letters")


def test_a_column_without_a_number_is_named(written):
    with pytest.raises(DataError, match="the column 'digits/params_m' holds no numbers"):
        Tabular(path=written(absent_params_m=range(6)), dataset="digits")


def test_no_table_at_all_is_said(no_installed_tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable in ("NASFORGE_DATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(DataError, match=r"there is no table 'nasbench201'.*nasforge table import SOURCE"):
        Tabular()


# Configuration


def test_a_search_on_a_table_has_500_evaluations_and_retrains_nothing_unless_told():
    config = compose(["estimator=tabular"]).config
    assert config["budget"]["evaluations"] == 500
    assert (config["retrain"]["seeds"], config["retrain"]["random"]) == (0, 0)
    config = compose(["estimator=[tabular,latency]", "budget.evaluations=7", "retrain.seeds=2"]).config
    assert config["budget"]["evaluations"] == 7
    assert config["retrain"]["seeds"] == 2
    assert sorted(config["estimator"]) == ["latency", "tabular"]
    assert compose([]).config["budget"]["evaluations"] is None


# The shared table


@pytest.fixture
def shared(shared_data, monkeypatch):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))


@pytest.mark.usefixtures("shared")
class TestTabular(EstimatorContract):
    @pytest.fixture
    def estimator(self):
        return build("estimator", {"name": "tabular", "dataset": "cifar100"})

    @pytest.fixture
    def space(self):
        return build("space", {"name": "nasbench201"})


@pytest.mark.usefixtures("shared")
def test_the_optimum_of_nas_bench_201():
    space = build("space", {"name": "nasbench201"})
    one = space.read(OPTIMUM)
    metrics = build("estimator", {"name": "tabular"}).estimate(one, context(space)).metrics
    assert metrics["test_accuracy"] == pytest.approx(0.943733, abs=5e-7)
    assert metrics["params_m"] == 1.073466  # counted from the published skeleton
