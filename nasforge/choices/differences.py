"""Where a supernet begins to compute something else than the network that inherits its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from nasforge.choices.decisions import clean, conditions, path_in_network


def differ(output: Tensor, expected: Tensor) -> bool:
    """Return whether two outputs in double precision differ by more than rounding does."""
    spread = float((expected - expected.mean(0)).abs().max())
    return not float((output - expected).abs().max()) <= 1e-5 * spread + 1e-9 * float(expected.abs().max())


@contextmanager
def outputs_of(module: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Collect what each part of a module returns, by its path, in the order in which the parts end."""
    outputs: dict[str, Tensor] = {}

    def collect(path: str) -> object:
        return lambda part, inputs, output: outputs.update({path: output} if isinstance(output, Tensor) else {})

    handles = [part.register_forward_hook(collect(path)) for path, part in module.named_modules() if path]  # type: ignore[arg-type]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def first_difference(
    module: nn.Module, outputs: Mapping[str, Tensor], expected: Mapping[str, Tensor], chosen: Mapping[str, int]
) -> str:
    """Return the path of the first part of a supernet's module that returns other values, the cause of which may lie
    right before it; empty if none does.

    Args:
        module: the supernet's.
        outputs: of its parts, whose units beyond those of the network do not count.
        expected: outputs of the network's parts.
        chosen: the network's options, as indices by decision's key.
    """
    for path, output in outputs.items():
        own = expected.get(path_in_network(module, path))
        if own is None or not all(chosen[key] in options for key, options in conditions(module, path)):
            continue
        if output.ndim != own.ndim or differ(output[tuple(map(slice, own.shape))], own):
            return clean(module, path)
    return ""
