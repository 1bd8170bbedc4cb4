"""Fashion-MNIST (Xiao et al. 2017): 70,000 gray images of 28 x 28."""

from __future__ import annotations

from typing import Any

import torchvision
from torchvision.datasets.utils import calculate_md5

from nasforge import DataError
from nasforge_plugins.data.benchmark import PublishedImages

CHECKSUMS = {  # of the unpacked files; torchvision checks only the archives
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}


class FashionMNIST(PublishedImages):
    """Fashion-MNIST: 60,000 + 10,000 gray images of clothing, 28 x 28, in 10 classes."""

    name = "fashion_mnist"
    published = ((0.2860,), (0.3530,))
    folder = "FashionMNIST/raw"
    files = "the four official files *-ubyte"
    pad = 2  # clothing fills the frame; 4 pixels would cut it

    def torchvision(self, train: bool, download: bool) -> Any:
        """`torchvision.datasets.FashionMNIST`; a `DataError` if a file was unpacked only in part."""
        for name, checksum in CHECKSUMS.items():
            file = self.root / self.folder / name
            if file.is_file() and calculate_md5(file) != checksum:
                raise DataError(f"{file} is damaged: its MD5 sum is not {checksum}; remove it to download it again")
        return torchvision.datasets.FashionMNIST(str(self.root), train, download=download)
