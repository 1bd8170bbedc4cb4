"""The most probable architecture within bounds, against all architectures there are."""

import itertools

import numpy as np
import pytest
import torch

from nasforge import Architecture, Constraint, Context, OptionError, build, network_size
from nasforge.bounds import bounds as bounds_module
from nasforge.bounds.bounds import Bounds
from nasforge.bounds.discretization import Discretization
from nasforge.bounds.measures import Measures
from nasforge.bounds.model import Model
from nasforge.testing.samples import tiny_data

SHAPE, CLASSES = (3, 32, 32), 10
SPREADS = (1e-3, 0.3, 1.0, 4.0)
"""Deviations of alphas: those before training, whose probabilities are almost equal, up to decided ones."""


class Searched:
    """Bounds on one space, whose measurements are shared by all constraints."""

    def __init__(self, space, estimators=()):
        self.space, self.estimators, self.known = space, estimators, {}
        self.context = Context(space, tiny_data(SHAPE, CLASSES), "cpu", 1, 0)
        self.discretization = Discretization(space, space.mix_of(space.sample(np.random.default_rng(0))))

    def bounds(self, *texts):
        constraints = [Constraint.read(text) for text in texts]
        measures = Measures(constraints, self.estimators, self.context)
        measures._known = self.known
        bounds = Bounds(self.space, constraints, measures)
        bounds._model = Model(self.discretization, measures)
        return bounds


def random_mix(space, rng):
    shapes = {cell: rows.shape for cell, rows in space.mix_of(space.sample(rng)).items()}
    spread = rng.choice(SPREADS)
    return {
        cell: torch.softmax(torch.tensor(spread * rng.standard_normal(shape)), -1) for cell, shape in shapes.items()
    }


def texts_of(sizes, rng, kind):
    """Bounds that some of `sizes` (architectures, 2) keep: one, the other, both, or both with a lower one."""
    limits = np.quantile(sizes, rng.uniform(0, 0.7, size=2), axis=0).diagonal()
    params, macs = f"params_m<={limits[0]:.6f}", f"macs_m<={limits[1]:.6f}"
    low = f"macs_m>={np.quantile(sizes[:, 1], 0.1):.6f}"
    return [(params,), (macs,), (params, macs), (params, low)][kind]


def kept(sizes, texts):
    """Which rows of sizes (architectures, 2) keep all bounds."""
    columns = {"params_m": sizes[:, 0], "macs_m": sizes[:, 1]}
    bounds = [Constraint.read(text) for text in texts]
    return np.logical_and.reduce(
        [columns[bound.metric] <= bound.limit if bound.upper else columns[bound.metric] >= bound.limit
         for bound in bounds]
    )  # fmt: skip


def test_on_nasbench201_it_is_the_best_of_all_cells(shared_data):
    """Parameters are the published ones; multiply-adds are sums over edges, since the benchmark counts other layers."""
    table = np.load(shared_data("nasbench201.npz"))
    searched, rng = Searched(build("space", {"name": "nasbench201"})), np.random.default_rng(0)
    operations = np.array([searched.space.encode(searched.space.read(str(text))) for text in table["arch_str"]])

    def counted(vector):
        return network_size(searched.space.build(searched.space.decode(vector), SHAPE, CLASSES), SHAPE)

    empty = counted(np.zeros(6, int))["macs_m"]
    edges = [[counted(operation * np.eye(6, dtype=int)[edge])["macs_m"] - empty for operation in range(5)]
             for edge in range(6)]  # fmt: skip
    macs = empty + np.array(edges)[np.arange(6), operations].sum(axis=1)
    sizes = np.round(np.column_stack([table["cifar10_params_m"].astype(float), macs]), 6)
    for row in rng.integers(len(sizes), size=10):
        assert list(counted(operations[row]).values()) == sizes[row].tolist()
    for vector, (params, macs) in zip(operations, sizes.tolist(), strict=True):
        searched.known[searched.space.decode(vector)] = {"params_m": params, "macs_m": macs}
    narrower = 0
    for trial in range(240):
        mix = random_mix(searched.space, rng)
        texts = texts_of(sizes, rng, trial % 4)
        feasible = kept(sizes, texts)
        if not feasible.any():
            with pytest.raises(OptionError, match="exclude every architecture"):
                searched.bounds(*texts).check()
            continue
        architecture, derivation = searched.bounds(*texts).derive(mix)
        logarithms = np.log(mix["cell"].numpy())[np.arange(6), operations].sum(axis=1)
        row = int((operations == searched.space.encode(architecture)).all(axis=1).argmax())
        assert feasible[row], (texts, derivation)
        assert logarithms[row] == pytest.approx(logarithms[feasible].max(), abs=1e-9)
        assert derivation.cost == pytest.approx(logarithms.max() - logarithms[row], abs=2e-6)
        assert derivation.gap == 0
        narrower += str(architecture) != derivation.most_probable
    assert narrower > 100


