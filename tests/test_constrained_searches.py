"""One-shot searches under constraints: what they find, what they say, and what is refused before they begin."""

import json
import re

import pytest

from nasforge import build, load, network_size, search
from nasforge.experiment.experiment import resume
from nasforge.run.run import Run

SMALL = ["executor.threads=1", "control.samples=2", "retrain.seeds=0", "data=arrays", "data.batch_size=12"]
STRATEGIES = {
    "darts": ["strategy.epochs=2"],
    "pc_darts": ["strategy.epochs=2", "strategy.warmup_epochs=1"],
    "egnas": ["strategy.epochs=2", "strategy.warmup_epochs=1", "strategy.samples=1", "strategy.population=2"],
    "egnas_reference": ["strategy.epochs=2", "strategy.warmup_epochs=1", "strategy.samples=1", "strategy.population=2"],
    "medarts": [
        "strategy.stages=[{name: a, cells: 3, epochs: 1, population: 2}, {name: b, cells: 3, epochs: 1, population: 1}]"
    ],
}
BOUND = "constraints=['params_m<=0.1','macs_m<=2.4']"


@pytest.fixture
def words(few_images):
    def of(strategy, space="nasbench201", bound=BOUND):
        narrow = ["space.channels=4"] if space == "nasbench201" else []
        return [f"strategy={strategy}", f"space={space}", *STRATEGIES[strategy], *narrow, bound, *SMALL,
                f"data.path={few_images}"]  # fmt: skip

    return of


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_found_keeps_the_bounds_and_the_result_says_what_they_cost(strategy, words, tmp_path):
    outcome = search(run_dir=tmp_path / "run", quiet=True, overrides=words(strategy))
    size, derivation = outcome.result.size, outcome.result.derivation
    assert size["params_m"] <= 0.1
    assert size["macs_m"] <= 2.4
    assert derivation.bounded == size
    assert derivation.gap == 0
    space = build("space", {"name": "nasbench201"})
    free = space.read(derivation.most_probable)
    assert network_size(space.build(free, (1, 8, 8), 3), (1, 8, 8)) == derivation.unbounded
    if free != outcome.architecture:
        assert derivation.cost > 0
        assert any(derivation.unbounded[name] > limit for name, limit in (("params_m", 0.1), ("macs_m", 2.4)))
    report = (tmp_path / "run" / "report.html").read_text()
    assert "What the constraints cost" in report
    assert derivation.most_probable in report
    assert load(tmp_path / "run").result.derivation == derivation


def test_a_bound_that_the_search_keeps_anyway_changes_nothing(words, tmp_path):
    free = search(run_dir=tmp_path / "free", quiet=True, overrides=words("darts", bound="constraints=[]"))
    loose = search(
        run_dir=tmp_path / "loose", quiet=True, overrides=words("darts", bound="constraints=['macs_m<=999']")
    )
    assert free.result.derivation is None
    assert "derivation" not in json.loads((tmp_path / "free" / "result.json").read_text())
    assert loose.architecture == free.architecture
    assert loose.result.derivation.cost == 0
    assert "What the constraints cost" not in (tmp_path / "free" / "report.html").read_text()


def test_a_constrained_search_that_breaks_off_ends_as_one_that_does_not(words, tmp_path, monkeypatch):
    whole = search(run_dir=tmp_path / "whole", quiet=True, overrides=words("medarts")).folder
    kept, derived = Run.derive, []

    def breaking(run, mix):
        derived.append(mix)
        if len(derived) > 2:
            raise KeyboardInterrupt
        return kept(run, mix)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "derive", breaking)
        with pytest.raises(KeyboardInterrupt):
            search(run_dir=tmp_path / "broken", quiet=True, overrides=words("medarts"))
    resume(tmp_path / "broken")
    ends = [json.loads((folder / "result.json").read_text()) for folder in (tmp_path / "broken", whole)]
    assert {**ends[0], "next": ""} == {**ends[1], "next": ""}


@pytest.mark.parametrize(
    ("strategy", "extra", "sentence"),
    [
        ("darts", ["constraints=['params_m<=0.01']"], r"excludes every architecture of space 'nasbench201': the least "
         r"possible params_m is 0\.07"),
        ("egnas", ["constraints=['params_m<=0.1','macs_m>=999']"], r"exclude every .* the least possible params_m is "
         r"0\.07\d+ and the largest possible macs_m is \d+\.\d+, each by itself"),
        ("medarts", ["constraints=['accuracy>=0.9']"], "so it can bound params_m, macs_m and"),
        ("pc_darts", ["constraints=['latency_ms<=3']"], r"estimator=\[supernet,latency\]; latency_ms is"),
        ("darts", ["constraints=['params_m<0.1']"], "is invalid; write it like"),
        ("darts", ["objectives=[accuracy]", "constraints=['params_m<=0.1']"], "own objective; omit objectives="),
        ("random_search", ["estimator=[zero_cost,footprint]", "estimator.zero_cost.proxies=[synflow]",
         "constraints=['params_m<=0.01']", "budget.evaluations=2"], r"the least possible params_m is 0\.07"),
        ("random_search", ["estimator=zero_cost", "estimator.zero_cost.proxies=[synflow]",
         "constraints=['params_m<=0.1']", "budget.evaluations=2"], "named 'params_m'.*a metric of estimator=footprint"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_before_it_starts(strategy, extra, sentence, mistake, few_images, tmp_path):
    said = mistake(f"strategy={strategy}", "space=nasbench201", *extra, *SMALL, f"data.path={few_images}",
                   f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert re.search(sentence, said), said
    assert not (tmp_path / "run").exists()


def test_the_size_that_footprint_counts_is_the_one_that_is_bounded(words, tmp_path):
    own = ["estimator=[supernet,footprint]", "estimator.footprint.channels=4", "estimator.footprint.cells=1"]
    bound = "constraints=['params_m<=0.007']"
    outcome = search(run_dir=tmp_path / "run", quiet=True, overrides=[*words("darts", bound=bound), *own])
    assert outcome.result.derivation.bounded["params_m"] <= 0.007 < outcome.result.size["params_m"]


def test_the_latency_of_a_table_can_be_bounded(words, shared_data, monkeypatch, tmp_path):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("hwnasbench201.npz").parent))
    own = words("darts", bound="constraints=['latency_ms<=1']")
    outcome = search(run_dir=tmp_path / "run", quiet=True, overrides=[*own, "estimator=[supernet,latency]"])
    assert outcome.result.derivation.bounded["latency_ms"] <= 1
    assert "latency" in outcome.result.derivation.sentence
