"""Every experiment composes, and its parts are built and checked, before any data are read."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from nasforge.config.configuration import compose, recomposed
from nasforge.diagnosis.listing import presets
from nasforge.experiment.parts import Parts
from nasforge_plugins.strategy.tsenas import TSENAS

EXPERIMENTS = sorted(path.stem for path in (Path(__file__).parents[1] / "conf" / "experiment").glob("*.yaml"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_stands_for_parts_that_fit(name):
    parts = Parts(compose([f"+experiment={name}"]).config)
    # its name begins with what it is about; the retraining of a found network searches nothing
    named = [preset.name for preset in presets("strategy") if preset.of == parts.strategy.name]
    assert name.startswith((parts.strategy.name, *named, "retrain_"))
    others = {"ntk_ga": "zero_cost", "te_nas": "zero_cost"}
    others |= dict.fromkeys(("tsenas", "regularized_evolution", "random_search"), "training")
    assert [estimator.name for estimator in parts.estimators] == [others.get(parts.strategy.name, "supernet")]


def test_the_papers_sizes():
    parts = Parts(compose(["+experiment=egnas_cifar10"]).config)
    supernet = parts.space.supernet((3, 32, 32), 10)
    assert sum(parameter.numel() for parameter in supernet.parameters()) == 299_578
    steps = parts.strategy.epochs - parts.strategy.warmup_epochs
    assert steps * parts.strategy.samples * parts.strategy.population == 35 * 5 * 25
    network = parts.space.build(
        parts.space.presets["DARTS_V2"],
        (3, 32, 32),
        10,
        channels=parts.retraining.channels,
        cells=parts.retraining.cells,
        auxiliary=parts.retraining.auxiliary,
    )
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_825_768


@pytest.mark.parametrize(
    ("terms", "zeta", "eta"), [("both", 1.0, 0.4), ("cross_entropy", 1.0, 0.0), ("similarity", 0.0, 0.4)]
)
@pytest.mark.parametrize("name", ["egnas_fitness", "egnas_fitness_cifar10"])
def test_the_study_of_the_fitness_takes_each_term_alone(name, terms, zeta, eta):
    config = compose([f"+experiment/egnas_fitness_terms={terms}", f"+experiment={name}"]).config
    assert (config["strategy"]["zeta"], config["strategy"]["eta"]) == (zeta, eta)


DEFAULT = TSENAS()


@pytest.mark.parametrize(
    ("operators", "option", "value"),
    [
        ("all", "crossover", DEFAULT.crossover),
        ("single_point", "crossover", "single_point"),
        ("no_cell_mutation", "mutations", ("connection", "edge", "node")),
        ("no_connection_mutation", "mutations", ("cell", "edge", "node")),
        ("no_edge_mutation", "mutations", ("cell", "connection", "node")),
        ("no_node_mutation", "mutations", ("cell", "connection", "edge")),
        ("no_pruning", "pruning", False),
    ],
)
def test_the_study_of_operators_changes_one_of_them(operators, option, value):
    strategy = Parts(
        compose([f"+experiment/tsenas_operators={operators}", "+experiment=tsenas_operators"]).config
    ).strategy
    operators = {name: getattr(strategy, name) for name in ("crossover", "mutations", "pruning")}
    defaults = {name: getattr(DEFAULT, name) for name in operators}
    assert operators == {**defaults, option: value}


@pytest.mark.parametrize(("evaluation", "inherit", "epochs"), [("inherited", True, 10), ("scratch_100", False, 100)])
def test_the_study_of_inheritance_trains_ten_times_as_long_from_scratch(evaluation, inherit, epochs):
    words = [f"experiment/tsenas_evaluation@_global_={evaluation}", "+experiment=tsenas_inheritance_cifar10"]
    config = compose(words).config
    assert (config["strategy"]["inherit"], config["estimator"]["training"]["epochs"]) == (inherit, epochs)


def test_the_references_options_are_the_published_ones():
    parts = Parts(compose(["+experiment=egnas_reference_cifar10"]).config)
    strategy = parts.strategy
    assert (strategy.step_size, strategy.samples, strategy.population, strategy.es_seed) == (0.1, 3, 50, 1)
    options = strategy.supernet(parts.space, SimpleNamespace(input_shape=(3, 32, 32), classes=10)).options
    assert (options["partial_channels"], options["include_none"], options["pool_normalization"]) == (4, False, False)


def test_an_experiment_may_be_changed_word_by_word():
    config = compose(["+experiment=egnas_cifar10", "data=digits", "strategy.epochs=2"]).config
    assert (config["data"]["name"], config["strategy"]["epochs"], config["strategy"]["samples"]) == ("digits", 2, 5)


@pytest.mark.parametrize(
    ("name", "search"),
    [
        ("retrain_imagenet", "egnas_cifar10"),
        *((f"retrain_{data}", "egnas_imagenet") for data in ("cifar10", "cifar100", "nasbench201")),
    ],
)
def test_a_papers_recipe_leaves_nothing_of_the_searchs_own(name, search):
    recipe = compose([f"+experiment={name}"]).config
    transferred = recomposed(compose([f"+experiment={search}"]).config, [f"+experiment={name}"])
    assert transferred["retrain"] == recipe["retrain"]
    assert transferred["data"]["name"] == recipe["data"]["name"]
