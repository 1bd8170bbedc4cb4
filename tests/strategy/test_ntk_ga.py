"""strategy=ntk_ga: its loop, its tournaments on every kind of space, and what a person gets wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nasforge import DataError, Estimate, Estimator, Objective, OptionError
from nasforge.data import NoData
from nasforge.journal.journal import Journal
from nasforge.registry.entry_points import build
from nasforge.run.resources import Budget, Machinery
from nasforge.run.run import Run
from nasforge.testing import tiny_data
from nasforge_plugins.strategy.ntk_ga import NTKGA
from nasforge_plugins.strategy.ntk_ga.algorithm import Individual
from nasforge_plugins.strategy.ntk_ga.pictures import TorchvisionNetwork, keep_pictures, landmarks
from nasforge_plugins.strategy.ntk_ga.tournament import (
    AlphaTournament,
    Arena,
    LogitMixtures,
    SharedTournament,
    Tournament,
    Tower,
)

SMALL = {"population": 3, "offspring": 6, "generations": 3, "landmarks": 0}
SMALL |= {"tournament": Arena(images=32, channels=16)}
SPACES = {"tsenas": {"min_cells": 1, "max_cells": 2}}


class Size(Estimator):
    """Two objectives that cannot be had together, counted in the notation: no network is built."""

    name = "size"
    needs_data = False
    objectives = (Objective("ones", "min"), Objective("digits", "max"))

    def estimate(self, architecture, context):
        text = str(architecture)
        return Estimate({"ones": float(text.count("1")), "digits": float(sum(map(str.isdigit, text)))})


@pytest.fixture
def a_run(tmp_path):
    """A run of a few images, in a folder of the given name."""
    journals = []

    def make(space, name="run", *, estimator=None, evaluations=None, data=None, seed=0):
        journals.append(Journal(tmp_path / name))
        return Run(
            tmp_path / name,
            journals[-1],
            space=build("space", {"name": space, **SPACES.get(space, {})}),
            data=data or tiny_data(images=64),
            estimators=[estimator or Size()],
            seed=seed,
            budget=Budget(evaluations=evaluations),
            machinery=Machinery(trainer={"accelerator": "cpu"}, threads=1),
        )

    yield make
    for journal in journals:
        journal.close()


def searched(strategy, run):
    """What `strategy` finds, its pictures and notes made as an experiment makes them."""
    result = strategy.search(run)
    strategy.explain(run, result.trace)
    return result


def an_arena(**options):
    return Arena(**{"images": 64, "channels": 16, **options})


# The loop


def test_generations_follow_the_paper_or_the_code():
    assert [NTKGA().step(g) for g in range(6)] == ["breed", "breed", "breed and compete"] * 2
    code = NTKGA(schedule="code")
    assert [code.step(g) for g in range(8)] == ["breed", "breed", "breed more", "compete"] * 2
    assert {NTKGA(tournament=Arena(period=0)).step(g) for g in range(6)} == {"breed"}


@pytest.mark.parametrize("schedule", ["paper", "code"])
def test_as_many_survive_as_the_schedule_says(schedule, a_run, monkeypatch):
    sizes = []
    monkeypatch.setattr(NTKGA, "log", lambda self, generation, population, run: sizes.append(len(population)))
    options = {**SMALL, "generations": 8, "offspring": 12}
    NTKGA(schedule=schedule, **options).search(a_run("reolon"))
    assert sizes == {"paper": [3] * 8, "code": [3, 3, 6, 3, 3, 3, 6, 3]}[schedule]


def test_an_individual_leaves_when_it_is_old(a_run, monkeypatch):
    """Each generation's children are worse than their parents, which stay until they are too old."""

    class Worse(Size):
        objectives = (Objective("order", "min"),)
        asked = 0.0

        def estimate(self, architecture, context):
            self.asked += 1
            return Estimate({"order": self.asked})

    ages = []
    strategy = NTKGA(**{**SMALL, "generations": 4, "tournament": Arena(period=0)}, max_age=2)
    monkeypatch.setattr(NTKGA, "log", lambda self, g, population, run: ages.append([each.age for each in population]))
    strategy.search(a_run("nasbench201", estimator=Worse()))
    assert ages == [[1] * 3, [2] * 3, [0] * 3, [1] * 3]


