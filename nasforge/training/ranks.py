"""Processes that share the fits of a run. The run's own is rank 0; the others wait for fits, and train along."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import Callback
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from nasforge.data import FitData
from nasforge.errors import NasforgeError, OptionError, RunError, reason, text_of
from nasforge.training.fit import Placement, train
from nasforge.training.modules import FitModule
from nasforge.training.rank_options import asked_for, started_by_others

STEP = timedelta(hours=1)
"""How long a rank waits for the others inside a fit."""
IDLE = timedelta(days=30)
"""How long it waits for the next fit."""
RELEASE = timedelta(minutes=1)
"""How long the first one waits for the others to let them go, if it has none to share."""


@dataclass(frozen=True)
class Fit:
    """A fit as it goes to the other ranks: arguments of `train`."""

    module: FitModule
    data: FitData
    threads: int
    arguments: Mapping[str, Any]
    callbacks: Sequence[Callback] = ()

    def here(self, placement: Placement, **own: Any) -> int:
        """Train in this process; the number of epochs behind the module."""
        torch.set_num_threads(self.threads)
        return train(self.module, self.data, callbacks=self.callbacks, placement=placement, **self.arguments, **own)

    def packed(self) -> bytes:
        """For other processes, which know modules and callbacks by where their classes are written."""
        try:
            return pickle.dumps(self)
        except Exception as error:
            raise OptionError(
                f"fit '{self.arguments['name']}' cannot be shared by several processes: "
                f"{type(self.module).__name__} or a callback cannot be pickled ({text_of(error)}); "
                "trainer.devices=1 would do"
            ) from error


@dataclass
class Ranks:
    """Where fits run. On one node the other processes are started with the first fit; `torchrun` and SLURM start all.

    Args:
        local: processes on each node.
        nodes: how many.
        cuda: whether they compute on GPUs.
    """

    local: int = 1
    nodes: int = 1
    cuda: bool = False
    _followers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _control: Any = None
    _joining: bool = False
    _fitting: str = ""

    @property
    def count(self) -> int:
        """Of all processes."""
        return self.local * self.nodes

    def train(self, fit: Fit, **own: Any) -> int:
        """Train `fit.module` on all ranks; the number of epochs behind it.

        Args:
            own: what only this rank has: loggers, the budget.

        Raises:
            RunError: another rank was lost.
        """
        placement = Placement(0, self.count, self.local)
        if self.count == 1:
            return fit.here(placement, **own)
        packed = fit.packed()
        self._fitting = str(fit.arguments["name"])
        self._begin()
        try:
            _external.fitting = True  # from here on the others wait for a fit, and for nothing else
            _broadcast(packed, self._control)
            done = fit.here(placement, **own)
        except Exception as error:
            if _of_another(error) and (lost := self._lost()):
                raise RunError(lost) from error
            raise
        self._fitting, _external.fitting = "", False
        return done

    def close(self) -> None:
        """Let the others go; where this rank was stopped while they started or trained, they are ended."""
        if not self._followers:
            return
        in_order = self._control is not None and not self._fitting
        if in_order and all(process.poll() is None for process in self._followers):
            _broadcast(b"", self._control)
        for process in self._followers:
            if not in_order:
                process.kill()
            process.wait()
        self._followers, self._control, self._fitting = [], None, ""
        if self._joining and dist.is_initialized():
            dist.destroy_process_group()
        self._joining = False

    def _begin(self) -> None:
        if self._control is not None:
            return
        if started_by_others() is not None:
            self._control = _joined_externally(self.cuda)
            return
        store = TCPStore("127.0.0.1", 0, self.count, is_master=True, wait_for_workers=False)
        self._followers = [self._follower(rank, store.port) for rank in range(1, self.count)]
        while not store.check([f"rank {rank}" for rank in range(1, self.count)]):
            if any(process.poll() is not None for process in self._followers):
                raise RunError(self._lost())
            time.sleep(0.05)
        self._joining = True
        self._control = _joined(0, self.count, self.cuda, store)
        threading.Thread(target=self._watch, args=(list(self._followers),), daemon=True).start()

    def _follower(self, rank: int, port: int) -> subprocess.Popen[bytes]:
        """It ends with its standard input, which is this process's to hold, however this process ends."""
        call = f"follow({rank}, {self.count}, {self.local}, {port}, {self.cuda})"
        code = f"from nasforge.training.ranks import follow; {call}"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, env=environment)

    def _lost(self) -> str:
        """A sentence on a rank that has ended, if one has; it may take a moment to."""
        rest = "what was finished is kept: `nasforge resume` goes on at the fit's last epoch"
        if not self._followers:
            return f"another process that shared fit '{self._fitting}' is gone; {rest}"
        for _ in range(50):
            for rank, process in enumerate(self._followers, start=1):
                if process.poll() is not None:
                    how = f"signal {-process.returncode}" if process.returncode < 0 else f"status {process.returncode}"
                    which = f"process {rank + 1} of the {self.count} that shared fit '{self._fitting}'"
                    return f"{which} ended with {how}; {rest}"
            time.sleep(0.1)
        return ""

    def _watch(self, followers: Sequence[subprocess.Popen[bytes]]) -> None:
        """GPUs wait for a lost rank where no Python runs: then nothing else could end this process."""
        while all(process.poll() is None for process in followers):
            time.sleep(1.0)
        time.sleep(60.0)
        if self._fitting and self._followers == list(followers):
            print(f"nasforge: {self._lost()}", file=sys.stderr, flush=True)
            os._exit(1)


