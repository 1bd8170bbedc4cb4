"""A strategy in a user's own loop proposes what a run proposes, and goes on after its process was killed."""

import json
import signal
import subprocess
import sys
from itertools import islice

import pytest

import nasforge
from nasforge import AskTell, Candidate, NasforgeError
from nasforge.config.configuration import compose
from nasforge.journal.journal import digest

EVOLUTION = {"strategy.population": 6, "strategy.sample": 3}


def accuracy(architecture):
    return sum(map(ord, str(architecture))) % 997 / 997


def evolution(**options):
    return nasforge.ask_tell("regularized_evolution", "nasbench201", seed=4, **{**EVOLUTION, **options})


def loop(search):
    """Ask and tell without an end; each candidate."""
    while True:
        candidate = search.ask()
        search.tell(candidate, accuracy=accuracy(candidate.architecture))
        yield candidate


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("random_search", []),
        ("regularized_evolution", ["strategy.population=10"]),
        ("nsga2", ["strategy.population=8"]),
    ],
)
def test_it_asks_for_what_a_run_asks_for(table, in_a_run, name, more):
    chosen = ["space=nasbench201", "estimator=tabular", f"estimator.tabular.path={table}"]
    goals = ["objectives=[accuracy,params_m]", "constraints=['params_m<=1.2']", "budget.evaluations=30"]
    chosen.append("estimator.tabular.dataset=two")
    ledger, found = in_a_run(compose([*chosen, f"strategy={name}", *more, *goals]).config, 7)
    objectives = {"accuracy": "max", "params_m": "min"}
    bounds = {"constraints": ["params_m<=1.2"], "evaluations": 30}
    search = nasforge.ask_tell(name, "nasbench201", seed=7, objectives=objectives, **bounds, overrides=more)
    for evaluation in ledger:
        candidate = search.ask()
        assert candidate.architecture == evaluation.architecture
        search.tell(candidate, **evaluation.metrics)
    result = search.result()
    assert result.architecture == found.architecture
    assert [each.architecture for each in result.front] == [each.architecture for each in found.front]
    with pytest.raises(NasforgeError, match="evaluations=30 are used up"):
        search.ask()


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from test_ask_tell import evolution, loop

search = evolution()
for candidate in loop(search):
    search.save(sys.argv[1])
    if candidate.number == 10:
        search.ask()
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_kill_9_it_asks_for_the_same(tmp_path):
    path = tmp_path / "search.json"
    died = subprocess.run([sys.executable, "-c", KILLED, path, __file__.rpartition("/")[0]], check=False)
    assert died.returncode == -signal.SIGKILL
    unbroken, continued = list(islice(loop(evolution()), 25)), AskTell.load(path)
    assert list(islice(loop(continued), 14)) == unbroken[11:]


