"""The size of a candidate's network, for objectives and constraints beside an estimator of its accuracy."""

from __future__ import annotations

from typing import ClassVar

from nasforge import Architecture, Cells, Channels, Context, Estimate, Estimator, Objective, network_size


class Footprint(Estimator):
    """Parameters and multiply-accumulates for one image, in millions, of the network that the space builds.

    Args:
        channels, cells: its initial width and depth; None: those of the space's network for evaluation.
    """

    name: ClassVar[str] = "footprint"
    objectives = (Objective("params_m", "min"), Objective("macs_m", "min"))

    def __init__(self, *, channels: Channels | None = None, cells: Cells | None = None) -> None:
        self.channels, self.cells = channels, cells

    def estimate(self, architecture: Architecture, context: Context) -> Estimate:
        """Build the network and count."""
        shape, classes = context.data.input_shape, context.data.classes
        network = context.space.build(architecture, shape, classes, channels=self.channels, cells=self.cells)
        return Estimate(network_size(network, shape))
