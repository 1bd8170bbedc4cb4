"""Fashion-MNIST (Xiao et al. 2017): 70,000 grey images of 28 x 28."""

from __future__ import annotations

from typing import Any

import torchvision

from nasforge_plugins.data.benchmark import PublishedImages


class FashionMNIST(PublishedImages):
    """Fashion-MNIST: 60,000 + 10,000 grey images of clothing, 28 x 28, in 10 classes."""

    name = "fashion_mnist"
    published = ((0.2860,), (0.3530,))
    files = "the folder FashionMNIST/raw with the four official *-ubyte files"
    pad = 2  # clothing fills the frame; 4 pixels would cut it

    def torchvision(self, train: bool, download: bool) -> Any:
        """`torchvision.datasets.FashionMNIST`."""
        return torchvision.datasets.FashionMNIST(str(self.root), train, download=download)