def test_without_tournaments_no_image_is_read(a_run):
    found = NTKGA(**{**SMALL, "tournament": Arena(period=0)}).search(a_run("nasbench201", data=NoData()))
    assert found.front
    assert not NTKGA(tournament=Arena(period=0)).needs_data
    assert NTKGA().needs_data


def test_the_budget_is_kept_and_none_is_wasted_on_what_is_known(a_run):
    run = a_run("nasbench201", evaluations=40)
    NTKGA(**{**SMALL, "generations": None, "tournament": Arena(period=0)}).search(run)
    assert len(run.evaluations) == 40
    assert run.remaining == 0


def test_on_growing_cells_the_shortest_are_chained(a_run):
    run = a_run("reolon")
    found = NTKGA(**{**SMALL, "tournament": Arena(period=0)}, final_cells=2).search(run)
    cells = str(found.architecture).split(" + ")
    assert len(cells) == 2
    assert len(cells[0]) <= len(cells[1])
    alone = NTKGA(**{**SMALL, "tournament": Arena(period=0)}, final_cells=1).search(a_run("reolon", "alone"))
    assert str(alone.architecture) == cells[0]


def test_of_several_objectives_the_sum_of_ranks_decides_and_a_note_says_so(a_run):
    run = a_run("nasbench201")
    searched(NTKGA(**{**SMALL, "tournament": Arena(period=0)}), run)
    assert run.notes == ["the found architecture has the last population's smallest sum of ranks in ones, digits"]


def test_of_one_objective_the_best_ever_is_found(a_run):
    """Though it has long left the population."""

    class Later(Size):
        objectives = (Objective("order", "min"),)
        asked = 0.0

        def estimate(self, architecture, context):
            self.asked += 1
            return Estimate({"order": self.asked})

    found = NTKGA(**{**SMALL, "tournament": Arena(period=0)}, max_age=1).search(a_run("nasbench201", estimator=Later()))
    assert found.metrics == {"order": 1.0}


def test_it_outlives_candidates_that_fail(a_run):
    class Fragile(Size):
        def estimate(self, architecture, context):
            if architecture["cell"][0] == "none":
                raise ValueError("too thin")
            return super().estimate(architecture, context)

    run = a_run("nasbench201", estimator=Fragile())
    found = NTKGA(**{**SMALL, "offspring": 20, "tournament": Arena(period=0)}).search(run)
    assert "failed" in {evaluation.status for evaluation in run.evaluations}
    assert found.architecture["cell"][0] != "none"


def test_a_search_in_which_everything_fails_says_so(a_run):
    class Broken(Size):
        def estimate(self, architecture, context):
            raise ValueError("nothing works")

    with pytest.raises(Exception, match=r"no candidate could be evaluated: .*nothing works"):
        NTKGA(**{**SMALL, "tournament": Arena(period=0)}).search(a_run("nasbench201", estimator=Broken()))


