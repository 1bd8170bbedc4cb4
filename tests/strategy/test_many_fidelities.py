"""Strategies that train many candidates briefly and few for long, on a table of learning curves."""

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import nasforge
from nasforge import Column, Estimate, Estimator, Objective, OptionError, RunError, Strategy, Table, rng_of
from nasforge.config.configuration import compose
from nasforge.data import NoData
from nasforge.execution.executor import Executor, LocalExecutor
from nasforge.experiment.parts import Parts
from nasforge.journal.journal import Journal
from nasforge.run.goals import Goals
from nasforge.run.resources import Machinery
from nasforge.run.run import Run
from nasforge_plugins.estimator.training import Training
from nasforge_plugins.shared.rungs import rungs
from nasforge_plugins.strategy.asha import ASHA
from nasforge_plugins.strategy.hyperband import brackets

EPOCHS = (1, 3, 9, 27)
ROWS = 5**6


@pytest.fixture(scope="session")
def curves(tmp_path_factory):
    """The path of a table: accuracies rise with the epochs and cross; an epoch takes ten seconds."""
    rng = np.random.default_rng(0)
    quality, columns = rng.uniform(size=ROWS), {}
    for epochs in EPOCHS:
        suffix = "" if epochs == 27 else f"_{epochs}ep"
        noisy = quality * (1 - np.exp(-epochs / 5)) + rng.normal(0, 0.02, ROWS)
        columns[Column("toy", f"accuracy{suffix}", "max", epochs=epochs)] = np.clip(0.1 + 0.8 * noisy, 0, 1)
        columns[Column("toy", f"train_seconds{suffix}", "min", epochs=epochs)] = np.full(ROWS, 10.0 * epochs)
    columns[Column("toy", "test_accuracy", "max", report_only=True, epochs=27)] = np.clip(0.1 + 0.8 * quality, 0, 1)
    columns[Column("toy", "test_accuracy_1ep", "max", report_only=True, epochs=1)] = np.zeros(ROWS)
    columns[Column("once", "accuracy", "max", epochs=12)] = quality
    path = tmp_path_factory.mktemp("table") / "curves.npz"
    Table.of("nasbench201", (5,) * 6, columns, source="drawn at random").write(path)
    return path


@pytest.fixture
def words(curves):
    """What chooses the table."""
    table = ["estimator=tabular", f"estimator.tabular.path={curves}", "estimator.tabular.dataset=toy"]
    return ["space=nasbench201", *table, "estimator.tabular.epochs=27"]


@pytest.fixture
def search(words, tmp_path):
    """Search in a named folder; the run, and its evaluations for people."""

    def searched(name, *more, strategy=None, estimators=None, executor=None):
        parts = Parts(compose([*words, "seed=1", *more]).config)
        ledger = []
        with closing(Journal(tmp_path / name)) as journal:
            run = Run(
                tmp_path / name,
                journal,
                space=parts.space,
                data=NoData(),
                estimators=estimators or parts.estimators,
                goals=Goals.of(estimators, None, []) if estimators else parts.goals,
                seed=parts.seed,
                budget=parts.budget,
                machinery=Machinery(trainer={"accelerator": "cpu"}, threads=1, executor=executor),
                ledger=ledger,
            )
            found = (strategy or parts.strategy).search(run)
            run.close()
        return found, ledger

    return searched


# The numbers of the papers


def test_the_rungs_divide_the_epochs_as_far_as_there_are_any():
    assert rungs(range(1, 82), 3, 1) == [1, 3, 9, 27, 81]
    assert rungs(range(1, 82), 3, 5) == [9, 27, 81]
    assert rungs(range(1, 51), 4, 1) == [3, 12, 50]
    assert rungs([12, 200], 3, 1) == [12, 200]
    with pytest.raises(OptionError, match="can be compared after 100 and 200 epochs"):
        rungs([100, 200], 3, 1)


def test_the_brackets_are_those_of_table_1_of_the_paper():
    table, bracket = [], []
    for stage in brackets([1, 3, 9, 27, 81], 3):
        if stage.fresh:
            table.append(bracket := [])
        bracket.append((stage.candidates, stage.epochs))
    assert table == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(27, 3), (9, 9), (3, 27), (1, 81)],
        [(9, 9), (3, 27), (1, 81)],
        [(6, 27), (2, 81)],
        [(5, 81)],
    ]


# Hyperband


def test_hyperband_trains_the_best_of_a_rung_further(search):
    found, ledger = search("run", "strategy=hyperband", "budget.evaluations=40")
    first, second, third, fourth = np.split(np.array(ledger), [27, 36, 39])
    assert [{each.epochs for each in stage} for stage in (first, second, third, fourth)] == [{1}, {3}, {9}, {27}]
    for before, after in ((first, second), (second, third), (third, fourth)):
        ranked = sorted(before, key=lambda evaluation: -evaluation.metrics["accuracy"])
        assert [each.architecture for each in after] == [each.architecture for each in ranked[: len(after)]]
    assert found.architecture == ledger[39].architecture
    assert found.metrics["accuracy"] == ledger[39].metrics["accuracy"]


