"""What stated abilities allow runs, in pairs; all else is refused.

Searches take seconds, so of the allowed triples as few run as hold every strategy with every space, and both with every
estimator, that go together. Of the others each one is refused. Which triples go together is asked of the classes,
never written down here; only sizes are.
"""

import itertools
import json
import os
import runpy
from functools import cache
from pathlib import Path

import pytest

from nasforge import space as space_contract
from nasforge.config.configuration import compose
from nasforge.errors import AbilityError, DataError
from nasforge.estimator import Estimator
from nasforge.experiment import experiment
from nasforge.experiment.parts import Parts
from nasforge.registry.entry_points import build, registry

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("NASFORGE_SHARED") or ROOT.parent / "shared")


def built_in(kind):
    """Classes by name, of what ships in the box."""
    found = registry(kind)
    return {name: found[name] for name, (first, *_) in found.plugins.items() if first.package == "nasforge"}


STRATEGIES, SPACES, ESTIMATORS = map(built_in, ("strategy", "space", "estimator"))
TRIPLES = list(itertools.product(STRATEGIES, SPACES, ESTIMATORS))

# Sizes, each where there is something of that name

SUPERNET = ["strategy.supernet.channels=4", "strategy.epochs=2", "strategy.warmup_epochs=1"]
STAGE = "{name: only, cells: 3, epochs: 1, population: 1, images: 24}"
SIZES = {
    "bayesian": ["strategy.population=2", "strategy.batch=1", "strategy.candidates=10"],
    "bananas": ["strategy.population=2", "strategy.batch=1", "strategy.epochs=2"],
    **dict.fromkeys(("asha", "hyperband", "priorband"), ("estimator.training.epochs=3",)),
    "egnas": [*SUPERNET, "strategy.population=2", "strategy.samples=1", "strategy.validation_batch_size=8"],
    "darts": SUPERNET,
    "medarts": [f"strategy.stages=[{STAGE}]"],
    "nsga2": ["strategy.population=2"],
    "regularized_evolution": ["strategy.population=2", "strategy.sample=2"],
    "ntk_ga": [
        *("strategy.population=2", "strategy.offspring=2", "strategy.generations=1", "strategy.landmarks=1"),
        *("strategy.tournament.period=1", "strategy.tournament.images=16", "strategy.tournament.channels=4"),
        "strategy.tournament.cells=1",
    ],
    "single_path": ["strategy.supernet.channels=4", "strategy.epochs=1", "strategy.evolution.population=2"],
    "te_nas": ["strategy.per_round=6"],
    "tsenas": [
        *("strategy.population=2", "strategy.generations=1", "strategy.fine_population=1", "strategy.refresh=1"),
        *("strategy.fine_generations=1", "strategy.supernet.epochs=1", "strategy.supernet.chains=1"),
        "strategy.from_scratch=1",
    ],
}
SPACE_SIZES = {
    "darts": ["space.cells=3", "space.channels=4", "space.operations=[skip_connect,sep_conv_3x3]"],
    "autoformer": ["space.embeddings=[8,12]", "space.depths=[1,2]", "space.features=4"],
    "mobilenet": [
        *("space.widths=[8,8,8,8,8,8,8,8,8]", "space.multipliers=[1.0]", "space.depths=[1,1]", "space.kernels=[3,5]"),
        *("space.expansions=[2]", "space.gates=false"),
    ],
    "module": ["space.arguments={channels: 8, blocks: 2}"],
    **dict.fromkeys(("nasbench201", "nasbench_macro", "transnas_macro", "transnas_micro"), ("space.channels=4",)),
    "tsenas": ["space.min_cells=4", "space.max_cells=4", "space.reductions=1", "space.channels=4"],
}
TRAINING = ["epochs=1", "channels=4", "cells=1"]
SCORES = ["proxies=[params]", "channels=4", "cells=1"]
ESTIMATOR_SIZES = {
    "training": [f"estimator.training.{word}" for word in TRAINING],
    "footprint": ["estimator.footprint.channels=4", "estimator.footprint.cells=1"],
    "zero_cost": [f"estimator.zero_cost.{word}" for word in SCORES],
    "predictor": ["estimator.predictor.samples=10"],
    "cascade": [
        *("estimator.cascade.reference=8", "estimator.cascade.keep=1.0"),
        *(f"estimator.cascade.then.{word}" for word in TRAINING),
        *(f"estimator.cascade.first.{word}" for word in SCORES),
    ],
}
LEAST = ["executor.threads=1", "trainer.accelerator=cpu", "retrain.seeds=0", "control.samples=20"]


