"""BANANAS: its encodings, its predictors, and what it proposes."""

import numpy as np
import pytest
import torch

from nasforge import Evaluation, Objective, OptionError, build, torch_threads
from nasforge_plugins.shared.predictors import Ensemble, encoded
from nasforge_plugins.shared.predictors.encodings import one_hot_encoding, path_encoding
from nasforge_plugins.strategy.bananas import BANANAS

SPACE = build("space", {"name": "nasbench201"})


def cells(count, seed=0):
    rng = np.random.default_rng(seed)
    return [SPACE.sample(rng) for _ in range(count)]


def test_paths_are_the_operations_from_the_input_to_the_output():
    skips = SPACE.read("|skip_connect~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|none~2|")
    longer = SPACE.read("|none~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|")
    # columns in order: conv 1x1 and pool, then the skip. Nothing enters node 1 of the second cell, and nothing leaves
    # node 2 of the first.
    assert path_encoding([SPACE.draw(longer), SPACE.draw(skips)]).tolist() == [[1, 1], [0, 1]]


def test_the_space_of_nasbench201_has_a_column_for_every_sequence_of_operations():
    rows = encoded(SPACE, cells(2000))
    assert rows.shape == (2000, 4 + 4**2 + 4**3)
    assert set(np.unique(rows)) == {0, 1}


def test_both_cells_of_darts_have_paths_from_both_inputs():
    darts = build("space", {"name": "darts"})
    rng = np.random.default_rng(0)
    architectures = [darts.sample(rng) for _ in range(3)]
    assert encoded(darts, architectures).sum(axis=1).min() > 8


def test_a_space_that_draws_no_cells_is_encoded_by_its_decisions():
    space = build("space", {"name": "fbnet"})
    rng = np.random.default_rng(0)
    architectures = [space.sample(rng) for _ in range(3)]
    rows = encoded(space, architectures)
    assert rows.shape == (3, sum(space.cardinalities))
    ends = np.cumsum(space.cardinalities)
    for row, architecture in zip(rows, architectures, strict=True):
        blocks = np.split(row, ends[:-1])
        assert [int(block.argmax()) for block in blocks] == space.encode(architecture).tolist()
        assert all(block.sum() == 1 for block in blocks)


def convolutions(architectures):
    return np.array([float((SPACE.encode(architecture) == 3).sum()) for architecture in architectures])


def test_the_ensemble_learns_and_is_surest_where_it_was_trained():
    known, unknown = cells(60), cells(200, seed=1)
    targets = convolutions(known)
    features = one_hot_encoding(SPACE, [*known, *unknown])
    ensemble = Ensemble(5, [features.shape[1], 20, 20], seed=0)
    ensemble.train(features[:60], targets, epochs=200, learning_rate=0.01)
    mean, deviation = ensemble.predict(features)
    assert np.corrcoef(mean[60:], convolutions(unknown))[0, 1] > 0.9
    assert deviation[:60].mean() < deviation[60:].mean()


def test_the_number_of_threads_does_not_change_a_bit():
    predictions = []
    for count in (1, 2):
        with torch_threads(count):
            strategy = begun(BANANAS(epochs=20))
            strategy.tell(evaluated(strategy.ask()))
            predictions.append(strategy.ask())
            assert torch.get_num_threads() == count
    assert predictions[0] == predictions[1]


def begun(strategy, seed=0):
    strategy.space, strategy.rng, strategy.objectives = SPACE, np.random.default_rng(seed), (Objective("score", "max"),)
    strategy.begin()
    return strategy


def paths(architectures):
    """How many different paths lead through each cell."""
    return encoded(SPACE, [*architectures, SPACE.presets["all_conv_3x3"]]).sum(axis=1)[:-1]


def evaluated(architectures):
    scores = paths(architectures)
    return [Evaluation(cell, {"score": score}) for cell, score in zip(architectures, scores, strict=True)]


def test_it_proposes_new_mutants_of_the_best_with_the_lowest_draws():
    strategy = begun(BANANAS(population=60, parents=4))
    first = strategy.ask()
    strategy.tell(evaluated(first))
    best = sorted(first, key=lambda cell: -paths([cell])[0])[:4]
    proposed = strategy.ask()
    assert len(set(proposed)) == 10
    assert not set(proposed) & set(first)
    for cell in proposed:
        assert min((SPACE.encode(cell) != SPACE.encode(parent)).sum() for parent in best) in (1, 2)
    mutants = [SPACE.mutate(parent, strategy.rng) for parent in best for _ in range(50)]
    assert paths(proposed).mean() > paths(mutants).mean() + 0.2


def test_failures_teach_it_to_stay_away_and_a_start_of_failures_is_repeated():
    strategy = begun(BANANAS(population=4, batch=2, epochs=5))
    failed = [Evaluation(cell, {}, status="failed", reason="too large") for cell in strategy.ask()]
    strategy.tell(failed)
    assert len(strategy.ask()) == 4
    strategy.tell(evaluated(cells(3, seed=5)))
    assert len(strategy.ask()) == 2


def test_a_batch_is_no_larger_than_the_candidates():
    with pytest.raises(OptionError, match=r"strategy\.batch=200 is more than strategy\.candidates=100"):
        BANANAS(batch=200)
