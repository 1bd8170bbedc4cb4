"""The section `trainer` of a configuration: what of Lightning's `Trainer` a run may set. None of it steers a search."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytorch_lightning as pl
from pydantic import Field

from nasforge.errors import OptionError
from nasforge.registry.options import checked
from nasforge.run.resources import device_of


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """Arguments of `pytorch_lightning.Trainer`: where fits are computed, how precisely, and what is written of them.

    Attributes:
        accelerator, devices: on what, and how many of it on each node; or which GPUs.
        num_nodes: machines that share a fit.
        strategy: how several devices share it; `auto` is DDP.
        precision: of weights and activations, part of the run's identity; `bf16-mixed` multiplies in 16 bits.
        profiler: measures what each step of a fit takes, into `fits/<name>/`.
        log_every_n_steps: how often a logger hears of values of single steps.
    """

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = "auto"
    devices: int | Literal["auto"] | list[int] = 1
    num_nodes: Annotated[int, Field(ge=1)] = 1
    strategy: Literal["auto", "ddp"] = "auto"
    precision: Literal["32-true", "64-true", "bf16-mixed"] = "32-true"
    profiler: Literal["simple", "advanced", "pytorch"] | None = None
    log_every_n_steps: Annotated[int, Field(ge=1)] = 50


_INSTEAD = {
    "accumulate_grad_batches": "data.batch_size",
    "callbacks": "callbacks=NAME",
    "fast_dev_run": "strategy.epochs or retrain.epochs",
    "gradient_clip_val": "strategy.optimizer.clip or retrain.clip",
    "logger": "logger=csv or logger=tensorboard",
    "max_epochs": "strategy.epochs or retrain.epochs",
    "max_time": "budget.seconds",
    "min_epochs": "strategy.epochs or retrain.epochs",
}
"""What to set in nasforge instead, for arguments of Lightning's trainer that people are used to."""


def trainer_options(section: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a section `trainer` gives Lightning's trainer.

    Raises:
        OptionError: an argument that a run may not set, or a value that it cannot have; so, too, if an environment
            variable gives Lightning an argument.
    """
    may = ", ".join(inspect.signature(TrainerOptions).parameters)
    for key in section:
        if key in inspect.signature(pl.Trainer).parameters and key not in inspect.signature(TrainerOptions).parameters:
            instead = f"; set {_INSTEAD[key]} instead" if key in _INSTEAD else ""
            raise OptionError(
                f"trainer.{key} would change what a run computes, or is nasforge's to set{instead}. trainer has: {may}."
            )
    for variable in os.environ:
        if variable.startswith("PL_TRAINER_"):
            raise OptionError(f"the environment variable {variable} would change what a run computes: unset it")
    options = vars(checked(TrainerOptions, section, where="trainer"))
    if options["precision"] != "32-true" and device_of(options) == "mps":
        raise OptionError(
            f"trainer.precision={options['precision']}: an Apple GPU computes in 32-true; "
            "trainer.accelerator=cpu would do"
        )
    return dict(options)
