"""Check that a plug-in leaves global state unchanged, and that it can be sent to another process."""

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
    """Fail if code inside this context draws from or seeds a global generator, or changes torch's settings.

    Args:
        who: the beginning of the message, for example `sample()`.
        but_torch: whether it may draw from torch's generator (but not seed it).
    """
    before = generators(but_torch)
    with settings_kept(who):
        yield
    after = generators(but_torch)
    touched = [name for name, state in after.items() if state != before[name]]
    assert not touched, (
        f"{who} changed the global random state of {' and '.join(touched)}; "
        + ("draw weights from torch's global generator without seeding it, and " if but_torch else "")
        + "draw everything else from the generator that was passed, or from a new one with a fixed seed"
    )


def generators(but_torch: bool = False) -> dict[str, Any]:
    """Return the state of each global generator by name; for torch only the seed if drawing is allowed."""
    name, keys, *others = np.random.get_state()
    return {
        "Python's random": random.getstate(),
        "NumPy": (name, bytes(keys), *others),  # type: ignore[arg-type]
        "torch": torch.initial_seed() if but_torch else bytes(torch.get_rng_state().numpy()),
    }


@contextmanager
def settings_kept(who: str) -> Iterator[None]:
    """Fail if torch's settings differ at the end of this context."""
    before = _settings()
    yield
    changed = [f"{name} {before[name]} -> {now}" for name, now in _settings().items() if now != before[name]]
    assert not changed, f"{who} changed global settings of torch and did not restore them: {', '.join(changed)}"


def _settings() -> dict[str, Any]:
    return {
        "gradients": torch.is_grad_enabled(),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
    }


def copied(what: Anything, who: str) -> Anything:
    """Return a copy of `what` as another process receives it."""
    try:
        copy: Anything = pickle.loads(pickle.dumps(what))
    except Exception as error:  # pickle raises whatever the objects inside do
        pytest.fail(
            f"{who} cannot be pickled, so no worker process can receive it ({reason(error)}); keep "
            "lambdas, generators, open files and locks out of its attributes, and its class at the top of a module",
            pytrace=False,
        )
    return copy
