"""One fit in a Lightning trainer, alone or as one of several ranks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.callbacks import Callback, Checkpoint
from pytorch_lightning.profilers import AdvancedProfiler, Profiler, PyTorchProfiler, SimpleProfiler
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor

from nasforge.data import FitData
from nasforge.devices.machine import device_of
from nasforge.devices.portions import Member
from nasforge.devices.synced_norm import synchronised
from nasforge.errors import DataError
from nasforge.journal.journal import atomic
from nasforge.randomness import isolated, seed_of
from nasforge.training.captured_steps import strategy_for
from nasforge.training.modules import FitModule
from nasforge.training.resident import IndexedBatches, placed

Saving = Callable[[Path], AbstractContextManager[Path]]
"""Like `atomic`: takes the path of a file, and gives the path to write it to until it is complete."""

OWN_OPTIONS = ("data_on_device", "graph")
"""Options of the section `trainer` that are no arguments of Lightning's."""


@dataclass(frozen=True)
class Placement:
    """Which of the processes of a fit this is.

    Attributes:
        rank, ranks: among all.
        local: processes on each node.
    """

    rank: int = 0
    ranks: int = 1
    local: int = 1

    def arguments(self, trainer: Mapping[str, Any]) -> dict[str, Any]:
        """For `pytorch_lightning.Trainer`, whose processes have started already."""
        where = {"num_nodes", *OWN_OPTIONS, *(["devices"] if _counted(trainer) else [])}
        if isinstance(trainer.get("strategy"), str):  # which several ranks replace, and one does not need
            where.add("strategy")
        others = {key: value for key, value in trainer.items() if key not in where}
        if self.ranks == 1:  # whatever started this process, it shares the fit with no other
            return {"plugins": [LightningEnvironment()], "devices": 1, **others}
        strategy = _SharedFit(cluster_environment=_Ranks(self))
        return {"devices": self.local, "num_nodes": self.ranks // self.local, "strategy": strategy, **others}


def _counted(trainer: Mapping[str, Any]) -> bool:
    """Whether the devices are a number, and not a list of indices."""
    return not isinstance(trainer.get("devices"), list)


class _Ranks(ClusterEnvironment):
    """Tells Lightning which process this is."""

    def __init__(self, placement: Placement) -> None:
        self._placement = placement

    creates_processes_externally = True
    main_address, main_port = "", 0  # the process group is made before any trainer

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self._placement.ranks

    def global_rank(self) -> int:
        return self._placement.rank

    def local_rank(self) -> int:
        return self._placement.rank % self._placement.local

    def node_rank(self) -> int:
        return self._placement.rank // self._placement.local

    def set_world_size(self, size: int) -> None: ...

    def set_global_rank(self, rank: int) -> None: ...


class _SharedFit(DDPStrategy):
    """Lightning's DDP without its launcher, which would set the number of threads, part of a run's identity, and
    without torch's wrapper, which must know the parameters that a step leaves unused: in a supernet, or in a cell with
    a node that nothing reads, there are some. All ranks choose alike, so the same parameters have gradients on each."""

    def _configure_launcher(self) -> None:
        self._launcher = None

    def configure_ddp(self) -> None: ...

    def post_backward(self, closure_loss: Tensor) -> None:
        assert isinstance(self.lightning_module, FitModule)  # `train` takes no other
        gradients = [leaf.grad for leaf in self.lightning_module.leaves if leaf.grad is not None]
        means = Member(self.global_rank, self.world_size).averages(gradients)
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean)


class _EpochCheckpoint(Checkpoint):
    """One atomic checkpoint after the epoch's last hook (Lightning runs `Checkpoint` callbacks after the module's)."""

    def __init__(self, path: Path, saving: Saving) -> None:
        self._path, self._saving = path, saving

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            with self._saving(self._path) as temporary:
                trainer.save_checkpoint(temporary)
        else:  # writes nothing, but waits for rank 0
            trainer.save_checkpoint(self._path)


class _StopWhen(Callback):
    """Stops at the end of an epoch when the budget is used up; rank 0 decides for all."""

    def __init__(self, exhausted: Callable[[], bool]) -> None:
        self._exhausted = exhausted

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        trainer.should_stop = trainer.strategy.broadcast(self._exhausted())


