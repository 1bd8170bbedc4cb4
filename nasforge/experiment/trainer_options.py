"""The section `trainer` of a configuration: arguments of Lightning's `Trainer` that do not steer a search."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytorch_lightning as pl
from pydantic import Field

from nasforge.devices.machine import device_of
from nasforge.errors import OptionError
from nasforge.registry.options import checked


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """Arguments of `pytorch_lightning.Trainer`: where and how precisely to compute fits, and what to record of them.

    Attributes:
        accelerator, devices: type of device, and the number of devices per node or a list of GPUs.
        num_nodes: number of machines that share a fit.
        strategy: how devices share a fit; `auto` is DDP.
        precision: of weights and activations, part of the run's identity; `bf16-mixed` multiplies in 16 bits.
        profiler: measures the time of each step of a fit, and writes it into `fits/<name>/`.
        log_every_n_steps: interval at which loggers receive values of single steps.
        data_on_device: whether images lie on the device as a whole, instead of coming through a loader; no argument of
            Lightning's.
        graph: whether a GPU replays the steps of a fit as CUDA graphs; no argument of Lightning's either.
    """

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    devices: int | Literal["auto"] | list[int] = 1
    num_nodes: Annotated[int, Field(ge=1)] = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["32-true", "64-true", "bf16-mixed"] = "32-true"
    profiler: Literal["simple", "advanced", "pytorch"] | None = None
    log_every_n_steps: Annotated[int, Field(ge=1)] = 50
    data_on_device: bool | Literal["auto"] = "auto"
    graph: bool | Literal["auto"] = "auto"


_INSTEAD = {
    "accumulate_grad_batches": "retrain.accumulate or data.batch_size",
    "callbacks": "callbacks=NAME",
    "fast_dev_run": "strategy.epochs or retrain.epochs",
    "gradient_clip_val": "strategy.optimizer.clip or retrain.clip",
    "logger": "logger=csv or logger=tensorboard",
    "max_epochs": "strategy.epochs or retrain.epochs",
    "max_time": "budget.seconds",
    "min_epochs": "strategy.epochs or retrain.epochs",
}
"""Options of nasforge that replace well-known arguments of Lightning's trainer."""


def trainer_options(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments for Lightning's trainer from the section `trainer`.

    Raises:
        OptionError: an argument that a run may not set, or an invalid value, here or in an environment variable.
    """
    allowed = inspect.signature(TrainerOptions).parameters
    for key in section:
        if key in inspect.signature(pl.Trainer).parameters and key not in allowed:
            instead = f"; set {_INSTEAD[key]} instead" if key in _INSTEAD else ""
            raise OptionError(
                f"trainer.{key} would change a run's results, or is set by nasforge{instead}. trainer has: "
                f"{', '.join(allowed)}."
            )
    for variable in os.environ:
        if variable.startswith("PL_TRAINER_"):
            raise OptionError(f"the environment variable {variable} would change a run's results: unset it")
    options = vars(checked(TrainerOptions, section, where="trainer"))
    if options["precision"] != "32-true" and device_of(options) == "mps":
        raise OptionError(
            f"trainer.precision={options['precision']}: an Apple GPU computes only in 32-true; "
            "set trainer.accelerator=cpu"
        )
    if options["graph"] is True and not device_of(options).startswith("cuda"):
        raise OptionError(
            f"trainer.graph=true: only an NVIDIA GPU replays steps as CUDA graphs, and this run computes on "
            f"{device_of(options)}; trainer.graph=auto does so where it can"
        )
    return dict(options)
