"""Many seeds on a table: each search does what a journaled run does, and mistakes are one sentence."""

import json
import random

import numpy as np
import pytest

import nasforge
from nasforge import NasforgeError
from nasforge.config.configuration import compose
from nasforge.standalone.many_seeds import simulate

pytestmark = pytest.mark.filterwarnings("ignore:.* has no numbers for 781 of 15625 architectures")

STRATEGIES = [
    ["strategy=random_search"],
    ["strategy=random_search", "strategy.select=rank_sum", "strategy.batch=7"],
    ["strategy=regularized_evolution", "strategy.population=12", "strategy.sample=4"],
    ["strategy=regularized_evolution", "strategy.population=12", "strategy.batch=5"],
    ["strategy=local_search"],
    ["strategy=bananas", "strategy.population=12", "strategy.epochs=5"],
    ["strategy=bayesian", "strategy.population=12", "strategy.batch=11"],
    ["strategy=nsga2", "strategy.population=8"],
    ["strategy=nevergrad", "strategy.batch=2"],
]
GOALS = {
    "one objective": ["objectives=[accuracy]"],
    "two and a constraint": ["objectives=[params_m,accuracy]", "constraints=['params_m<=0.9']"],
}


def simulated(table, *more, seeds=range(2), strategy="random_search"):
    return nasforge.simulate(strategy, table, "one", seeds, overrides=["budget.evaluations=45", *more])


@pytest.mark.parametrize("goals", GOALS.values(), ids=GOALS)
@pytest.mark.parametrize("strategy", STRATEGIES, ids=" ".join)
def test_each_search_is_that_of_a_journaled_run(table, in_a_run, strategy, goals):
    chosen = ["estimator=tabular", f"estimator.tabular.path={table}", "estimator.tabular.dataset=one"]
    config = compose([*chosen, "space=nasbench201", "budget.evaluations=45", *strategy, *goals]).config
    simulation = simulate(config, [3, 1])
    for row, seed in enumerate((3, 1)):
        ledger, found = in_a_run(config, seed)
        asked = simulation.asked[row]
        assert [simulation.architectures[number] for number in asked] == [each.architecture for each in ledger]
        assert simulation.feasible[asked].tolist() == [each.ok for each in ledger]
        for metric, values in simulation.metrics.items():
            np.testing.assert_array_equal(values[asked], [each.metrics.get(metric, np.nan) for each in ledger])
        assert simulation.architectures[simulation.found[row]] == found.architecture
    assert not simulation.feasible.all(), "the data set lacks some cells"


def test_the_best_so_far_is_that_of_the_main_objective_and_time_goes_on(table):
    simulation = simulated(table, "objectives=[accuracy]", "constraints=['params_m<=0.5']", seeds=range(3))
    accuracies, seconds = simulation.metrics["accuracy"], simulation.metrics["train_seconds"]
    for row, asked in enumerate(simulation.asked):
        best, clock = -1, 0.0
        for index, number in enumerate(asked):
            clock += np.nan_to_num(seconds[number])
            if simulation.feasible[number] and (best < 0 or accuracies[number] > accuracies[best]):
                best = number
            assert simulation.incumbents[row, index] == best
            assert simulation.seconds[row, index] == pytest.approx(clock)
            if best >= 0:
                assert simulation.best[row, index] == accuracies[best]
                tested = simulation.of_incumbents("test_accuracy")[row, index]
                assert tested == simulation.metrics["test_accuracy"][best]
    assert np.isnan(simulation.best[:, 0]).any(), "a first candidate breaks the constraint"
    assert [objective.metric for objective in simulation.objectives] == ["accuracy", "test_accuracy"]


def test_the_callers_generators_are_left_alone(table):
    np.random.seed(5)
    random.seed(5)
    expected = np.random.RandomState(5).random_sample(), random.Random(5).random()
    simulated(table)
    assert (np.random.random_sample(), random.random()) == expected


def test_the_command_writes_the_same_bytes_twice(table, command):
    chosen = ["strategy=random_search", f"table={table}", "task=two", "objectives=[accuracy]"]
    run = ["simulate", *chosen, "seeds=range(2,5)", "budget.evaluations=20"]
    status, printed, complaint = command(*run, "out=first.npz")
    assert status == 0, complaint
    assert "random_search on nasbench201, two: 3 seeds, accuracy of the best so far" in printed
    for name in ("second.npz", "first.csv", "second.csv"):
        command(*run, f"out={name}")
    with open("first.npz", "rb") as one, open("second.npz", "rb") as two:
        assert one.read() == two.read()
    with open("first.csv") as one, open("second.csv") as two:
        rows = one.read()
        assert rows == two.read()
    with np.load("first.npz", allow_pickle=False) as arrays:
        assert json.loads(str(arrays["about"]))["data"] == "two"
        assert arrays["seeds"].tolist() == [2, 3, 4]
        shapes = {arrays[name].shape for name in ("asked", "incumbent", "best_accuracy", "best_test_accuracy")}
        assert shapes == {(3, 20)} == {arrays["simulated_seconds"].shape}
        header, *lines = rows.splitlines()
        assert header == "seed,evaluation,asked,incumbent,best_accuracy,best_test_accuracy,simulated_seconds"
        assert len(lines) == 60
        assert float(lines[-1].split(",")[4]) == arrays["best_accuracy"][2, 19]


