"""What ME-DARTS's stages are trained on: parts of the halves of all images, at half their resolution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nasforge import FitData, Run, SearchData, Shape, Supernet, WeightSharing, isolated
from nasforge_plugins.strategy.medarts.stages import Stage

SMALLEST_SIDE = 16
"""Pixels below which images are not halved unless asked for: 4x4 digits of two reductions would be left with one."""


def scale_of(data: SearchData, asked: float | None) -> float:
    """The factor asked for; None is half, as in the paper, unless images are too small for it."""
    return asked or (0.5 if min(data.input_shape[1:]) >= SMALLEST_SIDE else 1.0)


def images_of(stage: Stage, data: SearchData, scale: float) -> FitData:
    """The stage's images: class-balanced, those of a smaller stage among them, scaled by Lanczos.

    Subsets are taken of each half, so that no stage trains on what another one is scored on.
    """
    halves = data.halves()
    train, validation = halves.train, halves.validation
    assert validation is not None  # halves() always makes both
    if stage.images is not None:
        train, validation = (half.subset(stage.images // 2, data.seed) for half in (train, validation))
    if scale != 1.0:
        train, validation = train.scaled(scale), validation.scaled(scale)
    preprocessing = replace(halves.preprocessing, pad=round(halves.preprocessing.pad * scale))
    return replace(halves, train=train, validation=validation, preprocessing=preprocessing)


def scaled(shape: Shape, scale: float) -> Shape:
    """(C, H, W) of images after scaling, rounded as `SearchData.scaled` does."""
    channels, height, width = shape
    return channels, max(1, round(height * scale)), max(1, round(width * scale))


def fits_full_size(supernet: Supernet, space: WeightSharing, run: Run, scale: float) -> bool:
    """Whether the weights fit images of full size, on which the control scores; a note says so of scaled ones."""
    if scale == 1.0:
        return True
    options: Any = supernet.options
    with isolated(0):
        full = space.supernet(run.data.input_shape, run.data.classes, **options)
    fits = full.state_dict().keys() == supernet.state_dict().keys()
    control = "scores them on images of full size" if fits else "is left out, since those of full size get another stem"
    run.notes.append(f"the supernets were trained on images scaled by {scale:g}; the control {control}")
    return fits
