"""Train a module on a device without memory, where no answer exists, to find steps that wait for one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.accelerators import CPUAccelerator
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.strategies import SingleDeviceStrategy

from nasforge.data import FitData
from nasforge.devices.host_requests import HostRequests
from nasforge.training.fit import train
from nasforge.training.modules import FitModule


def host_requests(module: FitModule, data: FitData, *, batches: int = 1, epochs: int = 1, **trainer: Any) -> list[str]:
    """Return what the steps of a fit ask of the host; empty if a GPU would never have to wait for the CPU.

    The module trains on torch's `meta` device, so it is of no use afterwards.

    Args:
        batches: number of steps to look at.
        epochs: number of epochs that the module is told.
        trainer: further options of the trainer, such as `precision`.

    Raises:
        ValueError: an epoch has fewer batches.

    Returns:
        Phrases that name an operator and the line that calls it. Until the optimizer has stepped, no operator may
        depend on values; from `training_step` on, no tensor may move between devices either.
    """
    watch = _Watch(batches)
    try:
        train(
            module,
            data,
            name="on no device",
            epochs=epochs,
            seed=0,
            trainer={"accelerator": _Meta(), "strategy": _OnNoDevice(watch.step_begins), **trainer},
            callbacks=[watch],
        )
    except _Enough:
        return watch.requests
    except RuntimeError:
        if not watch.requests:  # otherwise the device had no value to answer with
            raise
    return watch.requests


class _Meta(CPUAccelerator):
    """Accepts torch's `meta` device, which has shapes and no values."""

    def setup_device(self, device: torch.device) -> None: ...


class _Enough(Exception):
    """Ends a fit that has shown what it does."""


class _Watch(Callback):
    """Watches batches for operators that wait, and steps of the weights for copies as well."""

    def __init__(self, batches: int) -> None:
        self._asked = self._batches = batches
        self._anywhere, self._in_step = HostRequests("meta", copies=False), HostRequests("meta")
        self._watching = ExitStack()

    @property
    def requests(self) -> list[str]:
        return list(dict.fromkeys([*self._anywhere.found, *self._in_step.found]))

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        self._watching.enter_context(self._anywhere)

    def step_begins(self) -> None:
        self._watching.enter_context(self._in_step)

    def on_train_batch_end(self, *_: Any) -> None:
        self._watching.close()
        self._batches -= 1
        if not self._batches:
            raise _Enough

    def on_train_epoch_end(self, *_: Any) -> None:
        raise ValueError(f"an epoch of this fit has fewer than {self._asked} batches")

    def on_exception(self, *_: Any) -> None:
        self._watching.close()


class _OnNoDevice(SingleDeviceStrategy):
    """Places a module where it has no values, and tells when the module has taken what it needs for a step."""

    def __init__(self, step_begins: Callable[[], None]) -> None:
        super().__init__("meta")
        self._step_begins = step_begins

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        self._step_begins()

    def reduce(self, tensor: Any, *_: Any, **__: Any) -> Any:
        return torch.ones_like(tensor, device="cpu")  # Lightning asks whether there are batches

    def teardown(self) -> None: ...