def ranks_of(trainer: Mapping[str, Any]) -> Ranks:
    """The processes that a trainer's section asks for; an `OptionError` says what cannot be."""
    return Ranks(*asked_for(trainer))


def _of_another(error: Exception) -> bool:
    """Whether an error says that another process is gone; gloo's are plain RuntimeErrors."""
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()


def follow(rank: int, ranks: int, local: int, port: int, cuda: bool) -> None:
    """What a process that a run started does, until it is let go."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; what it means is for rank 0 to say
    store = TCPStore("127.0.0.1", port, ranks, is_master=False)
    store.set(f"rank {rank}", "is here")
    _train_along(Placement(rank, ranks, local), lambda: _joined(rank, ranks, cuda, store))


def follow_externally() -> bool:
    """Whether `torchrun` or SLURM started this process beside a first one; if so, it has trained along to the end."""
    started = started_by_others()
    if started is None or started.rank == 0:
        return False
    _train_along(Placement(started.rank, started.ranks, started.local), _joined_and_deaf)
    return True


def _joined_and_deaf() -> Any:
    control = _joined_externally(torch.cuda.is_available())
    for number in (signal.SIGINT, signal.SIGTERM):  # these reach all; what they mean is from now on for rank 0 to say
        signal.signal(number, signal.SIG_IGN)
    return control


def release_externally() -> None:
    """At the end of the command, however it ends, rank 0 lets go of those that `torchrun` or SLURM started beside it.

    Those that are in the middle of a fit end when this process does.
    """
    if started_by_others() is not None and not _external.fitting:
        with suppress(RuntimeError):  # gloo's, of processes that are gone already
            _broadcast(b"", _joined_externally(torch.cuda.is_available(), RELEASE))
            torch.distributed.destroy_process_group()  # whose threads would else abort the interpreter's end


def _train_along(placement: Placement, join: Callable[[], Any]) -> None:
    try:
        control = join()
        while packed := _broadcast(b"", control):
            fit: Fit = pickle.loads(packed)
            fit.here(placement)
    except NasforgeError:  # what is wrong with a fit all see, and rank 0 says
        os._exit(1)
    except Exception as error:
        if _of_another(error):  # the first process is gone, or says what is lost
            os._exit(1)
        which = f"process {placement.rank + 1} of {placement.ranks}"
        print(f"nasforge: {which}: {reason(error)}", file=sys.stderr, flush=True)
        os._exit(1)


def _joined_externally(cuda: bool, patience: timedelta = STEP) -> Any:
    if _external.control is None:
        started = started_by_others()
        assert started is not None
        os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = started.address, str(started.port)
        _external.control = _joined(started.rank, started.ranks, cuda, None, patience)
    return _external.control


@dataclass
class _External:
    """What this process shares with those that `torchrun` or SLURM started beside it.

    Attributes:
        control: the group over which fits are announced.
        fitting: whether a fit is under way, or was when it was broken off.
    """

    control: Any = None
    fitting: bool = False


_external = _External()


def _joined(rank: int, ranks: int, cuda: bool, store: TCPStore | None, patience: timedelta = STEP) -> Any:
    """Join the process group of the fits; returns the one over which they are announced."""
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if cuda else "gloo", rank=rank, world_size=ranks, timeout=patience, store=store
    )
    return dist.new_group(backend="gloo", timeout=IDLE)


def _broadcast(packed: bytes, control: Any) -> bytes:
    """What rank 0 says, on every rank; nothing means that all is done."""
    said: list[Any] = [packed]
    dist.broadcast_object_list(said, src=0, group=control)
    return bytes(said[0])


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)
