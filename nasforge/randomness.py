"""Seeds as functions of what they are for, and code that leaves the global generators as it found them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch


def seed_of(*parts: int | str) -> int:
    """A 63-bit seed that is a function of `parts`: (run seed, fit name, epoch, purpose), say."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1


def generator_of(*parts: int | str) -> torch.Generator:
    """A CPU generator seeded by `parts`."""
    return torch.Generator().manual_seed(seed_of(*parts))


def rng_of(*parts: int | str) -> np.random.Generator:
    """A NumPy generator seeded by `parts`."""
    return np.random.default_rng(seed_of(*parts))


def seed_everything(seed: int) -> None:
    """Seed the global generators of torch, NumPy and Python."""
    if _accelerated():
        torch.manual_seed(seed)
    else:  # the same; but torch.manual_seed takes a stack trace for each kind of device that is not there
        torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@cache
def _accelerated() -> bool:
    """Whether there is a device besides the CPU; to find out takes a tenth of a millisecond."""
    return torch.accelerator.is_available()


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Inside, the global generators start from `seed`; afterwards they are where they were before.

    So a fit or an estimate that is replayed from the journal, and draws nothing, leaves the same state behind as one
    that is computed.
    """
    numpy_state, python_state = np.random.get_state(), random.getstate()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with torch.random.fork_rng(devices):
        seed_everything(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)