@pytest.fixture(scope="module")
def small_darts():
    space = build(
        "space",
        {"name": "darts", "operations": ["skip_connect", "sep_conv_3x3"], "evaluation_cells": 3,
         "evaluation_channels": 4},
    )  # fmt: skip
    return Searched(space)


def test_on_darts_it_is_the_best_of_all_pairs_of_cells(small_darts):
    """Cells whose sizes are equal are one row: the most probable of them."""
    space, rng = small_darts.space, np.random.default_rng(1)
    shares = small_darts.bounds("params_m<=1", "macs_m<=1")._model.exact
    assert shares is not None
    nodes = [list(itertools.product(*map(range, map(len, part)))) for part in (shares.shares[:4], shares.shares[4:])]
    totals = [
        sum(share[np.array(choices)[:, place]] for place, share in enumerate(part))
        for part, choices in zip((shares.shares[:4], shares.shares[4:]), nodes, strict=True)
    ]
    for trial in range(24):
        mix = random_mix(space, rng)
        scores = Discretization(space, mix).scores(mix)
        rows = []
        for part, choices, total in zip((scores[:4], scores[4:]), nodes, totals, strict=True):
            score = sum(each[np.array(choices)[:, place]] for place, each in enumerate(part))
            best = {}
            for key, value in zip(map(tuple, np.round(total * 1e6).astype(int)), score, strict=True):
                best[key] = max(value, best.get(key, -np.inf))
            rows.append((np.array(list(best)), np.array(list(best.values()))))
        (first, of_first), (second, of_second) = rows
        zero = np.round((shares.anchor_excess + 1) * 1e6).astype(int)
        sizes = (zero + (first[:, None] + second).reshape(-1, 2)) / 1e6
        score = (of_first[:, None] + of_second).ravel()
        texts = texts_of(sizes, rng, trial % 4)
        if not (feasible := kept(sizes, texts)).any():
            continue
        architecture, derivation = small_darts.bounds(*texts).derive(mix)
        own = score_of(space, mix, architecture)
        assert own == pytest.approx(score[feasible].max(), abs=1e-9)
        assert derivation.gap == 0
        size = network_size(space.build(architecture, SHAPE, CLASSES), SHAPE)
        assert all(Constraint.read(text).violation(size) == 0 for text in texts)


def score_of(space, mix, architecture):
    chosen = space.mix_of(architecture)
    return sum(float(torch.log(mix[cell][rows.bool()]).sum()) for cell, rows in chosen.items())


@pytest.mark.parametrize("name", ["DARTS_V1", "DARTS_V2", "PC_DARTS_cifar", "EGNAS_c10_A"])
def test_a_published_cell_is_derived_again_within_its_own_size_and_a_smaller_one_below_it(name):
    searched = Searched(build("space", {"name": "darts", "evaluation_cells": 3, "evaluation_channels": 8}))
    published = searched.space.presets[name]
    size = network_size(searched.space.build(published, SHAPE, CLASSES), SHAPE)
    mix = {cell: torch.softmax(3 * rows, -1) for cell, rows in searched.space.mix_of(published).items()}
    exact = [f"params_m<={size['params_m']:.6f}", f"macs_m<={size['macs_m']:.6f}"]
    architecture, derivation = searched.bounds(*exact).derive(mix)
    assert architecture == published
    assert derivation.cost == 0
    smaller, derivation = searched.bounds(exact[0], f"macs_m<={size['macs_m'] - 1e-6:.6f}").derive(mix)
    assert derivation.most_probable == str(published)
    assert derivation.bounded["macs_m"] < size["macs_m"]
    assert len(set(changes(published, smaller))) <= 2  # one operation, or one edge, is exchanged


def changes(a: Architecture, b: Architecture):
    for cell in ("normal", "reduce"):
        for node, (ours, theirs) in enumerate(zip(a[cell], b[cell], strict=True)):
            yield from ((cell, node, pair) for pair in set(ours) ^ set(theirs))


