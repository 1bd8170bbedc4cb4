"""The network of TS-ENAS: a chain of cells, each fed by the previous one and by an earlier layer.

A weight store relies on the tensors' names: `stem.*`, `cells.<position>.*`, `classifier.*`. Within a cell, the
preprocessing of input s is `inputs.<s>.conv.*` if the map keeps its size and `inputs.<s>.halve<n>.*` if it is halved n
times; operations are `operations.node<state>_edge<0 or 1>_<operation>.*`. These names do not depend on the position.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from nasforge import (
    ArchitectureError,
    FactorizedReduce,
    Network,
    OptionError,
    ReLUConvBN,
    Shape,
    drop_path,
    operation,
    weighted_sum,
)

from . import inside
from .chain import Chain
from .known import INPUTS, OPERATIONS, Cell

LARGE_SIDE = 128
"""Images whose shorter side has at least this many pixels get a stem that divides the side by 8."""


class ChainCell(nn.Module):
    """One cell: inputs of width C and equal map size, the sum of two operations at each node, and the sum of the nodes
    that no other node uses.

    Args:
        cell: its quadruples.
        reduction: whether edges from the inputs have stride 2.
        widths: channels of the earlier and of the previous layer.
        channels: C.
        halvings: how often the earlier layer's map must be halved to match the previous layer's size.
    """

    def __init__(self, cell: Cell, reduction: bool, widths: tuple[int, int], channels: int, halvings: int) -> None:
        super().__init__()
        used = inside.sources(cell)
        self.inputs = nn.ModuleDict(
            {str(s): _aligned(widths[s], channels, 0 if s else halvings) for s in range(INPUTS) if s in used}
        )
        self.operations = nn.ModuleDict()
        self.edges: dict[int, list[tuple[str, int]]] = {state: [] for state in inside.kept(cell)}
        for state, edge, source, code in inside.edges(cell):
            name = f"node{state}_edge{edge}_{OPERATIONS[code]}"
            self.edges[state].append((name, source))
            self.operations[name] = operation(OPERATIONS[code], channels, 2 if reduction and source < INPUTS else 1)
        self.loose_ends = inside.loose_ends(cell)

    def forward(self, layers: Mapping[int, Tensor], drop: float | Tensor) -> Tensor:
        """The sum of the loose ends (B, C, H', W').

        Args:
            layers: the earlier layer (B, C0, H0, W0) as 0 and the previous layer (B, C1, H, W) as 1; a layer that the
                cell does not use may be left out.
            drop: probability of dropping a path.
        """
        states = {int(name): align(layers[int(name)]) for name, align in self.inputs.items()}
        for state, incoming in self.edges.items():
            states[state] = weighted_sum((self._path(name, states[source], drop), None) for name, source in incoming)
        return weighted_sum((states[state], None) for state in self.loose_ends)

    def _path(self, name: str, x: Tensor, drop: float | Tensor) -> Tensor:
        layer = self.operations[name]
        out: Tensor = layer(x)
        return out if isinstance(layer, nn.Identity) else drop_path(out, drop, self.training)


def _aligned(channels_in: int, channels: int, halvings: int) -> nn.Module:
    """ReLU, 1x1 convolution, BatchNorm; or one `FactorizedReduce` for each halving of the map."""
    parts = nn.Sequential()
    if not halvings:
        parts.add_module("conv", ReLUConvBN(channels_in, channels))
    for number in range(1, halvings + 1):
        parts.add_module(f"halve{number}", FactorizedReduce(channels_in if number == 1 else channels, channels))
    return parts


class ChainNetwork(Network):
    """Stem, the cells of a chain, global average pool, classifier.

    Every reduction cell halves the map and doubles the width up to the cap. Cells that the last cell does not depend on
    are left out.

    Args:
        channels: C, the width of the input layer.
        widening: the width grows to at most this many times C.

    Raises:
        ArchitectureError: the map is already a single pixel at a reduction cell; names its position.
        OptionError: the width is odd, but the stem for large images needs an even one.

    Attributes:
        drop_path: probability of dropping a path, per sample. Identities are dropped only if they have stride 2.
    """

    def __init__(self, chain: Chain, input_shape: Shape, classes: int, *, channels: int, widening: int) -> None:
        super().__init__()
        self.stem = _stem(input_shape, channels)
        _check_size(chain, input_shape)
        widths, halvings = places(chain, channels, widening)
        self.links = {position: chain.links[position - 1][:2] for position in chain.used}
        self.cells = nn.ModuleDict()
        for position, (first, second) in self.links.items():
            self.cells[str(position)] = ChainCell(
                chain.cells[position - 1],
                chain.reduces(position),
                (widths[first], widths[second]),
                widths[position],
                halvings[second] - halvings[first],
            )
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes)."""
        layers = {0: self.stem(images)}
        for position, link in self.links.items():
            inputs = {state: layers[layer] for state, layer in enumerate(link) if layer in layers}
            layers[position] = self.cells[str(position)](inputs, self.drop_path)
        last = layers[max(layers)]
        logits: Tensor = self.classifier(F.adaptive_avg_pool2d(last, 1).flatten(1))
        return logits


def places(chain: Chain, channels: int, widening: int) -> tuple[list[int], list[int]]:
    """For each layer, the input layer first: its width, and how often its map has been halved since the input layer."""
    widths, halvings = [channels], [0]
    for position in chain.positions:
        doubles = chain.reduces(position) and 2 * widths[-1] <= widening * channels
        widths.append(2 * widths[-1] if doubles else widths[-1])
        halvings.append(halvings[-1] + chain.reduces(position))
    return widths, halvings


def _check_size(chain: Chain, input_shape: Shape) -> None:
    _, height, width = input_shape
    large = min(height, width) >= LARGE_SIDE
    for number, position in enumerate(chain.reductions):
        side = tuple(-(-pixels // 2 ** (number + 3 * large)) for pixels in (height, width))
        if min(side) < 2:
            raise ArchitectureError(
                f"cell {position} of the chain is reduction number {number + 1}; images of {height}x{width} pixels "
                f"allow {number}, after which the map is {side[0]}x{side[1]}"
            )


def _stem(input_shape: Shape, channels: int) -> nn.Sequential:
    """Convolution 3x3 to C channels and BatchNorm; three convolutions of stride 2 for large images (ImageNet)."""
    channels_in, height, width = input_shape
    if min(height, width) < LARGE_SIDE:
        return nn.Sequential(nn.Conv2d(channels_in, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
    if channels % 2:
        raise OptionError(
            f"space.channels={channels} is odd: images of {LARGE_SIDE} pixels and more get the ImageNet stem, "
            f"which needs an even number, such as {channels + 1}"
        )
    layers: list[nn.Module] = []
    for before, after in ((channels_in, channels // 2), (channels // 2, channels), (channels, channels)):
        layers += [nn.ReLU()] if layers else []
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after)]
    return nn.Sequential(*layers)


def running_statistic(tensor: str) -> bool:
    """Whether a tensor of a `state_dict` is one of BatchNorm's running statistics."""
    return tensor.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")
