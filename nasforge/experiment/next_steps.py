"""What a person would type after a run; RUN stands for the run's folder."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nasforge.result import Step
from nasforge.run.beginning import chosen

if TYPE_CHECKING:
    from nasforge.experiment.parts import Parts


def next_steps(parts: Parts, strategy: str, words: Sequence[str]) -> list[Step]:
    """Commands, each with why one would type it.

    Args:
        strategy: of the run; "retrain" for a retraining.
        words: of the command that made the run.
    """
    how = parts.retraining
    longer = 4 * how.epochs
    train = Step(
        command=f"nasforge retrain RUN retrain.epochs={longer}",
        why="train the network longer" if strategy == "retrain" else "train the found network longer",
        epochs=longer * (how.seeds + how.random),
    )
    use = [Step(command="nasforge export RUN", why="use the trained network without nasforge")] if how.seeds else []
    if strategy == "retrain":
        return [train, *use]
    same = [word for word in words if not word.startswith(("seed=", "hydra."))]
    if not parts.reads_data:
        data = chosen(words, "data") or parts.data.name
        train = Step(command=f"nasforge retrain RUN data={data} retrain.seeds=1", why="train it on images")
        return [*_versus(parts.strategy.baseline, strategy, same), train]
    steps = [train, *use, *_sweep(same, "seeds", "see how far the result depends on the seed", 4)]
    bound = any(estimator.weights_option and not estimator.needs_weights for estimator in parts.estimators)
    if parts.data.next_data is not None and not bound:  # the weights of a run are for its images only
        data, why = parts.data.next_data
        other = [word for word in same if not word.startswith("data")]
        steps.append(Step(command=f"nasforge {shlex.join([*other, f'data={data}'])}", why=why))
    return steps


def _versus(baseline: str | None, strategy: str, words: Sequence[str]) -> list[Step]:
    """A comparison with the baseline; for a baseline itself, of several seeds."""
    if baseline is None:
        return _sweep(words, "seeds", "see how far the result depends on the seed, over ten of them", 10)
    why = f"compare with {baseline.replace('_', ' ')} over ten seeds"
    others = [word for word in words if not word.startswith("strategy=")]
    own = [word for word in others if word.lstrip("+~").startswith("strategy.")]
    if not own:
        return _sweep([f"strategy={baseline},{strategy}", *others], "versus", why, 10)
    # The baseline does not have the options of this strategy, so each has a sweep of its own.
    shared = [word for word in others if word not in own]
    sweeps = [
        _sweep([f"strategy={baseline}", *shared], baseline, why, 10)[0],
        _sweep([f"strategy={strategy}", *others], strategy, "and then", 10)[0],
    ]
    return [*sweeps, Step(command=f"nasforge compare multirun/{baseline} multirun/{strategy}", why="and then")]


def _sweep(words: Sequence[str], folder: str, why: str, seeds: int) -> list[Step]:
    sweep = shlex.join([*words, f"seed=range({seeds})", f"hydra.sweep.dir=multirun/{folder}"])
    runs = seeds * (2 if any("," in word for word in words if word.startswith("strategy=")) else 1)
    compared = Step(command=f"nasforge compare multirun/{folder}", why="and then")
    return [Step(command=f"nasforge -m {sweep}", why=why, runs=runs), compared]