def chosen_space(tmp_path, monkeypatch):
    (tmp_path / "narrow.py").write_text(
        "from torch import nn\nfrom nasforge import choice, width\n"
        "class Narrow(nn.Sequential):\n"
        "    def __init__(self, classes=10):\n"
        "        inner, outer = width(2, 5, 9), width(3, 6, 8)\n"
        "        middle = choice(a=nn.Conv2d(inner, outer, 3, padding=1), b=nn.Conv2d(inner, outer, 1))\n"
        "        super().__init__(nn.Conv2d(3, inner, 3, padding=1), middle, nn.ReLU(),\n"
        "            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(outer, classes))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return build("space", {"name": "module", "target": "narrow:Narrow"})


def test_widths_whose_sizes_multiply_are_counted_one_after_the_other(tmp_path, monkeypatch):
    searched, rng = Searched(chosen_space(tmp_path, monkeypatch)), np.random.default_rng(2)
    model = searched.bounds("params_m<=1", "macs_m<=1")._model
    assert model.exact is None
    selections = list(itertools.product(*map(range, map(len, model.discretization.options))))
    sizes = np.array([list(model.measures.metrics(model.discretization.architecture(each)).values())
                      for each in selections])  # fmt: skip
    assert len(sizes) == searched.space.size == 18
    for trial in range(24):
        mix = random_mix(searched.space, rng)
        scores = model.discretization.scores(mix)
        sums = np.array([sum(score[place] for score, place in zip(scores, each, strict=True)) for each in selections])
        texts = texts_of(sizes, rng, trial % 4)
        if not (feasible := kept(sizes, texts)).any():
            continue
        best = sums[feasible].max()
        architecture, derivation = searched.bounds(*texts).derive(mix)
        assert score_of(searched.space, mix, architecture) == pytest.approx(best, abs=1e-9)
        with monkeypatch.context() as patch:
            patch.setattr(bounds_module, "MOST_BUILT", 1)  # none is counted but the most probable one
            architecture, derivation = searched.bounds(*texts).derive(mix)
        own = score_of(searched.space, mix, architecture)
        assert own <= best + 1e-9 <= own + derivation.gap + 2e-6
        assert all(Constraint.read(text).violation(derivation.bounded) == 0 for text in texts)


def test_what_is_impossible_is_refused_with_the_least_that_is_possible(small_darts, tmp_path, monkeypatch):
    with pytest.raises(OptionError, match=r"'params_m<=0.0001' excludes every.*the least possible params_m is 0\.00"):
        small_darts.bounds("params_m<=0.0001").check()
    with pytest.raises(OptionError, match=r"the largest possible macs_m is .*each by itself"):
        small_darts.bounds("params_m<=0.01", "macs_m>=100").check()
    narrow = Searched(chosen_space(tmp_path, monkeypatch))
    smallest = network_size(narrow.space.build(narrow.space.smallest, SHAPE, CLASSES), SHAPE)["params_m"]
    narrow.bounds(f"params_m<={smallest:.6f}").check()
    with pytest.raises(OptionError, match=f"seems to exclude every.*the least params_m that was found is {smallest:g}"):
        narrow.bounds("params_m<=0.00001").check()


def test_latencies_of_a_table_are_looked_up_in_the_order_of_probability(shared_data):
    estimator = build("estimator", {"name": "latency", "path": str(shared_data("hwnasbench201.npz"))})
    searched, rng = Searched(build("space", {"name": "nasbench201"}), [estimator]), np.random.default_rng(3)
    every = [searched.space.decode(vector) for vector in itertools.product(range(5), repeat=6)]
    latencies = np.array([each.metrics["latency_ms"] for each in estimator.estimate_many(every, searched.context)])
    vectors = np.array([searched.space.encode(each) for each in every])
    for quantile in (0.001, 0.01, 0.1, 0.5):
        mix, limit = random_mix(searched.space, rng), np.quantile(latencies, quantile)
        architecture, derivation = searched.bounds(f"latency_ms<={limit}").derive(mix)
        logarithms = np.log(mix["cell"].numpy())[np.arange(6), vectors].sum(axis=1)
        assert score_of(searched.space, mix, architecture) == pytest.approx(logarithms[latencies <= limit].max())
        assert derivation.gap == 0
    with pytest.raises(OptionError, match=f"the least possible latency_ms is {latencies.min():.4g}"):
        searched.bounds("latency_ms<=0.000001").check()
