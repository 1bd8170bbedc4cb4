"""Lightning fits: an interrupted one continues after its last saved epoch, a finished one returns from its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.callbacks import Callback
from safetensors.torch import load_file, save_file
from torch import Tensor

from nasforge.data import FitData
from nasforge.errors import RunError
from nasforge.journal.journal import Journal, atomic, digest, file_digest, write_json
from nasforge.journal.run_folder import RunFolder
from nasforge.training.modules import FitModule
from nasforge.training.ranks import Fit, Ranks


def _restored(module: FitModule, checkpoint: Path) -> FitModule:
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    _load(module, content["state_dict"])
    module.on_load_checkpoint(content)
    return module


def _load(module: FitModule, state: Mapping[str, Tensor]) -> None:
    """Load the tensors in their own precision: a fit in double precision leaves a module of doubles."""
    module.to(next((tensor.dtype for tensor in state.values() if tensor.is_floating_point()), module.dtype))
    module.load_state_dict(state)


def _epochs_done(module: FitModule) -> int:
    return max(map(len, module.history.values()), default=0)


class Fits:
    """The fits of one run: `fits/<name>/` has an interrupted fit's checkpoint, or a finished one's weights."""

    def __init__(
        self,
        folder: Path,
        journal: Journal,
        *,
        seed: int,
        threads: int,
        trainer: Mapping[str, Any],
        ranks: Ranks | None = None,
    ) -> None:
        self._folder, self._journal = folder, journal
        self._seed, self._threads, self._trainer, self._ranks = seed, threads, trainer, ranks or Ranks()

    def folder(self, name: str) -> Path:
        """Return the folder of a fit's files."""
        return RunFolder(self._folder).fits / name

    def fit(
        self,
        module: FitModule,
        name: str,
        epochs: int,
        data: FitData,
        *,
        exhausted: Callable[[], bool],
        began: Callable[[int], object],
        callbacks: Sequence[Callback],
        loggers: Sequence[Any],
    ) -> FitModule:
        """Train `module`, or restore it if an earlier start finished training it."""
        key = self._key(module, name, epochs, data)
        finished = self._journal.find("fit", key)
        module.bind(name, self._seed, data)
        if finished is not None:
            return self._replay(module, name, finished)
        checkpoint = self.folder(name) / f"{key}.ckpt"
        self._check(checkpoint, key, name)
        if checkpoint.exists() and (exhausted() or _restored(module, checkpoint).stopped_early):
            # The fit stays where an earlier start stopped it.
            done = _epochs_done(_restored(module, checkpoint))
        else:
            arguments = {"name": name, "epochs": epochs, "seed": self._seed, "trainer": self._trainer}
            fit = Fit(module, data, self._threads, {**arguments, "checkpoint": checkpoint}, callbacks)
            saving = partial(self._saving, module, name, key)
            done = self._ranks.train(fit, exhausted=exhausted, began=began, loggers=loggers, saving=saving)
        complete = done >= epochs or module.stopped_early
        self._commit(module, name, key, complete=complete)
        if complete:
            checkpoint.unlink(missing_ok=True)
        return module

    @contextmanager
    def _saving(self, module: FitModule, name: str, key: str, checkpoint: Path) -> Iterator[Path]:
        """Write the line before its checkpoint: a kill between the two leaves the earlier one, also recorded."""
        self._journal.check_present()
        with atomic(checkpoint) as temporary:
            yield temporary
            self._journal.write("checkpoint", key, sync=True, digest=file_digest(temporary))
        self._show(module, name)

    def _check(self, checkpoint: Path, key: str, name: str) -> None:
        """Raise a `RunError` if there is a checkpoint that the journal does not record."""
        known = {line["digest"] for line in self._journal.of_kind("checkpoint") if line["key"] == key}
        if checkpoint.exists() and file_digest(checkpoint) not in known:
            raise RunError(
                f"{checkpoint} was altered: the journal records no such checkpoint of fit '{name}'. Restore it from a "
                "copy, or delete it: the fit then starts again from its first epoch, with the same result."
            )

    def weights_file(self, name: str) -> tuple[Path, str]:
        """Return the path of a fit's weights and the file's digest."""
        path = self.folder(name) / "weights.safetensors"
        return path, file_digest(path)

    def _commit(self, module: FitModule, name: str, key: str, *, complete: bool) -> None:
        """Write the weights first, then the history, then the line that refers to the weights."""
        self._journal.check_present()
        path = self.folder(name) / "weights.safetensors"
        with atomic(path) as temporary:
            save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, temporary)
        self._show(module, name)
        if complete:
            weights = file_digest(path)
            self._journal.write("fit", key, sync=True, name=name, weights=weights, history=module.history)

    def _replay(self, module: FitModule, name: str, line: Mapping[str, Any]) -> FitModule:
        path = self.folder(name) / "weights.safetensors"
        self._journal.check_file(path, line["weights"], line)
        _load(module, load_file(path))
        module.history = {metric: list(values) for metric, values in line["history"].items()}
        self._show(module, name)  # the file may have been altered
        return module

    def _show(self, module: FitModule, name: str) -> None:
        """Write the history, for people and the report."""
        content = {"metrics": module.history, "epochs": _epochs_done(module), "about": module.explanations()}
        write_json(self.folder(name) / "history.json", content)

    def _key(self, module: FitModule, name: str, epochs: int, data: FitData) -> str:
        """Return a hash of all that determines the fit's outcome, not of budget, device, executor or loggers."""
        start = hashlib.sha256()
        for tensor in module.state_dict().values():
            start.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        parts = [type(module).__qualname__, str(self._trainer.get("precision", "")), start.hexdigest()]
        parts += [module.about] if module.about is not None else []
        return digest(["fit", name, epochs, data.fingerprint, self._seed, self._threads, *parts])
