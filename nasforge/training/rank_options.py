"""How many processes share a fit: what the section `trainer` asks for, and what `torchrun` or SLURM has started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment

from nasforge.errors import OptionError
from nasforge.wording import counted


@dataclass(frozen=True)
class Started:
    """This process, one of several that `torchrun` or SLURM started.

    Attributes:
        rank, ranks: its number, from 0, and how many processes there are.
        local: how many processes there are on each node.
        address, port: where rank 0 listens.
    """

    rank: int
    ranks: int
    local: int
    address: str
    port: int


def started_by_others() -> Started | None:
    """This process as `torchrun` or SLURM's `srun` describes it; None if neither started several processes.

    Raises:
        OptionError: one of their environment variables is missing or is not a number.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ and (ranks := _number("WORLD_SIZE", 1)) > 1:
        address, port = _variable("MASTER_ADDR"), _number("MASTER_PORT", 1)
        return Started(_number("RANK"), ranks, _number("LOCAL_WORLD_SIZE", 1), address, port)
    if "SLURM_PROCID" in os.environ and (ranks := _number("SLURM_STEP_NUM_TASKS", 1, or_else="1")) > 1:
        address = SLURMEnvironment.resolve_root_node_address(_variable("SLURM_STEP_NODELIST"))
        port = 20000 + _number("SLURM_JOB_ID") % 20000  # jobs that share a node must not share a port
        return Started(_number("SLURM_PROCID"), ranks, ranks // _number("SLURM_STEP_NUM_NODES", 1), address, port)
    return None


def _variable(name: str, or_else: str | None = None) -> str:
    value = os.environ.get(name, or_else)
    if not value:
        raise OptionError(f"the environment variable {name} is missing; torchrun and srun set it for each process")
    return value


def _number(name: str, least: int = 0, or_else: str | None = None) -> int:
    value = _variable(name, or_else)
    if not value.isdecimal() or int(value) < least:
        raise OptionError(f"the environment variable {name}={value}, of torchrun or srun, must be {least} or more")
    return int(value)


def asked_for(trainer: Mapping[str, Any]) -> tuple[int, int, bool]:
    """Processes on each node, nodes, and whether they compute on GPUs.

    Args:
        trainer: as `trainer_options` checks it.

    Raises:
        OptionError: more devices than there are, or another number than `torchrun` or SLURM started.
    """
    accelerator = trainer.get("accelerator", "auto")
    _check_accelerator(accelerator)
    cuda = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    local, nodes = _device_count(trainer.get("devices", 1), cuda), trainer.get("num_nodes", 1)
    started = started_by_others()
    if nodes > 1 and started is None:
        raise OptionError(
            f"trainer.num_nodes={nodes}: processes on several nodes are started by torchrun or srun "
            "(torchrun --nnodes=... --nproc-per-node=... -m nasforge ...)"
        )
    if started is not None and local * nodes > 1 and started.ranks != local * nodes:
        raise OptionError(
            f"{started.ranks} processes were started, but trainer.devices={local} on "
            f"trainer.num_nodes={nodes} makes {local * nodes}"
        )
    return local, nodes, cuda


def _check_accelerator(accelerator: str) -> None:
    there = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    there["gpu"] = there["cuda"] or there["mps"]
    if not there[accelerator]:
        raise OptionError(
            f"trainer.accelerator={accelerator}: torch finds no such device here; `nasforge doctor` says more, "
            "and trainer.accelerator=auto takes what there is"
        )


def _device_count(devices: Any, cuda: bool) -> int:
    there = torch.cuda.device_count() if cuda else os.cpu_count() or 1
    what = counted(there, "GPU" if cuda else "processor")
    if devices in ("auto", -1):
        return there if cuda else 1
    if isinstance(devices, list) and cuda and devices:
        if len(set(devices)) < len(devices):
            raise OptionError(f"trainer.devices={devices}: it names a GPU twice")
        if missing := [device for device in devices if device not in range(there)]:
            raise OptionError(f"trainer.devices={devices}: there is no GPU {missing[0]}; this machine has {what}")
        return len(devices)
    if not isinstance(devices, int) or devices < 1:
        raise OptionError(f"trainer.devices={devices!r}: it must be a whole number, 1 or more, or auto")
    if devices > there:
        raise OptionError(f"trainer.devices={devices}: this machine has {what}")
    return devices
