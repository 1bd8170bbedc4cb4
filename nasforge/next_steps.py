"""What a person would type after a run; RUN stands for the run's folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from nasforge.parts import Parts

Step = dict[str, str]


def next_steps(parts: Parts, result: Mapping[str, Any], words: Sequence[str]) -> list[Step]:
    """Commands, each with why one would type it.

    Args:
        result: the content of `result.json` so far.
        words: of the command that made the run.
    """
    longer = 4 * parts.retraining.epochs
    train = _step(f"nasforge retrain RUN retrain.epochs={longer}", "train the found network longer")
    if result["strategy"] == "retrain":
        return [train]
    same = [word for word in words if not word.startswith(("seed=", "hydra."))]
    if not parts.reads_data:
        others = [word for word in same if not word.startswith("strategy=")]
        chosen = str(parts.config["strategy"]["name"])
        rivals = chosen if chosen == "random_search" else f"random_search,{chosen}"
        return [
            *_sweep([f"strategy={rivals}", *others], "versus", "compare with random search over ten seeds", 10),
            _step("nasforge retrain RUN data=digits retrain.seeds=1", "train the found network on images"),
        ]
    steps = [train, *_sweep(same, "seeds", "see how far the result depends on the seed", 4)]
    if parts.data.name == "digits":
        other = [word for word in same if not word.startswith("data")]
        steps.append(_step(f"nasforge {shlex.join([*other, 'data=cifar10'])}", "search on colour photographs"))
    return steps


def _sweep(words: Sequence[str], folder: str, why: str, seeds: int) -> list[Step]:
    sweep = shlex.join([*words, f"seed=range({seeds})", f"hydra.sweep.dir=multirun/{folder}"])
    return [_step(f"nasforge -m {sweep}", why), _step(f"nasforge compare multirun/{folder}", "and then")]


def _step(command: str, why: str) -> Step:
    return {"command": command, "why": why}
