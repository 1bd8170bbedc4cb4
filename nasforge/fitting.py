"""Lightning fits that begin again at their last committed epoch, and finished ones that replay from their weights."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, Checkpoint
from safetensors.torch import load_file, save_file

from nasforge.data import FitData
from nasforge.errors import RunError
from nasforge.journal import Journal, atomic, digest, file_digest, write_json
from nasforge.randomness import isolated, seed_of
from nasforge.training import FitModule


class _EpochCheckpoint(Checkpoint):
    """One atomic checkpoint after the epoch's last hook (Lightning runs `Checkpoint` callbacks after the module's)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        with atomic(self._path) as temporary:
            trainer.save_checkpoint(temporary)


class _StopWhen(Callback):
    """Stops at an epoch's end when the budget is used up."""

    def __init__(self, exhausted: Callable[[], bool]) -> None:
        self._exhausted = exhausted

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        trainer.should_stop = self._exhausted()


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
    resume_from: Path | None = None,
) -> int:
    """Fit `module` for `epochs` in a Lightning trainer; returns the number of epochs it has behind it.

    Every draw comes from (seed, name, epoch, purpose); the global generators are left as they were.
    """
    module.bind(name, seed, data)
    with isolated(seed_of(seed, name, "fit")), _hushed():
        lightning = pl.Trainer(
            max_epochs=epochs,
            callbacks=list(callbacks),
            logger=list(loggers) or False,
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
            **trainer,
        )
        loader = data.loader(seed_of(seed, name, "order") % 2**32)
        lightning.fit(module, loader, ckpt_path=resume_from, weights_only=True if resume_from else None)
        return lightning.current_epoch


@contextmanager
def _hushed() -> Iterator[None]:
    """Lightning's advice (workers, logging intervals) is for who writes the loop; here that is us."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric|lightning_utilities)\b")
        yield


def _restored(module: FitModule, checkpoint: Path) -> FitModule:
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    module.load_state_dict(content["state_dict"])
    module.on_load_checkpoint(content)
    return module


def _epochs_behind(module: FitModule) -> int:
    return max(map(len, module.history.values()), default=0)


class Fits:
    """The fits of one run: `fits/<name>/` holds the checkpoint of a broken one and the weights of a finished one."""

    def __init__(self, folder: Path, journal: Journal, *, seed: int, threads: int, trainer: Mapping[str, Any]) -> None:
        self._folder, self._journal = folder, journal
        self._seed, self._threads, self._trainer = seed, threads, trainer

    def folder(self, name: str) -> Path:
        """Where that fit's files lie."""
        return self._folder / "fits" / name

    def fit(
        self,
        module: FitModule,
        name: str,
        epochs: int,
        data: FitData,
        *,
        exhausted: Callable[[], bool],
        callbacks: Sequence[Callback],
        loggers: Sequence[Any],
    ) -> FitModule:
        """Train `module`, or bring back what it was when an earlier start finished training it."""
        key = self._key(module, name, epochs, data)
        finished = self._journal.find("fit", key)
        module.bind(name, self._seed, data)
        if finished is not None:
            return self._replay(module, name, finished)
        checkpoint = self.folder(name) / f"{key}.ckpt"
        torch.set_num_threads(self._threads)
        if checkpoint.exists() and exhausted():  # what an earlier start stopped at is what it stays at
            done = _epochs_behind(_restored(module, checkpoint))
        else:
            done = self._train(module, name, epochs, data, checkpoint, [_StopWhen(exhausted), *callbacks], loggers)
        self._commit(module, name, key, complete=done >= epochs)
        if done >= epochs:
            checkpoint.unlink(missing_ok=True)
        return module

    def weights_file(self, name: str) -> tuple[Path, str]:
        """The file of a fit's weights, and its digest."""
        path = self.folder(name) / "weights.safetensors"
        return path, file_digest(path)

    def _train(
        self,
        module: FitModule,
        name: str,
        epochs: int,
        data: FitData,
        checkpoint: Path,
        callbacks: Sequence[Callback],
        loggers: Sequence[Any],
    ) -> int:
        resume_from = checkpoint if checkpoint.exists() else None
        return train(
            module,
            data,
            name=name,
            epochs=epochs,
            seed=self._seed,
            trainer=self._trainer,
            callbacks=[*callbacks, _EpochCheckpoint(checkpoint)],
            loggers=loggers,
            resume_from=resume_from,
        )

    def _commit(self, module: FitModule, name: str, key: str, *, complete: bool) -> None:
        """Weights first, then the history, then the line that names them."""
        path = self.folder(name) / "weights.safetensors"
        with atomic(path) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, temporary)
        content = {"metrics": module.history, "epochs": _epochs_behind(module)}
        write_json(self.folder(name) / "history.json", content)
        if complete:
            weights = file_digest(path)
            self._journal.write("fit", key, sync=True, name=name, weights=weights, history=module.history)

    def _replay(self, module: FitModule, name: str, line: Mapping[str, Any]) -> FitModule:
        path = self.folder(name) / "weights.safetensors"
        if not path.exists() or file_digest(path) != line["weights"]:
            state = "is missing" if not path.exists() else "was altered"
            raise RunError(
                f"{path} {state}: the journal names it as the weights of fit '{name}'. Restore it to resume."
            )
        module.load_state_dict(load_file(path))
        module.history = {metric: list(values) for metric, values in line["history"].items()}
        return module

    def _key(self, module: FitModule, name: str, epochs: int, data: FitData) -> str:
        """Of all that decides the fit's outcome; not of budget, device, executor or loggers."""
        start = hashlib.sha256()
        for tensor in module.state_dict().values():
            start.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        what = (type(module).__qualname__, str(self._trainer.get("precision", "")), start.hexdigest())
        return digest(["fit", name, epochs, data.fingerprint, self._seed, self._threads, *what])
