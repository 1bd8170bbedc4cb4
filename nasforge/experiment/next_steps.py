"""What a person would type after a run; RUN stands for the run's folder."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nasforge.result import Step

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
    if strategy == "retrain":
        return [train]
    same = [word for word in words if not word.startswith(("seed=", "hydra."))]
    if not parts.reads_data:
        train = Step(command="nasforge retrain RUN data=digits retrain.seeds=1", why="train it on images")
        return [*_versus(parts, same), train]
    steps = [train, *_sweep(same, "seeds", "see how far the result depends on the seed", 4)]
    if parts.data.name == "digits":
        other = [word for word in same if not word.startswith("data")]
        command = f"nasforge {shlex.join([*other, 'data=cifar10'])}"
        steps.append(Step(command=command, why="search on colour photographs"))
    return steps


def _versus(parts: Parts, words: Sequence[str]) -> list[Step]:
    """A comparison with random search; of random search itself, with its own luck."""
    chosen = str(parts.config["strategy"]["name"])
    if chosen == "random_search":
        return _sweep(words, "seeds", "see how far the result depends on the seed, over ten of them", 10)
    why = "compare with random search over ten seeds"
    others = [word for word in words if not word.startswith("strategy=")]
    own = [word for word in others if word.lstrip("+~").startswith("strategy.")]
    if not own:
        return _sweep([f"strategy=random_search,{chosen}", *others], "versus", why, 10)
    # Options of one strategy are none of the other's, so each has a sweep of its own.
    random, this = ([f"strategy={name}", *more] for name, more in (
        ("random_search", [word for word in others if word not in own]), (chosen, others)))  # fmt: skip
    sweeps = [_sweep(random, "random_search", why, 10)[0], _sweep(this, chosen, "and then", 10)[0]]
    return [*sweeps, Step(command=f"nasforge compare multirun/random_search multirun/{chosen}", why="and then")]


def _sweep(words: Sequence[str], folder: str, why: str, seeds: int) -> list[Step]:
    sweep = shlex.join([*words, f"seed=range({seeds})", f"hydra.sweep.dir=multirun/{folder}"])
    runs = seeds * (2 if any("," in word for word in words if word.startswith("strategy=")) else 1)
    compared = Step(command=f"nasforge compare multirun/{folder}", why="and then")
    return [Step(command=f"nasforge -m {sweep}", why=why, runs=runs), compared]
