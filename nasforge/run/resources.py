"""A run's budget, and how it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field
from pytorch_lightning.callbacks import Callback

from nasforge.devices.machine import device_of
from nasforge.execution.executor import Executor
from nasforge.run.progress import Progress
from nasforge.training.ranks import Ranks


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When a search stops by itself; None: no limit.

    Attributes:
        evaluations: number of requested estimates of candidates, including cached ones.
        seconds: wall-clock time over all starts of the run; a fit stops at the end of an epoch.
    """

    evaluations: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    seconds: Annotated[float, Field(gt=0, le=1_000_000_000)] | None = None


@dataclass(frozen=True, kw_only=True)
class Machinery:
    """How a run computes, which is independent of its strategy.

    Attributes:
        trainer: arguments of `pytorch_lightning.Trainer` (accelerator, devices, strategy, precision).
        threads: CPU threads of every fit and estimate; part of the run's identity.
        executor: where candidates are estimated; None: in this process.
        callbacks: the user's Lightning callbacks.
        loggers: the user's Lightning loggers.
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
        """End the processes that this run started."""
        self.ranks.close()
        if self.executor is not None:
            self.executor.close()

    @property
    def device(self) -> str:
        """The torch device of estimates."""
        return device_of(self.trainer)