@pytest.fixture
def config(few_images, shared_data, monkeypatch):
    """What the command would make of a strategy, a space and an estimator, small."""

    def make(strategy, space, estimator):
        if not ESTIMATORS[estimator].needs_data:
            monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))
        words = [
            f"strategy={strategy}",
            f"space={space}",
            f"estimator={estimator}",
            "data=arrays",
            f"data.path={few_images}",
        ]
        sizes = [*SPACE_SIZES.get(space, ()), *ESTIMATOR_SIZES.get(estimator, ()), *SIZES.get(strategy, ())]
        budget = ["budget.evaluations=2"] if STRATEGIES[strategy].needs_estimates else []
        return compose([*words, *LEAST, "data.batch_size=64", *sizes, *budget]).config

    return make


def lacking(part, space):
    return [ability.__name__ for ability in part.needs if not issubclass(space, ability)]


def agree(strategy, estimator):
    """Whether a strategy has a use for an estimator, by what both say of themselves."""
    if strategy.needs_builder and not estimator.builds:
        return False
    if strategy.needs_fidelities and estimator.fidelities is Estimator.fidelities:
        return False
    return strategy.shares_weights if estimator.needs_weights else strategy.needs_estimates


def of_other_spaces():
    """Pairs of an estimator that looks closer than at abilities, and a space that it refuses: a table is of one."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NASFORGE_DATA", str(SHARED / "data"))
        spaces = {name: build("space", {"name": name}) for name in SPACES}
        for estimator in ESTIMATORS:
            try:
                built = build("estimator", {"name": estimator})
            except DataError:  # without the shared data
                yield from ((estimator, space) for space in spaces)
                continue
            for name, space in spaces.items():
                try:
                    built.check(space)
                except DataError:
                    yield estimator, name


OTHER_TABLES = set(of_other_spaces())


def stated(strategy, space, estimator):
    lacks = [*lacking(STRATEGIES[strategy], SPACES[space]), *lacking(ESTIMATORS[estimator], SPACES[space])]
    agreed = agree(STRATEGIES[strategy], ESTIMATORS[estimator])
    return not lacks and agreed and (estimator, space) not in OTHER_TABLES


ALLOWED = [triple for triple in TRIPLES if stated(*triple)]
REFUSED = [triple for triple in TRIPLES if triple not in ALLOWED]


DEAR = ["tsenas", "darts", "cascade", "training"]
"""What takes long: these spaces meet the other estimators first, these estimators the other spaces."""


ALIKE = ["autoformer", "fbnet", "mnasnet", "mobilenet", "nasbench_macro", "once_for_all", "resnet", "transnas_macro"]
"""Spaces with the abilities of `transnas_micro` or `module`, which meet every strategy and estimator for them.
They meet one strategy, which samples, mutates and crosses over; `SpaceContract` runs one-shot strategies in each."""


def test_spaces_that_count_as_alike_have_the_same_abilities():
    contracts = [ability for ability in vars(space_contract).values() if isinstance(ability, type)]
    abilities = {name: {each for each in contracts if issubclass(space, each)} for name, space in SPACES.items()}
    for name in ALIKE:
        assert abilities[name] in (abilities["transnas_micro"], abilities["module"]), name


def is_run(strategy, space, estimator):
    if STRATEGIES[strategy].needs_fidelities and estimator == "tabular":
        return False  # the tables here have one number of epochs each
    return space not in ALIKE or (strategy, estimator) == ("nsga2", "zero_cost")


def every_pair(triples):
    """Of the triples as few as hold every strategy with every space, and both with every estimator, that any has."""
    ordered = sorted(triples, key=lambda one: (one[1] not in DEAR, one[2] in DEAR))
    seen, taken = set(), []
    for new in (3, 2, 1):
        for triple in ordered if new > 1 else reversed(ordered):
            pairs = set(itertools.combinations(triple, 2)) - seen
            if len(pairs) >= new:
                seen |= pairs
                taken.append(triple)
    return sorted(taken)


@pytest.mark.parametrize(
    ("strategy", "space", "estimator"), every_pair(triple for triple in ALLOWED if is_run(*triple))
)
def test_what_abilities_allow_runs(strategy, space, estimator, config, tmp_path):
    found = experiment.search(config(strategy, space, estimator), tmp_path / "run")
    assert found.architecture.space == space
    assert found.result["failures"] == []
    if STRATEGIES[strategy].needs_estimates:
        answers = json.loads((found.folder / "evaluations.json").read_text())
        assert any(answer["status"] == "ok" for answer in answers)
    assert bool(found.result["control"]) is STRATEGIES[strategy].shares_weights


@cache
def section(kind, name):
    return compose([f"{kind}={name}"]).config[kind]


def due(strategy, space, estimator):
    """Parts of the sentence with which a triple must be refused, by what its sides say of themselves."""
    for kind, part, name in (
        ("strategy", STRATEGIES[strategy], strategy),
        ("estimator", ESTIMATORS[estimator], estimator),
    ):
        if lacks := lacking(part, SPACES[space]):
            fitting = [one for one, other in registry("space").working.items() if not lacking(part, other)]
            return (
                f"{kind} '{name}' needs a space with {' and '.join(lacks)}, which space '{space}' lacks.",
                f"Spaces that fit: {', '.join(fitting)}.",
            )
    if (estimator, space) in OTHER_TABLES:
        return (f"the run's space is '{space}': choose space=",)
    fitting = [name for name, one in registry("estimator").working.items() if agree(STRATEGIES[strategy], one)]
    return (f"strategy '{strategy}'", f"estimator '{estimator}'", f". Estimators that fit: {', '.join(fitting)}.")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_other_triple_is_refused_before_anything_is_read(strategy, shared_data, monkeypatch):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))
    monkeypatch.setattr(Parts, "search_data", property(lambda parts: pytest.fail("images were read")))
    plain = compose(["retrain.seeds=0"]).config
    for _, space, estimator in (case for case in REFUSED if case[0] == strategy):
        config = {
            **plain,
            "strategy": section("strategy", strategy),
            "space": section("space", space),
            "estimator": section("estimator", estimator),
        }
        with pytest.raises((AbilityError, DataError)) as refusal:
            experiment._search_parts(config)
        for said in due(strategy, space, estimator):
            assert said in str(refusal.value)


def test_there_is_something_of_each_kind(shared_data):
    shared_data("nasbench201.npz")
    for place, kind in enumerate((STRATEGIES, SPACES, ESTIMATORS)):
        assert {triple[place] for triple in ALLOWED} == set(kind), "something runs with nothing"


def test_the_matrix_in_the_docs_is_what_the_classes_say(shared_data, monkeypatch, capsys):
    monkeypatch.setenv("NASFORGE_DATA", str(shared_data("nasbench201.npz").parent))
    runpy.run_path(str(ROOT / "docs" / "capabilities.py"), run_name="__main__")
    said = "`python docs/capabilities.py > docs/capabilities.md` writes it anew"
    assert (ROOT / "docs" / "capabilities.md").read_text() == capsys.readouterr().out, said