def test_only_whole_trainings_compete_and_people_are_told(command, words):
    status, printed, complaint = command(
        "strategy=hyperband", *words, "budget.evaluations=60", "hydra.run.dir=run", "seed=1"
    )
    assert status == 0, complaint
    result, rows = (json.loads(Path(f"run/{name}.json").read_text()) for name in ("result", "evaluations"))
    whole = [row["metrics"] for row in rows if row["epochs"] == 27]
    assert result["metrics"]["accuracy"] == max(metrics["accuracy"] for metrics in whole)
    assert {metrics["test_accuracy"] > 0 for metrics in whole} == {True}, "of the whole training, never of one epoch"
    note = f"{60 - len(whole)} of 60 estimates are after fewer epochs than 27"
    assert note in " ".join(printed.split())
    paid = {}
    for row in rows:
        paid[row["notation"]] = max(row["epochs"], paid.get(row["notation"], 0))
    assert result["evaluations"]["simulated_seconds"] == 10 * sum(paid.values())


@pytest.mark.parametrize("strategy", ["hyperband", "asha", "priorband"])
def test_a_simulation_is_the_journaled_search_and_its_clock_counts_what_is_new(strategy, words, search):
    simulation = nasforge.simulate(strategy, words[2].partition("=")[2], "toy", [1], overrides=[words[-1], BUDGET])
    found, ledger = search("run", f"strategy={strategy}", BUDGET)
    (asked,) = simulation.asked
    assert [simulation.architectures[number] for number in asked] == [each.architecture for each in ledger]
    assert simulation.epochs[asked].tolist() == [each.epochs for each in ledger]
    assert simulation.metrics["accuracy"][asked].tolist() == [each.metrics["accuracy"] for each in ledger]
    assert simulation.architectures[simulation.found[0]] == found.architecture
    assert simulation.best[0, -1] == found.metrics["accuracy"]
    paid = {}
    for each, seconds in zip(ledger, simulation.seconds[0], strict=True):
        paid[each.architecture] = max(each.epochs, paid.get(each.architecture, 0))
        assert seconds == 10 * sum(paid.values())


def test_candidates_are_trained_further_from_their_checkpoints(command, few_images, monkeypatch):
    space = ["space=nasbench201", "space.channels=4", "data=arrays", f"data.path={few_images}"]
    small = [f"estimator.training.{word}" for word in ("epochs=3", "channels=4", "cells=1")]
    words = ["strategy=hyperband", *space, *small, "budget.evaluations=6", "retrain.seeds=0"]
    begun, state = [], Training.state

    def counted(self, folder, context):
        begun.append((context.epochs, context.checkpoint is not None))
        return state(self, folder, context)

    monkeypatch.setattr(Training, "state", counted)
    assert command(*words, "hydra.run.dir=run")[0] == 0
    assert sorted(begun) == [(1, False)] * 3 + [(3, False)] * 2 + [(3, True)]
    assert len(list(Path("run/candidates").iterdir())) == 2, "who is trained further leaves no checkpoint"


BUDGET = "budget.evaluations=150"


@pytest.mark.parametrize("strategy", ["hyperband", "asha", "priorband"])
def test_a_search_goes_on_as_if_it_had_had_its_budget_from_the_start(strategy, search):
    search("run", f"strategy={strategy}", "budget.evaluations=30")
    assert search("run", f"strategy={strategy}", BUDGET) == search("whole", f"strategy={strategy}", BUDGET)


# ASHA


