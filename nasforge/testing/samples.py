"""Small inputs for the suites and for tests of plug-ins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from nasforge.architecture import Architecture
from nasforge.data import Preprocessing, SearchData
from nasforge.images import ImageSet
from nasforge.space import SearchSpace, Shape

SHAPES: tuple[Shape, ...] = ((1, 9, 9), (3, 8, 8), (3, 7, 10))
"""Image shapes that every space must support: one and three channels, odd and unequal sides."""


def tiny_data(shape: Shape = (3, 8, 8), classes: int = 2, images: int = 32) -> SearchData:
    """Return a search's view of noisy images whose brightness depends on their class."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(images) % classes
    pixels = torch.randint(0, 128, (images, *shape), generator=generator) + labels.view(-1, 1, 1, 1) * 127 // classes
    preprocessing = Preprocessing((0.5,) * shape[0], (0.25,) * shape[0], 1, False)
    names = tuple(f"class {index}" for index in range(classes))
    return SearchData(ImageSet.of(pixels.to(torch.uint8), labels), names, preprocessing, 8, seed=0)


def samples(space: SearchSpace, seed: int, count: int = 5) -> list[Architecture]:
    """Return random architectures."""
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


def variation(space: SearchSpace, seed: int) -> Iterator[Architecture]:
    """Yield samples, neighbors and children from a space."""
    rng = np.random.default_rng(seed)
    for _ in range(5):
        a, b = space.sample(rng), space.sample(rng)
        yield from (a, b, space.mutate(a, rng), space.crossover(a, b, rng))
