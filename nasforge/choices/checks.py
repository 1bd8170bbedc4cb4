"""Refuse modules whose networks do not work, or do not compute what the supernet computes; name the place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from nasforge.choices.decisions import clean
from nasforge.choices.differences import differ, first_difference, outputs_of
from nasforge.choices.supernet import ChoiceSupernet
from nasforge.errors import OptionError, reason
from nasforge.networks.batch_norms import batch_statistics
from nasforge.randomness import generator_states
from nasforge.space import Mix, Shape

IMAGES = 2
COMPARED = 4
"""Images on which a network and the supernet are compared."""


def check_logits(module: nn.Module, input_shape: Shape, classes: int) -> None:
    """Raise an `OptionError` if a network does not turn images into logits, or draws random numbers in eval mode."""
    with _evaluated(module), _deterministic(module), _told(module, input_shape):
        logits = module(torch.zeros(IMAGES, *input_shape, device=_device(module)))
    if not isinstance(logits, Tensor) or logits.shape != (IMAGES, classes):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise OptionError(
            f"{type(module).__name__} must return logits {(IMAGES, classes)} for {IMAGES} images and {classes} "
            f"classes, not {shape}; does its constructor take `classes`?"
        )


def check_shapes(supernet: ChoiceSupernet, input_shape: Shape) -> None:
    """Raise an `OptionError` if the outputs of a choice's options or of a repeated block differ in shape."""
    even = {group: torch.full(shape, 1 / shape[1]) for group, shape in supernet.alpha_shapes.items()}
    with _evaluated(supernet), _told(supernet.module, input_shape):
        supernet(torch.zeros(IMAGES, *input_shape), even)


def check_supernet(
    supernet: ChoiceSupernet, network: nn.Module, chosen: Mapping[str, int], mix: Mix, input_shape: Shape
) -> None:
    """Raise an `OptionError` if a network with its share of the supernet's weights computes something else.

    BatchNorms use the statistics of the batch: with those of a new BatchNorm, maps shrink from layer to layer, and the
    logits of a deep network hardly depend on the images.

    Args:
        supernet: in double precision, so that a small difference is not one of rounding.
        network: the user's module for the options `chosen` (indices by decision's key).
        mix: the same options as mixing weights.
    """
    network.double().load_state_dict(supernet.weights_for(network, chosen))
    images = torch.randn(COMPARED, *input_shape, generator=torch.Generator().manual_seed(0)).double()
    with (
        _evaluated(supernet), _evaluated(network), batch_statistics(supernet), batch_statistics(network),
        _told(supernet.module, input_shape), outputs_of(network) as own, outputs_of(supernet.module) as theirs,
    ):  # fmt: skip
        expected, logits = network(images), supernet(images, mix)
    if differ(logits, expected):
        place, difference = first_difference(supernet.module, theirs, own, chosen), (logits - expected).abs().max()
        raise OptionError(
            f"{type(supernet.module).__name__}{f' at {place!r}' if place else ''}: with the same weights, a network "
            f"computes something else than the supernet (logits differ by {float(difference):.2g}). Something reads a "
            "variable width in another way than an nn.Conv2d, nn.Linear, nn.BatchNorm2d or nn.LayerNorm of that width "
            "does, such as concatenated maps of variable widths; or the constructor decides by the value of a width"
        )


@contextmanager
def _evaluated(module: nn.Module) -> Iterator[None]:
    """Put a module into eval mode without gradients, and each of its parts back into its own mode afterwards."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def _deterministic(module: nn.Module) -> Iterator[None]:
    """Raise an `OptionError` in the innermost part that draws random numbers from a global generator."""
    before = generator_states()

    def check(*_: object) -> None:
        if generator_states() != before:
            raise OptionError("it draws random numbers in eval mode; draw them only if self.training is true")

    handles = [part.register_forward_hook(check) for part in module.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _told(module: nn.Module, input_shape: Shape) -> Iterator[None]:
    """Turn an error inside a forward pass into an `OptionError` that names the innermost module."""
    within: list[str] = []
    handles = []
    for path, part in module.named_modules():
        handles.append(part.register_forward_pre_hook(partial(_enter, within, path)))
        handles.append(part.register_forward_hook(partial(_leave, within)))
    try:
        yield
    except Exception as error:
        where = f"at '{clean(module, within[-1])}'" if within and within[-1] else "in its forward()"
        cause = str(error) if isinstance(error, OptionError) else reason(error)
        raise OptionError(f"{type(module).__name__} fails for images {input_shape} {where}: {cause}") from error
    finally:
        for handle in handles:
            handle.remove()


def _enter(within: list[str], path: str, *_: object) -> None:
    within.append(path)


def _leave(within: list[str], *_: object) -> None:
    within.pop()


def _device(module: nn.Module) -> torch.device:
    return next((tensor.device for tensor in module.parameters()), torch.device("cpu"))