def _profiler(trainer: Mapping[str, Any], checkpoint: Path | None, placement: Placement) -> Profiler | None:
    """The profiler of rank 0. It writes beside the checkpoint, because what Lightning prints is not shown."""
    name = trainer.get("profiler")
    if name is None or checkpoint is None or placement.rank:
        return None
    return _PROFILERS[name](dirpath=checkpoint.parent, filename="profile")


_PROFILERS: Mapping[str, type[Profiler]] = {
    "simple": SimpleProfiler,
    "advanced": AdvancedProfiler,
    "pytorch": PyTorchProfiler,
}


class _Announce(Callback):
    """Calls `began` with the number of each epoch that begins."""

    def __init__(self, began: Callable[[int], object]) -> None:
        self._began = began

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._began(trainer.current_epoch)


def _ignore(epoch: int) -> None:
    """The default of `began`."""


def _never() -> bool:
    return False


def _no_handlers() -> None:
    """The run itself handles stop signals."""


def train(
    module: FitModule,
    data: FitData,
    *,
    name: str,
    epochs: int,
    seed: int,
    trainer: Mapping[str, Any],
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Any] = (),
    checkpoint: Path | None = None,
    saving: Saving = atomic,
    exhausted: Callable[[], bool] = _never,
    began: Callable[[int], object] = _ignore,
    placement: Placement | None = None,
) -> int:
    """Fit `module` for `epochs` in a Lightning trainer; returns the number of epochs that it has trained.

    Every draw comes from (seed, name, epoch, purpose); the global generators are left as they were.

    Args:
        trainer: arguments of `pytorch_lightning.Trainer`, except for those that `placement` sets, and `data_on_device`.
        checkpoint: a file that is written after each epoch; if it exists, the fit continues from it.
        saving: gives the path to write it to.
        exhausted: called after each epoch; the fit stops if it returns true.
        began: called with the number of each epoch that begins, from 0.
        placement: which of the processes that share the fit this is; None: it is the only one.
    """
    placement = placement or Placement()
    if trainer.get("precision") == "64-true":
        module.double()  # Lightning does so too, but only after it has restored the checkpoint
    last = [_EpochCheckpoint(checkpoint, saving)] if checkpoint else []
    own = [_Announce(began), _StopWhen(exhausted), *callbacks, *last]
    resume_from = checkpoint if checkpoint and checkpoint.exists() else None
    with ExitStack() as inside:
        inside.enter_context(isolated(seed_of(seed, name, "fit")))
        inside.enter_context(_hushed())
        if placement.ranks > 1:
            inside.enter_context(synchronised(module.networks))
        captured = strategy_for(module, name, device_of(trainer), placement.ranks, trainer.get("graph", "auto"))
        lightning = pl.Trainer(
            max_epochs=epochs,
            accumulate_grad_batches=module.accumulate,
            callbacks=own,
            logger=list(loggers) or False,
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in own),
            **{**placement.arguments(trainer), **captured, "profiler": _profiler(trainer, checkpoint, placement)},
        )
        if placement.ranks > 1:  # Lightning's handlers would message ranks that wait for something else
            lightning._signal_connector.register_signal_handlers = _no_handlers  # type: ignore[method-assign]
        resident = placed(data, lightning.strategy.root_device, trainer.get("data_on_device", "auto"))
        module.bind(name, seed, resident or data, Member(placement.rank, placement.ranks))
        order = {"seed": seed_of(seed, name, "order") % 2**32, "rank": placement.rank, "ranks": placement.ranks}
        batches: Any = IndexedBatches(resident, **order) if resident else data.loader(**order)
        batches.sampler.set_epoch(_next_epoch(resume_from))  # workers read ahead before Lightning sets it
        try:
            lightning.fit(module, batches, ckpt_path=resume_from, weights_only=True if resume_from else None)
        except DataError as error:  # of a loader's worker: torch puts the worker's traceback before the sentence
            raise DataError(str(error).rpartition("DataError: ")[2].strip()) from None
        finally:
            module.bind(name, seed, data)  # after the fit it is used by this process alone
        return lightning.current_epoch


def _next_epoch(checkpoint: Path | None) -> int:
    """The epoch that a fit begins or continues with: a checkpoint is written at the end of its epoch."""
    return 0 if checkpoint is None else torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"] + 1


@contextmanager
def _hushed() -> Iterator[None]:
    """Silence Lightning's advice on workers and logging intervals, which a user of nasforge cannot follow."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric|lightning_utilities)\b")
        yield