def test_flagged_candidates_are_ranked_last_and_the_search_goes_on(a_run):
    """A cell that leads nowhere has no gradient: its scores are the worst there are, and are no failure."""
    proxies = ["ntk_condition", "activation_overlap", "gradient_image_correlation"]
    sizes = {"batch_size": 4, "ntk_batch_size": 4, "channels": 4, "cells": 1}
    estimator = build("estimator", {"name": "zero_cost", "proxies": proxies, **sizes})
    run = a_run("nasbench201", estimator=estimator)
    empty = run.space.read("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    strategy = NTKGA(**SMALL)
    pool = strategy.scored([empty, run.space.presets["resnet"]], run)
    assert all(np.isfinite(evaluation.costs).all() for evaluation in pool)
    assert strategy.selected(pool, 1)[0].architecture != empty
    assert run.evaluations[0].ok
    assert run.evaluations[0].reason


# Tournaments


def groups_of(space, n=2, size=2):
    rng = np.random.default_rng(0)
    return [[space.sample(rng) for _ in range(size)] for _ in range(n)]


def winners_of(candidates, run, *, population=2):
    """The places of the candidates, best first, that a tournament leaves."""
    strategy = NTKGA(population=population, tournament=Arena(images=64, channels=4))
    members = [Individual(architecture, (float(place),)) for place, architecture in enumerate(candidates)]
    return [int(winner.costs[0]) for winner in strategy.tournament(members, 0, run)]


def test_every_kind_of_space_has_its_contest(a_run):
    kinds = {"reolon": Tower, "tsenas": LogitMixtures}
    for name, kind in kinds.items():
        run = a_run(name, name)
        found = an_arena(channels=4).tournament(groups_of(run.space), run)
        assert isinstance(found, AlphaTournament)
        assert isinstance(found.contest, kind)
    for name in ("nasbench201", "darts"):
        run = a_run(name, name)
        assert isinstance(an_arena(cells=1).tournament(groups_of(run.space), run), SharedTournament)


@pytest.mark.parametrize("name", ["reolon", "nasbench201", "tsenas"])
def test_one_of_each_group_survives(name, a_run, monkeypatch):
    run = a_run(name)
    rng = np.random.default_rng(0)
    candidates = [run.space.sample(rng) for _ in range(5)]
    torch.manual_seed(0)
    left = winners_of(candidates, run)
    assert [place % 2 for place in left] == [0, 1]
    monkeypatch.setattr(Tournament, "counted_loss", None)  # nothing may be trained again
    torch.manual_seed(0)
    assert winners_of(candidates, run) == left, "a finished tournament comes back from the journal"


@pytest.mark.parametrize("name", ["reolon", "nasbench201", "tsenas"])
def test_a_tournament_of_others_is_another_one(name, a_run):
    """A run whose budget cut a generation short, and is resumed with more, has other candidates in it."""
    run = a_run(name)
    rng = np.random.default_rng(0)
    candidates = [run.space.sample(rng) for _ in range(4)]
    for some in (candidates, candidates[::-1]):
        torch.manual_seed(0)
        winners_of(some, run)
    assert len(run.journal.of_kind("fit")) == 2


def test_where_nobody_has_to_leave_nothing_is_trained(a_run):
    run = a_run("reolon")
    assert winners_of([run.space.presets["example"]] * 2, run, population=5) == [0, 1]
    assert not (run.folder / "fits").exists()


def test_a_tower_scales_and_concatenates_what_its_cells_give():
    space = build("space", {"name": "reolon"})
    group = [space.read("0|0|0|0|0|0|3|0--1  5"), space.read("0|0|0|0|0|0|0|3--1  5")]
    tower = Tower([group, group], space, (3, 8, 8), 10, dropout=0.5).eval()
    images, shares = torch.rand(4, 3, 8, 8), [torch.tensor([0.25, 0.75]), torch.tensor([1.0, 0.0])]
    first = torch.cat([part * cell(images) for cell, part in zip(tower.layers[0], shares[0], strict=True)], 1)
    second = torch.cat([tower.layers[1][0](first), torch.zeros(4, 3, 8, 8)], 1)
    torch.testing.assert_close(tower(images, shares)[0], tower.head(second))


def test_the_shares_of_every_layer_count_in_a_tower(a_run):
    """BatchNorm behind a share would take it out again, all but its epsilon: so none is there."""
    run = a_run("reolon")
    group = [run.space.read("0|0|0|0|0|0|3|0--1  5"), run.space.read("0|0|0|0|0|0|0|3--1  5")]
    tower = Tower([group] * 3, run.space, (3, 8, 8), 10, dropout=0.0)
    alphas = [torch.ones(2, requires_grad=True) for _ in range(3)]
    logits = tower(torch.rand(16, 3, 8, 8), [alpha.softmax(0) for alpha in alphas])[0]
    loss = torch.nn.functional.cross_entropy(logits, torch.arange(16) % 10)
    sizes = [float(gradient.norm()) for gradient in torch.autograd.grad(loss, alphas)]
    assert min(sizes) > 1e-3, sizes


def test_only_the_judging_moves_the_alphas(a_run):
    """They begin equal, and nine tenths of the images are for the weights alone."""
    run = a_run("reolon")
    fit = an_arena().tournament(groups_of(run.space), run)
    assert [alpha.tolist() for alpha in fit.scores] == [[1.0, 1.0]] * 2
    before = {name: tensor.clone() for name, tensor in fit.contest.named_parameters()}
    judged = []
    fit.judge = lambda: judged.append([alpha.tolist() for alpha in fit.scores])  # type: ignore[method-assign]
    run.fit(fit, "first", 2, an_arena().data(run.data))
    assert judged == [[[1.0, 1.0]] * 2], "once, after the last epoch"
    assert any(not torch.equal(before[name], tensor) for name, tensor in fit.contest.named_parameters())
    del fit.judge
    weights = {name: tensor.clone() for name, tensor in fit.contest.named_parameters()}
    fit.judge()
    assert all(torch.equal(weights[name], tensor) for name, tensor in fit.contest.named_parameters())
    assert all(alpha.tolist() != [1.0, 1.0] for alpha in fit.scores)


def test_a_network_that_learns_beats_one_that_is_blind(a_run):
    """One whose classifier is cut off cannot lower the loss, whatever its share."""
    run = a_run("nasbench201", data=tiny_data(images=320))
    contest = LogitMixtures([[run.space.presets["resnet"]] * 2] * 2, run.space, (3, 8, 8), 2, channels=4, cells=1)
    adam = {"learning_rate": 0.01, "weight_decay": 1e-5, "clip": 2.0}
    fit = AlphaTournament(contest, (2, 2), loss="cross_entropy", **adam)
    for group, blind in zip(fit.contest.groups, (0, 1), strict=True):
        group[blind].skeleton.classifier.weight.requires_grad_(False).zero_()
        group[blind].skeleton.classifier.bias.requires_grad_(False).zero_()
    run.fit(fit, "blind", 3, an_arena(images=320).data(run.data))
    assert fit.winners == [1, 0]


def test_shared_weights_are_trained_under_the_candidates_alone(a_run):
    """A cell of nothing learns nothing, so the other one wins wherever it stands."""
    run = a_run("nasbench201", data=tiny_data(images=640))
    empty = run.space.read("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    good = run.space.read("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|")
    fit = an_arena(images=640, channels=4).tournament([[empty, good], [good, empty]], run)
    run.fit(fit, "shared", 2, an_arena(images=640).data(run.data))
    assert fit.winners == [1, 0]
    assert fit.losses[0] == pytest.approx(float(fit.losses[3]))


def test_l1_is_the_codes_loss(a_run):
    run = a_run("reolon")
    fit = an_arena(loss="l1").tournament(groups_of(run.space), run)
    fit._seen = torch.zeros(3)
    logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    one_hot = torch.eye(3)[labels]
    assert float(fit.counted_loss(logits, labels)) == pytest.approx(float((logits - one_hot).abs().mean()))


# What is stopped is gone on with


def test_a_search_that_is_killed_in_a_tournament_goes_on_from_its_journal(a_run, monkeypatch):
    straight = NTKGA(**SMALL).search(a_run("reolon", "straight"))
    judge = AlphaTournament.judge

    def killed(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(AlphaTournament, "judge", killed)
    broken = a_run("reolon", "broken")
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        NTKGA(**SMALL).search(broken)
    broken.journal.close()
    monkeypatch.setattr(AlphaTournament, "judge", judge)
    done = (broken.folder / "journal.jsonl").read_text()
    again = a_run("reolon", "broken")
    asked = []
    monkeypatch.setattr(Size, "estimate", lambda self, one, context: asked.append(one))
    assert NTKGA(**SMALL).search(again) == straight
    assert done.count('"estimate"') == len({evaluation.architecture for evaluation in again.evaluations})
    assert not asked, "what was scored before the tournament came back"


# Bad input


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"population": 1}, r"strategy\.population.*2"),
        ({"tournament": {"size": 6}}, r"tournament\.size=6 is more than strategy\.population=5: 5 or fewer"),
        ({"uniform_rate": 1.5}, r"strategy\.uniform_rate.*1"),
        ({"minimum_rate": -0.1}, r"strategy\.minimum_rate.*0"),
        ({"exploration": 2}, r"strategy\.exploration.*1"),
        ({"resize_rate": float("nan")}, r"strategy\.resize_rate"),
        ({"offspring": 0}, r"strategy\.offspring.*1"),
        ({"schedule": "papr"}, r"strategy\.schedule.*paper"),
    ],
)
def test_a_wrong_option_is_named_with_what_would_be_right(options, complaint):
    with pytest.raises(OptionError, match=complaint):
        build("strategy", {"name": "ntk_ga", **options})


