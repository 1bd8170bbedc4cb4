"""The estimator `zero_cost`: scores candidates without training them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from nasforge import (
    Architecture,
    BatchSize,
    Cells,
    Channels,
    Context,
    Count,
    DataError,
    Estimate,
    Estimator,
    Objective,
    OptionError,
    PlannedNetwork,
    SearchData,
    SearchSpace,
    Shape,
    isolated,
    seed_of,
    unknown,
)

from .probe import LOSSES, Probe
from .proxies import PROXIES
from .spectrum import Degenerate
from .views import Batch, View

PREFIXES = {"network": "", "ntk": "ntk_", "regions": "region_"}
"""The prefix of each view's options."""


class ZeroCost(Estimator):
    """Zero-cost proxies: scores from the gradients and activations of a network at its initial weights.

    The docstring of each proxy gives its definition and source (`gradients.py`, `activations.py`, `kernels.py`). A
    metric is the mean over networks with different weights and over batches of training images. If any of them has no
    score, the metric is the proxy's worst value, and the estimate is flagged with the reason.

    Args:
        proxies: names of proxies, each of which gives a metric of that name. The first matters most.
        seeds: how many networks, each with its own weights.
        batches: how many batches of training images, the same for all candidates.
        batch_size, channels, cells: images per batch, width and depth of the network for most proxies.
        loss: of the proxies that have one.
        image_similarity: whether `gradient_image_correlation` weights two images by how alike they are.
        ntk_batch_size, ntk_channels, ntk_cells: the same for the neural tangent kernels.
        region_images, region_side, region_channels, region_cells: the number of crops and their side in pixels, and
            the width and depth of the network whose linear regions are counted.

    Raises:
        UnknownNameError: there is no such proxy.
        OptionError: there is no proxy, or a proxy is given twice.
    """

    name: ClassVar[str] = "zero_cost"

    def __init__(
        self,
        *,
        proxies: tuple[str, ...] = ("synflow", "jacob_cov", "ntk_condition", "linear_regions"),
        seeds: Count = 1,
        batches: Count = 1,
        batch_size: BatchSize = 32,
        channels: Channels = 16,
        cells: Cells = 5,
        loss: Literal["cross_entropy", "l1"] = "cross_entropy",
        image_similarity: bool = True,
        ntk_batch_size: BatchSize = 32,
        ntk_channels: Channels = 3,
        ntk_cells: Cells = 1,
        region_images: BatchSize = 3000,
        region_side: Annotated[int, Field(ge=1, le=1_024)] = 3,
        region_channels: Channels = 1,
        region_cells: Cells = 1,
    ) -> None:
        _check_names(proxies)
        self.proxies = proxies
        self.objectives = tuple(Objective(name, PROXIES[name].direction, label=PROXIES[name].label) for name in proxies)
        self.seeds, self.batches = seeds, batches
        self.loss, self.image_similarity = LOSSES[loss], image_similarity
        views = {
            "network": View(channels, cells, batch_size),
            "ntk": View(ntk_channels, ntk_cells, ntk_batch_size),
            "regions": View(region_channels, region_cells, region_images, region_side),
        }
        self.views = {name: view for name, view in views.items() if any(PROXIES[p].view == name for p in proxies)}
        self._read: tuple[SearchData, dict[tuple[str, Shape], list[Batch]]] | None = None
        self._asked: tuple[SearchSpace, SearchData, dict[str, int | None]] | None = None

    def check_data(self, data: SearchData) -> None:
        """Raise a `DataError` if the batches take more training images than there are."""
        for name, view in self.views.items():
            taken = self.batches * view.batch_size
            if view.side is None and taken > len(data.train):
                key = "ntk_batch_size" if name == "ntk" else "batch_size"
                raise DataError(
                    f"estimator 'zero_cost' reads {taken} training images (batches={self.batches} of "
                    f"{view.batch_size}), and there are {len(data.train)}: lower estimator.zero_cost.{key} or batches"
                )

    def networks(self, space: SearchSpace, data: SearchData) -> Sequence[PlannedNetwork]:
        """A candidate as each view builds it; regions are counted without gradients."""
        return [
            PlannedNetwork.any_architecture(
                data,
                {"channels": view.channels, "cells": max(view.cells, space.least_cells)},
                what="a candidate",
                lower="estimator.zero_cost.{0}channels, {0}cells or {0}batch_size".format(PREFIXES[name]),
                batch_size=view.batch_size if view.side is None else 0,
            )
            for name, view in self.views.items()
        ]

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """The mean of each proxy, or its worst value and a flag with the reason if a network has no score."""
        values: dict[str, list[float]] = defaultdict(list)
        missing: dict[str, Counter[str]] = defaultdict(Counter)
        for name, place, probe in self._probes(architecture, context):
            with isolated(seed_of(context.seed, name, *place)):
                try:
                    values[name].append(_finite(PROXIES[name].measure(probe)))
                except Degenerate as reason:
                    missing[name][str(reason)] += 1
        metrics = {
            name: PROXIES[name].worst if name in missing else math.fsum(values[name]) / len(values[name])
            for name in self.proxies
        }
        flags = [_flag(name, missing[name], len(values[name])) for name in self.proxies if name in missing]
        return Estimate(metrics, flag="; ".join(flags))

    def _probes(self, architecture: Architecture, context: Context) -> Iterator[tuple[str, tuple[int, int], Probe]]:
        """The name of each proxy with each of its probes and the probe's place (seed, batch)."""
        for view_name, view in self.views.items():
            names = [name for name in self.proxies if PROXIES[name].view == view_name]
            for seed in range(self.seeds):
                with isolated(seed_of(context.seed, view_name, seed)):
                    network, shape = view.build(architecture, context, self._side(view_name, context))
                for number, (images, labels) in enumerate(self._batches(view_name, shape, context)):
                    batch = images.to(context.device), labels.to(context.device)
                    probe = Probe(network, *batch, self.loss, self.image_similarity)
                    for name in names:
                        if number == 0 or PROXIES[name].each_batch:
                            yield name, (seed, number), probe

    def _side(self, view: str, context: Context) -> int | None:
        """The side of the view's crops, computed once for a space."""
        if self._asked is None or self._asked[0] is not context.space or self._asked[1] is not context.data:
            self._asked = (context.space, context.data, {})
        known = self._asked[2]
        if view not in known:
            known[view] = self.views[view].common_side(context)
        return known[view]

    def _batches(self, view: str, shape: Shape, context: Context) -> list[Batch]:
        """The view's batches, read once: scoring a thin network takes less time than reading its images."""
        if self._read is None or self._read[0] is not context.data:
            self._read = (context.data, {})
        known = self._read[1]
        if (view, shape) not in known:
            known[view, shape] = self.views[view].batches(context.data, shape, self.batches)
        return known[view, shape]

    def __getstate__(self) -> Mapping[str, Any]:
        """The state without images and space: another process reads its own."""
        return {**self.__dict__, "_read": None, "_asked": None}


def _check_names(proxies: tuple[str, ...]) -> None:
    if not proxies:
        raise OptionError("estimator.zero_cost.proxies=[]: it must name at least one proxy")
    for name, count in Counter(proxies).items():
        if name not in PROXIES:
            raise unknown("zero-cost proxy", name, PROXIES)
        if count > 1:
            raise OptionError(f"estimator.zero_cost.proxies names '{name}' {count} times; once would be right")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Degenerate("it is not a finite number")
    return value


def _flag(name: str, reasons: Counter[str], measured: int) -> str:
    count = sum(reasons.values())
    draws = f" (in {count} of {count + measured} draws)" if measured else ""
    return f"{name} is its worst value, {PROXIES[name].worst:g}{draws}: {', '.join(reasons)}"
