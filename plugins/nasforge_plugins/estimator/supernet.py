"""Scores architectures with the weights of a supernet: the one that the strategy trained, or that of a finished run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file

from nasforge import (
    BatchSize,
    Context,
    Count,
    CountOrZero,
    FinishedSupernet,
    FitData,
    OptionError,
    RunError,
    SearchData,
    SearchSpace,
    SharedWeights,
    Supernet as SupernetNetwork,
    WeightSharing,
    build_supernet,
    load_supernet,
    supernet_state,
    user_path,
)

CALIBRATION_BATCHES = 16
"""By default, if the weights are those of a finished run."""


class Supernet(SharedWeights):
    """Accuracy and cross-entropy of each architecture in discrete form, with shared weights.

    It scores on the search's validation images. With `run`, these are the ones that the supernet of that run was not
    trained on, whatever this search's seed is.

    Args:
        run: the folder of a finished run that trained a supernet; None: the strategy trains one.
        batch_size: images a batch.
        images: score on at most so many of the validation images, the same for every architecture; None: all.
        calibration_batches: see `SharedWeights`; None: 16 with `run`, otherwise 0.

    Raises:
        RunError: there is no such run, or it has no supernet.
    """

    name: ClassVar[str] = "supernet"
    weights_option: ClassVar[str] = "estimator.supernet.run"

    def __init__(
        self,
        *,
        run: Path | None = None,
        batch_size: BatchSize = 256,
        images: Count | None = None,
        calibration_batches: CountOrZero | None = None,
    ) -> None:
        calibrating = CALIBRATION_BATCHES if run is not None else 0
        super().__init__(
            batch_size=batch_size,
            calibration_batches=calibrating if calibration_batches is None else calibration_batches,
        )
        self.images = images
        self.run, self._finished = run, None if run is None else _read(run)
        self._loaded: tuple[SearchSpace, str, SupernetNetwork] | None = None
        if self._finished is not None:
            self.needs_weights = False  # type: ignore[misc]  # it has its own
            # In memory, because other machines may not see the file, and it must not change during the search.
            self._tensors = load_file(self._finished.weights.path)
            self.fingerprint = f"{self._finished.weights.digest}, images split by seed {self._finished.config['seed']}"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the supernet, which each process builds once."""
        return {**vars(self), "_loaded": None}

    def check(self, space: SearchSpace) -> None:
        """Raise an `OptionError` if the run's supernet is not one of `space`."""
        if self._finished is None:
            return
        own = self._finished.config["space"]
        if space.name != own["name"] or not isinstance(space, WeightSharing):
            raise self._unfit(
                f"is of space '{own['name']}', and this search is in space '{space.name}'", f"space={own['name']}"
            )
        if not self._fits(space):
            kept = {key: value for key, value in own.items() if key not in {"name", *self._options}}
            options = [f"space.{key}={_written(value)}" for key, value in kept.items() if _differs(space, key, value)]
            raise self._unfit("does not fit this search's space", f"{' '.join(options)} as in that run")

    def _fits(self, space: WeightSharing) -> bool:
        assert self._finished is not None
        shape, classes = self._finished.data["input shape"], len(self._finished.data["class names"])
        try:
            with torch.device("meta"):
                supernet = build_supernet(space, tuple(shape), classes, self._options)
        except OptionError:  # the space lacks, for example, the decision by which it is split
            return False
        return _shapes(supernet.state_dict()) == _shapes(supernet_state(self._tensors))

    def check_data(self, data: SearchData) -> None:
        """Raise an `OptionError` if the run's supernet was trained on other images."""
        if self._finished is None:
            return
        theirs = self._finished.data
        shape, names = tuple(theirs["input shape"]), tuple(theirs["class names"])
        if data.input_shape != shape:
            raise self._unfit(
                f"is for images of {_by(shape)}, and this search's are {_by(data.input_shape)}", "its data"
            )
        if data.class_names != names:
            raise self._unfit(
                f"tells {len(names)} classes apart ({_few(names)}), and this search's data have {data.classes} "
                f"({_few(data.class_names)})",
                "its data",
            )
        config = self._finished.config
        if replace(self._data(data), batch_size=config["data"]["batch_size"]).fingerprint != theirs["fingerprint"]:
            name, *others = config["data"].items()
            options = [f"data={name[1]}", *(f"data.{key}={_written(value)}" for key, value in others)]
            raise self._unfit("was trained on other images", " ".join(options))

    def supernet(self, context: Context) -> SupernetNetwork:
        """The supernet, in eval mode; that of a run is built once in each process."""
        if self._finished is None:
            return super().supernet(context)
        if self._loaded is None or self._loaded[:2] != (context.space, context.device):
            given = replace(context, weights=self._finished.weights)
            self._loaded = (context.space, context.device, load_supernet(given, self._tensors))
        return self._loaded[2]

    def halves(self, context: Context) -> FitData:
        """The images to calibrate and to score on; those of a run as it had split them."""
        data = self._data(context.data)
        halves = data.halves()
        if self.images is None or halves.validation is None or self.images >= len(halves.validation):
            return halves
        return replace(halves, validation=halves.validation.subset(self.images, data.seed))

    def _data(self, data: SearchData) -> SearchData:
        return data if self._finished is None else replace(data, seed=self._finished.config["seed"])

    @property
    def _options(self) -> dict[str, Any]:
        assert self._finished is not None
        return dict(self._finished.weights.options)

    def _unfit(self, what: str, remedy: str) -> OptionError:
        return OptionError(f"{self.weights_option}={self.run}: its supernet {what}; choose {remedy}, or another run")


def _read(run: Path) -> FinishedSupernet:
    try:
        return FinishedSupernet.read(user_path(run).absolute())
    except RunError as error:
        raise RunError(f"{Supernet.weights_option}={run}: {error}") from error


def _shapes(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


def _differs(space: SearchSpace, key: str, value: Any) -> bool:
    own = getattr(space, key, None)
    return bool((own or value) and (list(own) if isinstance(own, tuple) else own) != value)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
