"""The size of a candidate's network, for objectives and constraints beside an estimator of its accuracy."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from nasforge import Architecture, Cells, Channels, Context, Count, Estimate, Estimator, Objective, network_size

Side = Annotated[int, Field(ge=4, le=65_536)]


class Footprint(Estimator):
    """Parameters and multiply-accumulates for one image, in millions, of the network that the space builds.

    Args:
        channels, cells: its initial width and depth; None: those of the space's network for evaluation.
        input_shape: (channels, height, width) of the image; None: that of the search's images.
        classes: number of logits; None: that of the search's data.
    """

    name: ClassVar[str] = "footprint"
    objectives = (Objective("params_m", "min"), Objective("macs_m", "min"))

    def __init__(
        self,
        *,
        channels: Channels | None = None,
        cells: Cells | None = None,
        input_shape: tuple[Channels, Side, Side] | None = None,
        classes: Count | None = None,
    ) -> None:
        self.channels, self.cells, self.input_shape, self.classes = channels, cells, input_shape, classes

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """Build the network and count."""
        shape = self.input_shape or context.data.input_shape
        classes = self.classes or context.data.classes
        network = context.space.build(architecture, shape, classes, channels=self.channels, cells=self.cells)
        return Estimate(network_size(network, shape))
