"""Mixes that the CPU can read, so that a supernet on a GPU leaves out operations of weight 0 without waiting."""

from __future__ import annotations

from torch import Tensor

from nasforge.space import Mix


class KnownMix(dict[str, Tensor]):
    """A mix on a device, together with its copy on the CPU. No gradient flows to either.

    Args:
        mix: the mix on the device.
        on_cpu: the same mix on the CPU.
    """

    def __init__(self, mix: Mix, on_cpu: Mix) -> None:
        super().__init__(mix)
        self.on_cpu = on_cpu


def readable_mix(mix: Mix) -> Mix:
    """Return the mix to read values from: the copy on the CPU if there is one, otherwise the mix itself."""
    return mix.on_cpu if isinstance(mix, KnownMix) else mix
