"""What to type next: commands that work as they stand, and that make sense after this run."""

from types import SimpleNamespace

import pytest

from nasforge.config.configuration import compose
from nasforge.experiment.next_steps import next_steps
from nasforge.registry.entry_points import registry
from nasforge.wording import duration


def steps(strategy, *words, reads_data=False, baseline="random_search", next_data=None, estimators=(), seeds=3):
    how = SimpleNamespace(epochs=6, seeds=seeds, random=2)
    parts = SimpleNamespace(
        retraining=how,
        reads_data=reads_data,
        strategy=SimpleNamespace(baseline=baseline),
        data=SimpleNamespace(name="digits", next_data=next_data),
        estimators=estimators,
    )
    return next_steps(parts, strategy, [*words, "seed=3"])


def test_a_search_on_a_table_is_compared_with_random_search():
    first, second, _ = steps("nsga2", "strategy=nsga2", "space=nasbench201", "estimator=tabular")
    assert "nasforge -m strategy=random_search,nsga2 space=nasbench201 estimator=tabular" in first.command
    assert first.runs == 20
    assert second.command == "nasforge compare multirun/versus"


def test_random_search_is_not_compared_with_itself():
    words = ["strategy=random_search", "space=nasbench201", "estimator=tabular"]
    first, *_ = steps("random_search", *words, baseline=registry("strategy")["random_search"].baseline)
    assert "compare" not in first.why
    assert "random_search,random_search" not in first.command
    assert "strategy=random_search space=nasbench201 estimator=tabular 'seed=range(10)'" in first.command


def test_options_of_a_strategy_are_not_given_to_random_search():
    words = ["strategy=regularized_evolution", "strategy.population=9", "space=nasbench201", "estimator=tabular"]
    random, own, compared, _ = steps("regularized_evolution", *words)
    for step, fits in ((random, "strategy=random_search"), (own, "strategy.population=9")):
        assert fits in step.command
        inside = step.command.split()[2:]
        compose([word for word in inside if not word.startswith(("'seed", "hydra"))])  # Hydra takes them
    assert "population" not in random.command
    assert compared.command == "nasforge compare multirun/random_search multirun/regularized_evolution"


def test_a_search_without_images_is_trained_on_the_data_of_its_words_or_the_default():
    words = ["strategy=nsga2", "space=nasbench201", "estimator=tabular"]
    *_, default = steps("nsga2", *words)
    *_, own = steps("nsga2", *words, "data=fashion_mnist")
    assert default.command == "nasforge retrain RUN data=digits retrain.seeds=1"
    assert own.command == "nasforge retrain RUN data=fashion_mnist retrain.seeds=1"


def test_the_data_say_what_one_would_search_next():
    words = ["strategy=egnas", "data=digits", "data.batch_size=32"]
    *_, last = steps("egnas", *words, reads_data=True, next_data=registry("data")["digits"].next_data)
    assert (last.command, last.why) == ("nasforge strategy=egnas data=cifar10", "search on color photographs")
    assert "data=" not in steps("egnas", "strategy=egnas", reads_data=True)[-1].command


def test_training_longer_costs_so_many_epochs():
    first, *_ = steps("egnas", reads_data=True)
    assert first.command == "nasforge retrain RUN retrain.epochs=24"
    assert first.epochs == 24 * 5


@pytest.mark.parametrize("strategy", ["egnas", "retrain"])
def test_a_network_that_was_trained_can_be_exported(strategy):
    assert steps(strategy, reads_data=True)[1].command == "nasforge export RUN"
    untrained = steps(strategy, reads_data=True, seeds=0)
    assert "nasforge export RUN" not in [step.command for step in untrained]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (42, "42 seconds"), (100, "2 minutes"), (7200, "2 hours"), (2e5, "2 days")],
)
def test_durations_are_said_in_words(seconds, words):
    assert duration(seconds) == words
