"""Seeds that are functions of their purpose, and contexts that restore the global generators."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch


def seed_of(*parts: int | str) -> int:
    """Return a 63-bit seed that is a function of `parts`, for example (run seed, fit name, epoch, purpose)."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


def generator_of(*parts: int | str) -> torch.Generator:
    """Return a CPU generator seeded by `parts`."""
    return torch.Generator().manual_seed(seed_of(*parts))


def rng_of(*parts: int | str) -> np.random.Generator:
    """Return a NumPy generator seeded by `parts`."""
    return np.random.default_rng(seed_of(*parts))


def seed_everything(seed: int) -> None:
    """Seed the global generators of torch, NumPy and Python."""
    if _accelerated():
        torch.manual_seed(seed)
    else:  # the same effect, but torch.manual_seed records a stack trace for each kind of missing device
        torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@cache
def _accelerated() -> bool:
    """Return whether there is a device besides the CPU; cached, because the check takes a tenth of a millisecond."""
    return torch.accelerator.is_available()


def generator_states() -> tuple[object, ...]:
    """Return the states of the global generators of torch's CPU, NumPy and Python, which can be compared."""
    name, keys, *rest = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), name, np.asarray(keys).tobytes(), *rest, random.getstate()


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Seed the global generators inside this context, and restore their state afterwards.

    Hence a fit or an estimate that is replayed from the journal, and draws nothing, leaves the same state as one that
    is computed.
    """
    with preserved():
        seed_everything(seed)
        yield


@contextmanager
def preserved() -> Iterator[None]:
    """Restore the state of the global generators after this context."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)
