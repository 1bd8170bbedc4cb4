"""Other ways for the supernet of `space=darts` to compute the same step, so that a GPU decides which to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gpu_steps import Sizes, Step
from gpu_timing import Timing, timings
from nasforge_plugins.space.darts import supernet as supernets
from nasforge_plugins.space.darts.edges import SeparableEdges
from nasforge_plugins.space.darts.supernet import DARTSSupernet
from supernet_speed import Versions, check_equal

AS_IT_IS, FIRST, AT_ONCE, PRODUCTS = "as it is", "NCHW", "edges at once", "1x1 as products"
PARTIAL = (AS_IT_IS, FIRST, PRODUCTS, f"{FIRST}, {PRODUCTS}")
"""With K=4, all edges that leave a state are computed at once anyway."""
WHOLE = (AS_IT_IS, FIRST, AT_ONCE, f"{AT_ONCE}, {PRODUCTS}")


class Products(nn.Module):
    """A 1x1 convolution in G groups as one batched product of matrices.

    Args:
        convolution: the one whose weight is used.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.groups = convolution.weight, convolution.groups

    def forward(self, x: Tensor) -> Tensor:
        """(B, G * C, H, W) to (B, G * C, H, W), in the layout of `x`."""
        batch, _, height, width = x.shape
        weight = self.weight.view(self.groups, -1, self.weight.shape[1])  # (G, C, C)
        if x.is_contiguous(memory_format=torch.channels_last):
            pixels = x.permute(0, 2, 3, 1).reshape(-1, self.groups, weight.shape[2])  # (B * H * W, G, C)
            products = torch.einsum("pgi,goi->pgo", pixels, weight)
            return products.reshape(batch, height, width, -1).permute(0, 3, 1, 2)
        maps = x.reshape(batch, self.groups, weight.shape[2], -1)  # (B, G, C, H * W)
        return (weight @ maps).view(batch, -1, height, width)


def k4_kernels(sizes: Sizes, device: torch.device) -> dict[str, Timing]:
    return _compared(PARTIAL, Versions(4, False, sizes.batch, device, side=sizes.side, **sizes.supernet), sizes)


def k1_kernels(sizes: Sizes, device: torch.device) -> dict[str, Timing]:
    return _compared(WHOLE, Versions(1, False, sizes.small_batch, device, side=sizes.side, **sizes.supernet), sizes)


def _compared(names: Sequence[str], both: Versions, sizes: Sizes) -> dict[str, Timing]:
    """The replayed step of the weights in each way."""
    batch, mix = (both.images, both.labels), both.mixes[0]
    steps = {}
    for name in names:
        network = _variant(name, both, sizes.side)
        check_equal(both.fast, network, both.images, mix, mix)

        def loss(images: Tensor, labels: Tensor, network: nn.Module = network) -> Tensor:
            return cross_entropy(network(images, *mix), labels)

        steps[name] = Step(network, loss, batch).graph()
    return timings(steps, both.images.device, sizes.repeats)


def _variant(name: str, both: Versions, side: int) -> DARTSSupernet:
    """The fast supernet of `both`, with its weights, computed in the way of the name."""
    at_once = supernets.GROUP_SIZE if AT_ONCE not in name else 2**62
    with patch.object(supernets, "GROUP_SIZE", at_once):
        network = both.space.supernet((3, side, side), 10).to(both.images.device)
    assert isinstance(network, DARTSSupernet)
    network.load_state_dict(_joined(both.fast.state_dict(), network.state_dict()))
    if FIRST in name:
        network.layout = torch.contiguous_format
    if PRODUCTS in name:
        for operation in network.modules():
            for block in operation.blocks if isinstance(operation, SeparableEdges) else ():
                block.pointwise = Products(block.pointwise)
    return network


def _joined(parts: Mapping[str, Tensor], whole: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of groups of edges as those of larger groups, in the order of their edges."""
    joined = {}
    for name, tensor in whole.items():
        found, number, (before, own, after) = [parts[name]], 1, name.partition(".own.")
        operation, _, rest = after.partition(".0.")
        while tensor.dim() and sum(map(len, found)) < len(tensor):
            found.append(parts[f"{before}{own}{operation}.{number}.{rest}"])
            number += 1
        joined[name] = torch.cat(found) if tensor.dim() else found[0]
    return joined
