"""What a plug-in must leave as it found it, and whether a copy of it can be sent to another process."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import pytest
import torch

from nasforge.errors import reason

Anything = TypeVar("Anything")


@contextmanager
def left_alone(who: str, *, but_torch: bool = False) -> Iterator[None]:
    """Inside, no global generator may be drawn from or seeded, and what torch computes with stays as it is.

    Args:
        who: the beginning of the sentence: `sample()`, say.
        but_torch: torch's may be drawn from, though not seeded.
    """
    before = generators(but_torch)
    with settings_kept(who):
        yield
    after = generators(but_torch)
    touched = [name for name, state in after.items() if state != before[name]]
    assert not touched, (
        f"{who} moved the global random state of {' and '.join(touched)}; "
        + ("weights come from torch's global generator, which is not to be seeded, and " if but_torch else "")
        + "anything else must draw from the generator that it is given, or from one of its own with a fixed seed"
    )


def generators(but_torch: bool = False) -> dict[str, Any]:
    """By name: which state each is in; of torch alone its seed, if it may be drawn from."""
    name, keys, *rest = np.random.get_state()
    return {
        "Python's random": random.getstate(),
        "NumPy": (name, bytes(keys), *rest),  # type: ignore[arg-type]
        "torch": torch.initial_seed() if but_torch else bytes(torch.get_rng_state().numpy()),
    }


@contextmanager
def settings_kept(who: str) -> Iterator[None]:
    """Inside, what torch computes with may change, if it is as before at the end."""
    before = _settings()
    yield
    changed = [f"{name} {before[name]} -> {now}" for name, now in _settings().items() if now != before[name]]
    assert not changed, f"{who} changed how torch computes for all who come after it: {', '.join(changed)}"


def _settings() -> dict[str, Any]:
    return {
        "gradients": torch.is_grad_enabled(),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
    }


def copied(what: Anything, who: str) -> Anything:
    """A copy as another process gets it."""
    try:
        copy: Anything = pickle.loads(pickle.dumps(what))
    except Exception as error:  # pickle raises whatever the objects inside do
        pytest.fail(
            f"{who} cannot be pickled, so no worker process can get it ({reason(error)}); keep "
            "lambdas, generators, open files and locks out of its attributes, and its class at the top of a module",
            pytrace=False,
        )
    return copy
