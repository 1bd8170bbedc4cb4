"""`nasforge verdict`: known answers, scipy's statistics, equal bytes, and mistakes as one sentence."""

import csv

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, mannwhitneyu, rankdata, wilcoxon

import nasforge
from nasforge import AbilityError, DataError, OptionError, UnknownNameError
from nasforge.statistics.average_ranks import average_ranks
from nasforge.statistics.effect_sizes import wins, wins_interval
from nasforge.statistics.rank_tests import holm

CELLS = ["tables=nasbench201", "tasks=cifar10", "seeds=12", "evaluations=20", "against=random_search"]


def judged(*strategies, seeds=12, evaluations=20, tables=("nasbench201",), tasks=("cifar10",), against=()):
    return nasforge.verdict(
        strategies, list(tables), list(tasks), range(seeds), evaluations=evaluations, against=list(against)
    )


def test_evolution_is_better_than_random_search():
    verdict = judged("regularized_evolution,population=20", seeds=24, evaluations=100)
    duel = verdict.duels("regularized_evolution,population=20", "random_search")[0]
    assert duel.sign == 1
    assert duel.interval.low > 0.5
    assert "is better than random_search after 100 evaluations" in str(verdict)
    worse = verdict.duels("random_search", "regularized_evolution,population=20")[0]
    assert worse.sign == -1
    assert worse.wins == pytest.approx(1 - duel.wins)


def test_a_strategy_is_not_better_than_itself():
    verdict = judged("random_search", "random_search,batch=7")
    for name in verdict.judged:
        duel = verdict.duels(name, "random_search")[0]
        assert (duel.wins, duel.p, duel.sign) == (0.5, 1.0, 0)
        assert "NOT clearly better" in verdict.sentence(name)
    assert verdict.ranks.ranks.tolist() == [1.5, 1.5]


def test_a_page_and_a_csv_have_the_same_bytes_twice(command):
    status, printed, complaint = command("verdict", "regularized_evolution,population=12", *CELLS, "out=one")
    assert status == 0, complaint
    assert "average ranks: " in printed
    command("verdict", "regularized_evolution,population=12", *CELLS, "out=two")
    for name in ("verdict.html", "verdict.csv"):
        with open(f"one/{name}", "rb") as one, open(f"two/{name}", "rb") as two:
            assert one.read() == two.read()
    with open("one/verdict.csv") as file:
        lines = list(csv.DictReader(file))
    assert {line["strategy"] for line in lines} == {
        *("regularized_evolution,population=12", "random_search", "parameters only")
    }
    with open("one/verdict.html") as file:
        page = file.read()
    assert "1 task cannot show a difference over tasks" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_largest_networks_come_first():
    verdict = judged("random_search", evaluations=60)
    (curves,) = verdict.by_size
    (task,) = verdict.tasks
    sizes = task.table.values(next(column for column in task.table.columns if column.key == "cifar10/params_m"))
    largest = task.values[sizes == sizes.max()]
    assert np.isin(curves[:, 0], largest).all()
    assert "random_search is worse than parameters only" in str(verdict)


def test_ranks_and_tests_are_scipys():
    costs = np.random.default_rng(0).normal(size=(14, 4)) + np.array([0, 0.2, 1.5, 0.1])
    found = average_ranks(costs)
    assert found.ranks == pytest.approx(rankdata(costs, axis=1).mean(axis=0))
    assert found.friedman == pytest.approx(friedmanchisquare(*costs.T).pvalue)
    pairs = [(one, other) for one in range(4) for other in range(one + 1, 4)]
    expected = holm([wilcoxon(costs[:, one], costs[:, other]).pvalue for one, other in pairs])
    assert [found.p[pair] for pair in pairs] == pytest.approx(expected)
    assert any({0, 1, 3} <= set(clique) for clique in found.cliques)
    assert all(2 not in clique for clique in found.cliques)


def test_wins_are_those_of_the_rank_sum_test():
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 9, 40) / 9, rng.integers(2, 11, 40) / 9
    assert wins(one, other) == pytest.approx(mannwhitneyu(other, one).statistic / 1600)
    interval = wins_interval(one, other)
    assert 0.5 < interval.low < wins(one, other) < interval.high < 1


@pytest.mark.parametrize(
    ("error", "message", "what"),
    [
        (AbilityError, "trains networks", {"strategies": "darts", "tables": ["accel_nasbench"], "tasks": ["imagenet"]}),
        (UnknownNameError, "no_such", {"strategies": "no_such"}),
        (DataError, "there is no table 'no_such'", {"tables": ["no_such"]}),
        (OptionError, "does not fit: no data set has a quality", {"tables": ["hwnasbench201"], "tasks": []}),
        (UnknownNameError, "no_such", {"tasks": ["no_such"]}),
        (OptionError, "1 cannot show a difference on 1 task, .* at least 6", {"seeds": range(1)}),
        (OptionError, "needs a strategy", {"strategies": []}),
        (OptionError, "evaluations=0: it must be a whole number, 1 or more", {"evaluations": 0}),
        (AbilityError, "estimator=latency does not look candidates up; choose tabular", {"estimator": "latency"}),
    ],
)
def test_mistakes_are_one_sentence(error, message, what):
    chosen = {"strategies": "random_search", "tables": ["nasbench201"], "tasks": ["cifar10"], "seeds": range(9)}
    with pytest.raises(error, match=message):
        nasforge.verdict(**{**chosen, **what})


def test_a_guest_is_judged_like_a_built_in_strategy(guest):
    lines = [
        "from nasforge_plugins.strategy.random_search import RandomSearch",
        "class Mine(RandomSearch):",
        "    name = 'mine'",
    ]
    files = {
        "mine_nas.py": "\n".join(lines),
        "mine_conf/__init__.py": "",
        "mine_conf/strategy/mine.yaml": "name: mine\nselect: foremost\nbatch: 16\n",
    }
    groups = {"nasforge.strategy": ["mine = mine_nas:Mine"], "nasforge.conf": ["mine = mine_conf"]}
    guest("mine-nas", groups, files)
    assert "mine is NOT clearly better than random_search" in str(judged("mine"))
