"""What a person would type after a run; RUN stands for the run's folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasforge.experiment.parts import Parts

Step = dict[str, Any]
"""`command`, `why` one would type it, and what it costs if that is known: `epochs` of training or `runs` like this."""


def next_steps(parts: Parts, result: Mapping[str, Any], words: Sequence[str]) -> list[Step]:
    """Commands, each with why one would type it.

    Args:
        result: the content of `result.json` so far.
        words: of the command that made the run.
    """
    how = parts.retraining
    longer = 4 * how.epochs
    train = _step(
        f"nasforge retrain RUN retrain.epochs={longer}",
        "train the network longer" if result["strategy"] == "retrain" else "train the found network longer",
        epochs=longer * (how.seeds + how.random),
    )
    if result["strategy"] == "retrain":
        return [train]
    same = [word for word in words if not word.startswith(("seed=", "hydra."))]
    if not parts.reads_data:
        return [*_versus(parts, same), _step("nasforge retrain RUN data=digits retrain.seeds=1", "train it on images")]
    steps = [train, *_sweep(same, "seeds", "see how far the result depends on the seed", 4)]
    if parts.data.name == "digits":
        other = [word for word in same if not word.startswith("data")]
        steps.append(_step(f"nasforge {shlex.join([*other, 'data=cifar10'])}", "search on colour photographs"))
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
    return [*sweeps, _step(f"nasforge compare multirun/random_search multirun/{chosen}", "and then")]


def _sweep(words: Sequence[str], folder: str, why: str, seeds: int) -> list[Step]:
    sweep = shlex.join([*words, f"seed=range({seeds})", f"hydra.sweep.dir=multirun/{folder}"])
    runs = seeds * (2 if any("," in word for word in words if word.startswith("strategy=")) else 1)
    return [_step(f"nasforge -m {sweep}", why, runs=runs), _step(f"nasforge compare multirun/{folder}", "and then")]


def _step(command: str, why: str, **cost: int) -> Step:
    return {"command": command, "why": why, **cost}