def test_a_saved_search_remembers_what_is_pending_failed_or_came_in_another_order(tmp_path):
    search = evolution()
    first, second, third, fourth = (search.ask() for _ in range(4))
    search.tell(third, accuracy=0.5, test_accuracy=0.9)
    search.tell(first, failed="out of memory")
    search.save(tmp_path / "search.json")
    loaded = AskTell.load(tmp_path / "search.json")
    assert loaded.pending == search.pending == {1: second, 3: fourth}
    assert loaded.evaluations == search.evaluations
    assert [each.status for each in loaded.evaluations] == ["ok", "failed"]
    for each in (search, loaded):
        each.tell(1, accuracy=0.4)
        each.tell(fourth, accuracy=0.6)
    assert list(islice(loop(loaded), 12)) == list(islice(loop(search), 12))
    assert loaded.result().metrics == search.result().metrics
    loaded.save(tmp_path / "again.json")
    search.save(tmp_path / "search.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "search.json").read_bytes()


def test_metrics_that_are_no_objective_do_not_steer(guest):
    source = """
from nasforge import AskTellStrategy

class Curious(AskTellStrategy):
    def begin(self):
        self.seen = []

    def ask(self):
        return [self.space.sample(self.rng)]

    def tell(self, evaluations):
        self.seen += [dict(evaluation.metrics) for evaluation in evaluations]
"""
    entries = {"nasforge.strategy": ["curious = curious:Curious"], "nasforge.conf": ["curious = curious_conf"]}
    conf = {"curious_conf/__init__.py": "", "curious_conf/strategy/curious.yaml": "name: curious\n"}
    guest("nasforge-curious", entries, {"curious.py": source, **conf})
    search = nasforge.ask_tell("curious", "nasbench201")
    search.tell(search.ask(), accuracy=0.5, test_accuracy=0.9)
    assert search._strategy.seen == [{"accuracy": 0.5}]
    assert search.evaluations[0].metrics == {"accuracy": 0.5, "test_accuracy": 0.9}


def test_wrong_tells_change_nothing():
    search = evolution()
    first = search.ask()
    other = Candidate(0, search.space.presets["resnet"])
    for candidate, metrics, sentence in (
        (7, {"accuracy": 0.5}, r"candidate 7 was never asked for; pending: 0"),
        (other, {"accuracy": 0.5}, r"candidate 0 was never asked for; pending: 0"),
        (first, {"acuracy": 0.5}, r"tell\(\) needs accuracy, or failed='the reason'"),
        (first, {"accuracy": float("nan")}, r"accuracy=nan is not a finite number; tell failed='the reason' instead"),
        (first, {"accuracy": "good"}, r"accuracy='good' is not a number"),
    ):
        with pytest.raises(NasforgeError, match=sentence):
            search.tell(candidate, **metrics)
    search.tell(first, accuracy=0.5)
    with pytest.raises(NasforgeError, match="candidate 0 was told already; pending: none"):
        search.tell(first, accuracy=0.5)
    for _ in range(5):
        search.ask()
    with pytest.raises(NasforgeError, match="needs the results of its pending candidates first: 1, 2, 3, 4, 5"):
        search.ask()
    assert [each.metrics for each in search.evaluations] == [{"accuracy": 0.5}]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"strategy": "egnas"}, "strategy 'egnas' trains or scores networks itself, so it cannot be asked and told"),
        ({"strategy": "local_search", "space": "tsenas"}, "strategy 'local_search' needs a space with VectorEncoded"),
        ({"seed": -1}, "seed=-1: it must be a whole number, 0 or more"),
        ({"evaluations": 0}, "evaluations=0: it must be a whole number, 1 or more"),
        ({"objectives": {}}, "objectives={} leaves nothing to follow"),
        ({"objectives": {"accuracy": "most"}}, "has direction 'most'; use 'max' or 'min'"),
        ({"budget": {"seconds": 5}}, "budget.seconds=5: ask_tell takes options of the strategy and the space"),
    ],
)
def test_wrong_settings(options, sentence):
    with pytest.raises(NasforgeError) as error:
        nasforge.ask_tell(**{"strategy": "random_search", "space": "nasbench201", **options})
    assert sentence in str(error.value)


@pytest.fixture
def saved(tmp_path):
    search = evolution()
    list(islice(loop(search), 8))
    search.save(tmp_path / "search.json")
    return tmp_path / "search.json"


def test_a_changed_byte_is_found(saved):
    saved.write_text(saved.read_text().replace("nor_conv_3x3", "nor_conv_1x1", 1))
    with pytest.raises(NasforgeError, match=r"search\.json was altered, or is no saved search: its checksum differs"):
        AskTell.load(saved)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"strategy": {"name": "elsewhere"}}, "no strategy named 'elsewhere'"),
        (
            {"strategy": {"name": "random_search"}},
            "candidate 6 was .*, but strategy 'random_search' proposes another now",
        ),
    ],
)
def test_the_state_of_another_strategy_is_refused(saved, change, sentence):
    content = json.loads(saved.read_text())
    del content["checksum"]
    content["setting"].update(change)
    saved.write_text(json.dumps({**content, "checksum": digest(content)}))
    with pytest.raises(NasforgeError, match=sentence):
        AskTell.load(saved)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(NasforgeError, match=r"search\.json is missing"):
        AskTell.load(tmp_path / "search.json")