def test_larger_groups_are_no_matter_without_tournaments():
    assert NTKGA(tournament=Arena(size=9, period=0))


def test_a_run_without_an_end_is_refused(a_run):
    with pytest.raises(OptionError, match="'ntk_ga' runs until its budget is used up: set"):
        NTKGA(**{**SMALL, "generations": None}).search(a_run("nasbench201"))


@pytest.mark.parametrize("images", [4, 1])
def test_too_few_images_for_a_tournament_are_refused_before_a_run_begins(a_run, images):
    run = a_run("nasbench201", data=tiny_data(images=64).subset(images))
    with pytest.raises(DataError, match=f"{images} images cannot be split"):
        NTKGA(**SMALL).networks(run.space, run.data)
    assert NTKGA(**{**SMALL, "tournament": Arena(period=0)}).networks(run.space, run.data) == []


# Its pictures


def test_its_pictures_show_the_objectives_and_the_space_of_three(a_run):
    class Third(Size):
        objectives = (*Size.objectives, Objective("length", "min"))

        def estimate(self, architecture, context):
            metrics = super().estimate(architecture, context).metrics
            return Estimate({**metrics, "length": float(len(str(architecture)))})

    two, three = a_run("reolon"), a_run("reolon", "three", estimator=Third())
    for run in (two, three):
        searched(NTKGA(**{**SMALL, "tournament": Arena(period=0)}), run)
    kept = [{path.name for path in (run.folder / "artifacts").iterdir()} for run in (two, three)]
    assert kept == [{"ones.svg", "digits.svg"}, {"ones.svg", "digits.svg", "length.svg", "scores.svg"}]