CONSTANT = """
from nasforge import AskTellStrategy

class First(AskTellStrategy):
    def ask(self):
        return [self.space.presets["resnet"]]

    def tell(self, evaluations):
        pass
"""
DEMANDING = """
from nasforge import AskTellStrategy

class First(AskTellStrategy):
    def ask(self):
        return [self.space.sample(self.rng)]

    def tell(self, evaluations):
        pass

    def search(self, run):
        run.keep("found.txt", "a cell")
        return super().search(run)
"""


@pytest.fixture
def first(guest):
    def install(source):
        entries = {"nasforge.strategy": ["first = first:First"], "nasforge.conf": ["first = first_conf"]}
        conf = {"first_conf/__init__.py": "", "first_conf/strategy/first.yaml": "name: first\n"}
        guest("nasforge-first", entries, {"first.py": source, **conf})

    return install


def test_a_strategy_that_draws_nothing_is_run_once(table, first):
    first(CONSTANT)
    simulation = simulated(table, strategy="first", seeds=range(100))
    assert simulation.seeds.tolist() == [0]
    assert simulation.notes == ("strategy 'first' draws nothing, so seed 0 stands for all",)


def test_a_strategy_that_writes_is_told_what_a_simulation_lacks(table, first):
    first(DEMANDING)
    with pytest.raises(NasforgeError, match=r"uses run\.keep, which a simulation lacks"):
        simulated(table, strategy="first")


def test_seeds_without_a_feasible_candidate_are_counted(table):
    simulation = simulated(table, "constraints=['params_m<=0.1']")
    assert simulation.found.tolist() == [-1, -1]
    assert np.isnan(simulation.best).all()
    assert simulation.notes == ("2 of 2 seeds found no candidate that satisfies the constraints",)
    assert str(simulation).splitlines()[1:] == list(simulation.notes)


@pytest.fixture
def guests_lookup(guest):
    lines = [
        "from nasforge_plugins.estimator.tabular import Tabular",
        "class Mine(Tabular):",
        "    name = 'mine'",
    ]
    yaml = "# @package estimator.mine\nname: mine\ntable: nasbench201\npath: null\ndataset: cifar10\n"
    files = {"mine_lookup.py": "\n".join(lines), "mine_conf/__init__.py": "", "mine_conf/estimator/mine.yaml": yaml}
    guest(
        "mine-lookup", {"nasforge.estimator": ["mine = mine_lookup:Mine"], "nasforge.conf": ["mine = mine_conf"]}, files
    )


def test_a_guests_estimator_may_look_candidates_up(table, command, guests_lookup):
    chosen = ["simulate", "strategy=random_search", "seeds=2", "budget.evaluations=9", f"table={table}", "task=two"]
    chosen.append("objectives=[accuracy]")
    built_in, own = command(*chosen), command(*chosen, "estimator=mine")
    assert own[0] == 0, own[2]
    assert own[1] == built_in[1]
    status, printed, complaint = command(
        *("verdict", "random_search", "tables=nasbench201", "tasks=cifar10", "seeds=6", "evaluations=9"),
        *("against=random_search", "estimator=mine"),
    )
    assert status == 0, complaint
    assert "random_search is NOT clearly better" in printed


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["seeds=0"], "seeds=[] leaves nothing to simulate; seeds=1000 takes the seeds 0 to 999"),
        (["seeds=[4,2,4]"], "seeds holds 4 twice, which would count one search as two; list it once"),
        (["seeds=[1.5]"], "seeds holds 1.5: seeds are whole numbers, 0 or more"),
        (["seeds=many"], "seeds=many: write how many, as in seeds=1000, or which, as in seeds=[3,5]"),
        (["seed=3"], "seed=3: a simulation takes several seeds at once, as in seeds=1000"),
        (["task=three"], "no data set in TABLE named 'three'. Available: one, two."),
        (["table=nowhere"], "there is no table 'nowhere'"),
        (["table=nowhere.npz"], "there is no file nowhere.npz"),
        (["space=darts"], "TABLE is of space 'nasbench201' with 15625 architectures, but the run's space is 'darts'"),
        (
            ["strategy=egnas"],
            "strategy 'egnas' trains networks or reads images, and a simulation only looks",
        ),
        (
            ["estimator=[training]", "task=two"],
            "estimator=training looks nothing up, so it takes no table and task; choose",
        ),
        (["estimator=training"], "estimator 'training' reads images, and a simulation only looks candidates up"),
        (["budget.seconds=5"], "budget.seconds counts a run's time, which a simulation does not have; omit it"),
        (["budget.evaluations=null"], "a simulation needs a number of evaluations: set budget.evaluations=500"),
        (["out=found.txt"], "a simulation cannot be written to found.txt: the name must end with .npz or .csv"),
        (["RUN"], "simulate takes KEY=VALUE and --config-dir, not 'RUN'"),
    ],
)
def test_mistakes(table, mistake, more, sentence):
    own = {"strategy": "random_search", "table": str(table), "task": "two", "seeds": "2"}
    named = {word.partition("=")[0] for word in more}
    if "estimator=training" in more:
        named |= {"table", "task"}
    given = [f"{key}={value}" for key, value in own.items() if key not in named]
    assert sentence.replace("TABLE", str(table)) in mistake("simulate", *given, *more)
