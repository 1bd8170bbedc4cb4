"""Images that lie as a whole on the device that trains on them, where a batch is an index into them.

A data set moves there once, as uint8. The order of its images and their augmentation are those of a loader.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.weak import WeakIdKeyDictionary

from nasforge.data import FitData
from nasforge.devices.machine import GIB, memory_of
from nasforge.errors import OptionError
from nasforge.images import ImageSet

AUTOMATIC_SHARE = 0.25
"""The share of a GPU's free memory that images may take if the user does not ask for it."""
READ_AT_ONCE = 1_000

_moved: MutableMapping[Any, dict[tuple[torch.device, float], Tensor]] = WeakIdKeyDictionary()
"""By source of images: its images at each device and scale. They go when the source goes."""


def placed(data: FitData, device: torch.device, on_device: bool | Literal["auto"]) -> FitData | None:
    """Return the data with its images on `device`; None if a loader is to read them, as views always are.

    Args:
        on_device: `auto` moves images to a GPU if they take at most a quarter of its free memory, and leaves them to
            the loader on a CPU, where an index is no faster.
    """
    sets = [images for images in (data.train, data.validation) if images is not None]
    if on_device is False or data.train.numbers or (on_device == "auto" and not _suit(sets, device)):
        return None
    train, *validation = (_on(images, device, data.workers) for images in sets)
    return replace(data, train=train, validation=validation[0] if validation else None)


class IndexedBatches:
    """The training batches of `FitData.loader`, in the same order, from images that lie on the device.

    Attributes:
        sampler: the order; Lightning sets its epoch.
    """

    def __init__(self, data: FitData, seed: int, *, rank: int = 0, ranks: int = 1) -> None:
        self._images, self.sampler = data.train, data.order(seed, rank=rank, ranks=ranks)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return (self._images[chosen] for chosen in self.sampler)


def check_room(images: ImageSet, device: torch.device, on_device: bool | Literal["auto"]) -> None:
    """Raise an `OptionError` if images that must lie on `device` take more than its memory, or are views."""
    if on_device is True and images.numbers:
        raise OptionError(
            "trainer.data_on_device=true: these images are cropped anew in each epoch, before they reach the device; "
            "use trainer.data_on_device=auto"
        )
    free = _free(device)
    if on_device is True and not _in_place(images, device) and free is not None and _bytes(images) > free:
        raise OptionError(
            f"trainer.data_on_device=true: {len(images.images):,} images take {_bytes(images) / GIB:,.1f} GiB, but "
            f"{'this machine' if device.type == 'cpu' else device} has {free / GIB:,.1f} GiB"
            f"{' free' if device.type == 'cuda' else ''}; trainer.data_on_device=auto reads them batch by batch"
        )


def _suit(sets: Sequence[ImageSet], device: torch.device) -> bool:
    sources = {id(images.images): images for images in sets if not _in_place(images, device)}
    return device.type == "cuda" and sum(map(_bytes, sources.values())) <= AUTOMATIC_SHARE * (_free(device) or 0)


def _in_place(images: ImageSet, device: torch.device) -> bool:
    """Whether nothing has to move any more."""
    return _in_memory(images, device) or (device, images.scale) in _moved.get(images.images, {})


def _in_memory(images: ImageSet, device: torch.device) -> bool:
    """Whether `device` is the CPU, and the images are in its memory as they are read."""
    return device.type == "cpu" and isinstance(images.images, Tensor) and images.scale == 1


def _bytes(images: ImageSet) -> int:
    """The memory of all images of the source, at the set's scale."""
    return len(images.images) * prod(images.shape)


def _free(device: torch.device) -> int | None:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else memory_of(str(device))


def _on(images: ImageSet, device: torch.device, workers: int) -> ImageSet:
    """The same set as a view of the source on `device`."""
    if _in_memory(images, device):
        return images
    moved = _moved.setdefault(images.images, {})
    if (device, images.scale) not in moved:
        moved[device, images.scale] = _read(images, device, workers)
    labels, positions = images.labels.to(device), images.positions.to(device)
    return replace(images, images=moved[device, images.scale], labels=labels, positions=positions, scale=1.0)


def _read(images: ImageSet, device: torch.device, workers: int) -> Tensor:
    """All images of the source, uint8 (N, C, H, W), on `device`."""
    source = replace(images, positions=torch.arange(len(images.images)))
    whole = torch.empty(len(source), *images.shape, dtype=torch.uint8, device=device)
    parts = torch.split(source.positions, READ_AT_ONCE)
    # A loader reads files in several processes; with a generator of its own it draws nothing from the global one.
    loader: DataLoader[Any] = DataLoader(
        source,  # type: ignore[arg-type]  # its index is a tensor of indices, not one integer
        batch_size=None,
        sampler=parts,
        num_workers=workers,
        generator=torch.Generator(),
    )
    for part, (pixels, _) in zip(parts, loader, strict=True):
        whole[int(part[0]) : int(part[-1]) + 1] = pixels
    return whole
