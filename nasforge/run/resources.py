"""What bounds a run, and how it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import torch
from pydantic import Field
from pytorch_lightning.callbacks import Callback

from nasforge.execution.executor import Executor
from nasforge.run.progress import Progress
from nasforge.training.ranks import Ranks


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When a search stops by itself; None is never.

    Attributes:
        evaluations: requested estimates of candidates, cached ones included.
        seconds: of wall-clock time over all starts of the run; a fit stops at the end of an epoch.
    """

    evaluations: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    seconds: Annotated[float, Field(gt=0, le=1_000_000_000)] | None = None


@dataclass(frozen=True, kw_only=True)
class Machinery:
    """How a run computes; no part of what a strategy decides.

    Attributes:
        trainer: arguments of `pytorch_lightning.Trainer` (accelerator, devices, strategy, precision).
        threads: CPU threads of every fit and estimate; part of the run's identity.
        executor: where candidates are estimated; None: in this process.
        callbacks: a user's Lightning callbacks, made anew for each fit.
        loggers: a user's Lightning loggers.
        ranks: the processes that share each fit.
    """

    trainer: Mapping[str, Any]
    threads: int
    callbacks: Sequence[Callback] = ()
    loggers: Sequence[Any] = ()
    ranks: Ranks = field(default_factory=Ranks)
    executor: Executor | None = None
    progress: Progress = field(default_factory=Progress)

    def close(self) -> None:
        """End the processes that were started for this run."""
        self.ranks.close()
        if self.executor is not None:
            self.executor.close()

    @property
    def device(self) -> str:
        """Where estimates compute, as torch writes it."""
        return device_of(self.trainer)


def device_of(trainer: Mapping[str, Any]) -> str:
    """The device of a trainer's section, as torch writes it."""
    accelerator = trainer.get("accelerator", "auto")
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        devices = trainer.get("devices")
        return f"cuda:{devices[0] if isinstance(devices, list) and devices else 0}"
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return "mps"
    return "cpu"