class Weights(Estimator):
    """Three scores of a network that take no time, so that a large one is as quick as a small one."""

    name = "weights"
    objectives = (Objective("layers", "min"), Objective("weights", "min"), Objective("largest", "min"))

    def estimate(self, architecture, context):
        network = context.space.build(architecture, context.data.input_shape, context.data.classes, channels=4, cells=1)
        sizes = [float(parameter.numel()) for parameter in network.parameters()]
        return Estimate({"layers": float(len(sizes)), "weights": sum(sizes), "largest": max(sizes)})


def test_known_networks_are_scored_once_and_shown_beside_the_population(a_run):
    run = a_run("nasbench201", estimator=Weights(), data=tiny_data((3, 32, 32), classes=10, images=64))
    found = landmarks(run, 5)
    # torchvision's own count of ResNet-18 for a thousand classes, less what ten need not
    assert found["ResNet-18"][0].metrics["weights"] == 11_689_512 - 990 * 513
    assert found["VGG-11"][0].metrics["layers"] == 2 * (8 + 1)
    assert len(found["random architectures"]) == 5
    assert not run.evaluations  # the search's budget and front know nothing of them
    lines = len(run.journal.of_kind("estimate"))
    assert landmarks(run, 5) == found
    assert len(run.journal.of_kind("estimate")) == lines == 7


def test_landmarks_are_drawn_where_three_scores_are_followed(a_run):
    options = {**SMALL, "generations": 1, "tournament": Arena(period=0)}
    run = a_run("nasbench201", estimator=Weights(), data=tiny_data((3, 32, 32), classes=10, images=64))
    assert NTKGA().landmarks
    options["landmarks"] = 3
    searched(NTKGA(**options), run)
    assert "VGG-11" in (run.folder / "artifacts" / "landmarks.svg").read_text()
    small = a_run("nasbench201", "small", estimator=Weights())
    searched(NTKGA(**options), small)
    assert [note for note in small.notes if note.startswith("VGG-11 is not among") and "from 32 x 32 pixels" in note]
    assert "ResNet-18" in (small.folder / "artifacts" / "landmarks.svg").read_text()
    two = a_run("nasbench201", "two")
    searched(NTKGA(**options), two)
    assert not (two.folder / "artifacts" / "landmarks.svg").exists()


def test_where_nobody_of_the_last_has_a_score_a_note_stands_for_the_picture(a_run):
    class Rare(Weights):
        def estimate(self, architecture, context):
            flag = "" if architecture == context.space.presets["resnet"] else "no score"
            return replace(super().estimate(architecture, context), flag=flag)

    run = a_run("nasbench201", estimator=Rare())
    populations = [[run.space.presets["resnet"]], [run.space.presets["all_skip"]]]
    run.estimate([candidate for population in populations for candidate in population])
    keep_pictures(run, populations, 3)
    assert [note for note in run.notes if note.startswith("the last population is not shown beside known networks")]
    assert (run.folder / "artifacts" / "scores.svg").exists()


def test_one_channel_is_shown_to_known_networks_three_times():
    network = TorchvisionNetwork("vgg11", 10).eval()
    grey = torch.rand(2, 1, 32, 32)
    assert torch.equal(network(grey), network(grey.expand(-1, 3, -1, -1)))
