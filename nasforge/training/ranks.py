"""Processes that share the fits of a run. The run itself is rank 0; the others wait for fits and take part in them."""

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
"""How long it waits for the next fit to begin."""
RELEASE = timedelta(minutes=1)
"""How long rank 0 waits for the others to release them, if it never shared a fit."""


@dataclass(frozen=True)
class Fit:
    """A fit as it goes to the other ranks: arguments of `train`."""

    module: FitModule
    data: FitData
    threads: int
    arguments: Mapping[str, Any]
    callbacks: Sequence[Callback] = ()

    def here(self, placement: Placement, **own: Any) -> int:
        """Train in this process; returns the number of epochs that the module has trained."""
        torch.set_num_threads(self.threads)
        return train(self.module, self.data, callbacks=self.callbacks, placement=placement, **self.arguments, **own)

    def packed(self) -> bytes:
        """Pickled for other processes, which import the classes of the module and the callbacks.

        Raises:
            OptionError: the module or a callback cannot be pickled.
        """
        try:
            return pickle.dumps(self)
        except Exception as error:
            raise OptionError(
                f"fit '{self.arguments['name']}' cannot be shared by several processes: "
                f"{type(self.module).__name__} or a callback cannot be pickled ({text_of(error)}); "
                "trainer.devices=1 trains it in one"
            ) from error


@dataclass
class Ranks:
    """Where fits run. On one node the first fit starts the other processes; `torchrun` and SLURM start all of them.

    Args:
        local: processes on each node.
        nodes: the number of nodes.
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
        """The number of all processes."""
        return self.local * self.nodes

    def train(self, fit: Fit, **own: Any) -> int:
        """Train `fit.module` on all ranks; returns the number of epochs that it has trained.

        Args:
            own: further arguments of `train` for this rank alone, such as loggers and the budget.

        Raises:
            RunError: another rank ended.
        """
        placement = Placement(0, self.count, self.local)
        if self.count == 1:
            return fit.here(placement, **own)
        packed = fit.packed()
        self._fitting = str(fit.arguments["name"])
        self._begin()
        try:
            _external.fitting = True  # from here on the others expect a fit and nothing else
            _broadcast(packed, self._control)
            done = fit.here(placement, **own)
        except Exception as error:
            if _of_another(error) and (lost := self._lost()):
                raise RunError(lost) from error
            raise
        self._fitting, _external.fitting = "", False
        return done

    def close(self) -> None:
        """Release the others; kill them if this rank was stopped while they started or trained."""
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
        """Start a process that ends when its standard input closes, and so with this process, however this one ends."""
        call = f"follow({rank}, {self.count}, {self.local}, {port}, {self.cuda})"
        code = f"from nasforge.training.ranks import follow; {call}"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, env=environment)

    def _lost(self) -> str:
        """A sentence about a rank that has ended; empty if none does within five seconds."""
        rest = "what was finished is kept: `nasforge resume` continues after the fit's last epoch"
        if not self._followers:
            return f"another process that shared fit '{self._fitting}' has ended; {rest}"
        for _ in range(50):
            for rank, process in enumerate(self._followers, start=1):
                if process.poll() is not None:
                    how = f"signal {-process.returncode}" if process.returncode < 0 else f"status {process.returncode}"
                    which = f"process {rank + 1} of the {self.count} that shared fit '{self._fitting}'"
                    return f"{which} ended with {how}; {rest}"
            time.sleep(0.1)
        return ""

    def _watch(self, followers: Sequence[subprocess.Popen[bytes]]) -> None:
        """End this process a minute after another rank is lost: a GPU waits for that rank where no Python code runs."""
        while all(process.poll() is None for process in followers):
            time.sleep(1.0)
        time.sleep(60.0)
        if self._fitting and self._followers == list(followers):
            print(f"nasforge: {self._lost()}", file=sys.stderr, flush=True)
            os._exit(1)


def ranks_of(trainer: Mapping[str, Any]) -> Ranks:
    """The processes that the section `trainer` asks for; `OptionError` if it asks for something impossible."""
    return Ranks(*asked_for(trainer))


def _of_another(error: Exception) -> bool:
    """Whether an error says that another process has ended; gloo raises plain RuntimeErrors."""
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()


def follow(rank: int, ranks: int, local: int, port: int, cuda: bool) -> None:
    """Take part in the fits of the run that started this process, until it is released."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; rank 0 handles it
    store = TCPStore("127.0.0.1", port, ranks, is_master=False)
    store.set(f"rank {rank}", "is here")
    _take_part(Placement(rank, ranks, local), lambda: _joined(rank, ranks, cuda, store))


def follow_externally() -> bool:
    """Whether `torchrun` or SLURM started this process as another rank than 0; true once all fits are done."""
    started = started_by_others()
    if started is None or started.rank == 0:
        return False
    _take_part(Placement(started.rank, started.ranks, started.local), _joined_without_signals)
    return True


def _joined_without_signals() -> Any:
    control = _joined_externally(torch.cuda.is_available())
    for number in (signal.SIGINT, signal.SIGTERM):  # these reach all processes; from now on rank 0 handles them
        signal.signal(number, signal.SIG_IGN)
    return control


def release_externally() -> None:
    """Release the other processes that `torchrun` or SLURM started; rank 0 calls it at the end of the command.

    Processes in the middle of a fit end when this process does.
    """
    if started_by_others() is not None and not _external.fitting:
        with suppress(RuntimeError):  # of gloo, about processes that have ended already
            _broadcast(b"", _joined_externally(torch.cuda.is_available(), RELEASE))
            torch.distributed.destroy_process_group()  # its threads would abort the interpreter as it exits


def _take_part(placement: Placement, join: Callable[[], Any]) -> None:
    try:
        control = join()
        while packed := _broadcast(b"", control):
            fit: Fit = pickle.loads(packed)
            fit.here(placement)
    except NasforgeError:  # every rank raises it, and rank 0 reports it
        os._exit(1)
    except Exception as error:
        if _of_another(error):  # rank 0 has ended, or reports which process has
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
    """The state that this process shares with the others that `torchrun` or SLURM started.

    Attributes:
        control: the group over which fits are announced.
        fitting: whether a fit is under way or was interrupted.
    """

    control: Any = None
    fitting: bool = False


_external = _External()


def _joined(rank: int, ranks: int, cuda: bool, store: TCPStore | None, patience: timedelta = STEP) -> Any:
    """Join the process group of the fits; returns the group over which fits are announced."""
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if cuda else "gloo", rank=rank, world_size=ranks, timeout=patience, store=store
    )
    return dist.new_group(backend="gloo", timeout=IDLE)


def _broadcast(packed: bytes, control: Any) -> bytes:
    """On every rank the bytes that rank 0 sends; none mean that there are no more fits."""
    message: list[Any] = [packed]
    dist.broadcast_object_list(message, src=0, group=control)
    return bytes(message[0])


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)
