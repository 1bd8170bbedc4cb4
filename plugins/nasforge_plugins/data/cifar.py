"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 60,000 color images of 32 x 32."""

from __future__ import annotations

from typing import Any

import torchvision

from nasforge_plugins.data.benchmark import PublishedImages


class CIFAR10(PublishedImages):
    """CIFAR-10: 50,000 + 10,000 color images of 32 x 32 in 10 classes."""

    name = "cifar10"
    published = ((0.49139968, 0.48215827, 0.44653124), (0.24703233, 0.24348505, 0.26158768))  # as in DARTS
    folder = "cifar-10-batches-py"
    files = "the contents of cifar-10-python.tar.gz"

    def torchvision(self, train: bool, download: bool) -> Any:
        """`torchvision.datasets.CIFAR10`."""
        return torchvision.datasets.CIFAR10(str(self.root), train, download=download)


class CIFAR100(PublishedImages):
    """CIFAR-100: 50,000 + 10,000 color images of 32 x 32 in 100 classes."""

    name = "cifar100"
    published = ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
    folder = "cifar-100-python"
    files = "the contents of cifar-100-python.tar.gz"

    def torchvision(self, train: bool, download: bool) -> Any:
        """`torchvision.datasets.CIFAR100`."""
        return torchvision.datasets.CIFAR100(str(self.root), train, download=download)
