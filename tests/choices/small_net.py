"""A module with every kind of choice, for the tests of choices."""

import torch
from torch import nn

from nasforge import ChoiceSpace, choice, kernel, repeat, width


class Block(nn.Module):
    def __init__(self, channels, size):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, size, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return x + self.norm(self.conv(x)).relu()


class Gate(nn.Module):
    """Squeeze-and-excitation: a sigmoid of what is missing is not zero."""

    def __init__(self, channels):
        super().__init__()
        hidden = channels // 2 + 1
        self.reduce, self.expand = nn.Linear(channels, hidden), nn.Linear(hidden, channels)

    def forward(self, x):
        return x * self.expand(self.reduce(x.mean((2, 3))).sigmoid()).sigmoid()[:, :, None, None]


class SmallNet(nn.Module):
    def __init__(self, in_channels=3, classes=10):
        super().__init__()
        channels = width(4, 8, 6, name="channels")
        self.stem = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.blocks = repeat(
            lambda: choice(
                conv=Block(channels, 3),
                wide=lambda: Block(channels, kernel(3, 5, 1, name="kernel")),
                skip=nn.Identity(),
                gate=Gate(channels),
            ),
            depth=(0, 2),
        )
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        hidden = channels * width(2, 1, 3, name="ratio") + 1
        self.norm = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.Sigmoid(), nn.Linear(hidden, channels))
        self.head = nn.Linear(channels, classes)

    def forward(self, images):
        x = self.depthwise(self.blocks(self.stem(images))).mean((2, 3))
        return self.head(x + self.mlp(self.norm(x)))


class OfSmallNet(ChoiceSpace):
    name = "small_net"

    def module(self, input_shape, classes):
        return SmallNet(input_shape[0], classes)


def disturbed(module, seed=0):
    """The module in double precision, with running statistics that are not those of a new BatchNorm."""
    torch.manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
    return module.double()
