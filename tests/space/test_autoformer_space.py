"""space=autoformer: a published network, counted as its authors count it, and the contract."""

import pytest
import torch
from torch import nn

from nasforge import Architecture, OptionError
from nasforge.registry.entry_points import build
from nasforge.testing import SpaceContract

BASE = {"patch": 16, "embeddings": [528, 576, 624], "depths": [14, 16], "heads": [8, 9, 10], "ratios": [3, 3.5, 4],
        "features": 64}  # fmt: skip
HEADS = (10, 10, 10, 8, 10, 9, 8, 8, 9, 8, 10, 10, 9, 10)
RATIOS = (3.5, 3.5, 3.5, 4, 3, 3, 3.5, 3.5, 4, 4, 4, 4, 4, 4)


class TestAutoFormerContract(SpaceContract):
    @pytest.fixture
    def space(self):
        return build("space", {"name": "autoformer", "embeddings": [8, 12], "depths": [1, 2], "features": 4})


def test_mmrazors_network_has_its_published_parameters():
    """MMRazor's README counts 54.319 M in the layers of AUTOFORMER_SUBNET_B.yaml, which leaves out the class token and
    the positions, tensors that belong to no layer."""
    space = build("space", {"name": "autoformer", **BASE})
    genes = {decision.name: decision.options[0] for decision in space.decisions} | {"embedding": 576, "layers": 14}
    for layer, (heads, ratio) in enumerate(zip(HEADS, RATIOS, strict=True)):
        genes |= {f"layers.{layer}.attention.heads": heads, f"layers.{layer}.mlp.hidden_in_halves": round(2 * ratio)}
    with torch.device("meta"):
        network = space.build(space.validate(Architecture.of("autoformer", genes)), (3, 224, 224), 1000)
    layers = [part for part in network.modules() if isinstance(part, nn.Linear | nn.Conv2d | nn.LayerNorm)]
    assert round(sum(tensor.numel() for layer in layers for tensor in layer.parameters()) / 1e6, 3) == 54.319


@pytest.mark.parametrize("shape", [(3, 7, 10), (1, 32, 32)])
def test_images_whose_sides_a_patch_does_not_divide(shape):
    space = build("space", {"name": "autoformer", "embeddings": [8, 12], "depths": [1, 2], "patch": 4})
    supernet = space.supernet(shape, 3)
    tokens = -(-shape[1] // 4) * -(-shape[2] // 4)
    assert supernet.module.positions.shape == (1, tokens + 1, 12)


def test_a_depth_that_is_no_range():
    with pytest.raises(OptionError, match=r"space.depths=\[4, 2\] must be the smallest and the largest depth"):
        build("space", {"name": "autoformer", "depths": [4, 2]})