def test_asha_trains_further_what_is_among_the_best_third_of_its_rung(search):
    """Algorithm 2, followed from the evaluations alone."""
    _, ledger = search("run", "strategy=asha", "budget.evaluations=80")
    costs, promoted = {epochs: {} for epochs in EPOCHS}, set()
    for evaluation in ledger:
        due = None
        for epochs, more in ((9, 27), (3, 9), (1, 3)):
            ranked = sorted(costs[epochs], key=costs[epochs].get)
            due = due or next(
                ((each, more) for each in ranked[: len(ranked) // 3] if (each, more) not in promoted), None
            )
        assert due == ((evaluation.architecture, evaluation.epochs) if evaluation.epochs > 1 else None)
        promoted.add(due)
        costs[evaluation.epochs].setdefault(evaluation.architecture, -evaluation.metrics["accuracy"])
    assert {evaluation.epochs for evaluation in ledger} == set(EPOCHS)


def test_simulated_workers_finish_in_the_order_of_their_training_times(words):
    table = words[2].partition("=")[2]
    one, four = (
        nasforge.simulate("asha", table, "toy", [1], overrides=[words[-1], BUDGET, f"executor.workers={workers}"])
        for workers in (1, 4)
    )
    assert (np.diff(four.seconds[0]) >= 0).all()
    assert four.seconds[0, :4].tolist() == [10.0] * 4, "four candidates were trained for one epoch, at once"
    assert 0.25 <= four.seconds[0, -1] / one.seconds[0, -1] < 0.4
    assert four.epochs[four.asked[0]].tolist() != one.epochs[one.asked[0]].tolist(), "others were known when asked"


class Trained(Estimator):
    """Accuracies that take a while, so that they arrive in an order of their own."""

    name = "trained"
    objectives = (Objective("accuracy", "max"),)
    needs_data = draws = False

    def fidelities(self):
        return EPOCHS

    def estimate(self, architecture, context):
        drawn = rng_of(str(architecture), context.epochs)
        time.sleep(drawn.uniform(0, 0.004))
        return Estimate({"accuracy": drawn.uniform() * (1 - 1 / (1 + context.epochs))})


class Threads(Executor):
    """Four candidates at a time; how many were sent."""

    threads = 1

    def __init__(self):
        self._pool, self.sent = ThreadPoolExecutor(4), 0

    def run(self, estimator, work, began=None):
        return LocalExecutor(1).run(estimator, work)

    def start(self):
        return 4

    def submit(self, estimator, work, began=None):
        self.sent += 1
        return self._pool.submit(lambda: [answer for _, answer in LocalExecutor(1).run(estimator, work)])


def test_a_killed_asynchronous_search_repeats_its_arrivals_in_their_order_and_goes_on(search, tmp_path):
    def searched(name, workers):
        return search(name, "strategy=asha", "budget.evaluations=40", estimators=[Trained()], executor=workers)

    whole = searched("run", Threads())
    lines = (tmp_path / "run" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    orders = {tuple(str(each.architecture) for each in whole[1])}
    for killed_after in (1, 50):
        folder = tmp_path / f"killed after {killed_after}"
        folder.mkdir()
        (folder / "journal.jsonl").write_bytes(b"".join(lines[:killed_after]))
        arrived = sum(b'"arrival"' in line for line in lines[:killed_after])
        found, ledger = searched(folder.name, Threads())
        assert ledger[:arrived] == whole[1][:arrived], "journaled arrivals come in their order"
        assert len(ledger) == 40
        replaying = Threads()
        assert searched(folder.name, replaying) == (found, ledger), "a finished search replays to the same result"
        assert replaying.sent == 0
        assert searched(folder.name, LocalExecutor(1)) == (found, ledger), "whatever the number of workers"
        orders.add(tuple(str(each.architecture) for each in ledger))
    assert len(orders) > 1, "without the journal, the order is another each time"


def test_a_strategy_that_requests_other_candidates_than_the_journal_has_is_told(search):
    class Fewer(ASHA):
        def jobs(self, run, ladder):
            return itertools.islice(super().jobs(run, ladder), 3)

    search("run", "strategy=asha", "budget.evaluations=9")
    with pytest.raises(RunError, match="the journal has an evaluation of request 4, which the strategy does not make"):
        search("run", "strategy=asha", "budget.evaluations=9", strategy=Fewer())


# Mistakes


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["estimator.tabular.epochs=50"], "has metrics of toy after 1, 3, 9 and 27 epochs"),
        (["estimator.tabular.epochs=null"], "after 1, 3, 9 and 27 epochs: set estimator.tabular.epochs to the most"),
        (["estimator.tabular.epochs=1"], "after 1, 3, 9 and 27 epochs: set estimator.tabular.epochs to the most"),
        (
            ["estimator.tabular.dataset=once", "estimator.tabular.epochs=null"],
            "has metrics of once after 12 epochs only, and this strategy needs several numbers",
        ),
        (
            ["estimator=zero_cost"],
            "strategy 'hyperband' estimates candidates after different numbers of epochs, and estimator 'zero_cost' "
            "does not train them. Estimators that fit: ",
        ),
        (
            ["strategy.min_epochs=100"],
            "strategy.eta=3 and strategy.min_epochs=100 leave no candidate to stop before 27 epochs",
        ),
    ],
)
def test_a_combination_without_fidelities_is_refused_with_those_there_are(mistake, words, more, sentence):
    estimator = [word for word in words if "tabular" not in word] if more == ["estimator=zero_cost"] else words
    assert sentence in mistake("strategy=hyperband", *estimator, *more)


class Curious(Strategy):
    """Asks for an estimate after two epochs."""

    name = "curious"
    needs_estimates = True

    def search(self, run):
        return run.estimate([run.space.sample(run.rng)], epochs=2)


def test_a_number_of_epochs_that_nothing_was_measured_after_is_refused(search):
    with pytest.raises(OptionError, match="estimated after 1, 3, 9 and 27 epochs, not after 2"):
        search("run", "strategy=random_search", strategy=Curious())
