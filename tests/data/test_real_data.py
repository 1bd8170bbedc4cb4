"""The real CIFAR-10 and Fashion-MNIST, where the project's shared folder lies beside it, against published numbers."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nasforge_plugins.data.cifar import CIFAR10
from nasforge_plugins.data.fashion_mnist import FashionMNIST

SHARED = Path(os.environ.get("NASFORGE_SHARED") or Path(__file__).resolve().parents[2].parent / "shared")
NEEDED = (
    "tools/unpack_data.py",
    *(f"data/cifar10/cifar10_train_{i}of5.npz" for i in range(1, 6)),
    "data/cifar10/cifar10_test.npz",
    *(
        f"data/fashion-mnist/FashionMNIST/raw/{part}-{kind}-ubyte.gz"
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    ),
)


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    """The folder of the unpacked files, made once."""
    missing = [name for name in NEEDED if not (SHARED / name).is_file()]
    if missing:
        pytest.skip(f"REAL DATA NOT CHECKED: {SHARED} lacks {', '.join(missing)}; NASFORGE_SHARED names another folder")
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run([sys.executable, str(SHARED / "tools/unpack_data.py"), str(folder)], check=True)
    yield folder
    for file in sorted(folder.rglob("*"), reverse=True):  # 300 MB that pytest would keep
        file.rmdir() if file.is_dir() else file.unlink()


def moments(images):
    """Mean and deviation per channel of pixels in [0, 1], from counts of the 256 levels: exact, and small."""
    levels = np.arange(256) / 255
    mean, deviation = [], []
    for channel in range(images.shape[1]):
        share = np.bincount(images[:, channel].numpy().ravel(), minlength=256) / images[:, channel].numel()
        mean.append(share @ levels)
        deviation.append(np.sqrt(share @ levels**2 - (share @ levels) ** 2))
    return np.array(mean), np.array(deviation)


@pytest.fixture(scope="module")
def cifar10(unpacked):
    return CIFAR10(root=str(unpacked), download=False)


def test_cifar10_has_its_images_and_classes(cifar10):
    assert (len(cifar10.train), len(cifar10.test)) == (50_000, 10_000)
    assert cifar10.train.shape == cifar10.test.shape == (3, 32, 32)
    assert torch.bincount(cifar10.train.labels).tolist() == [5_000] * 10
    assert torch.bincount(cifar10.test.labels).tolist() == [1_000] * 10
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    assert cifar10.class_names == tuple(names.split())
    assert cifar10.notes == ()


def test_cifar10_has_the_published_mean_and_deviation(cifar10):
    mean, deviation = moments(cifar10.train.images)
    assert np.allclose(mean, (0.49139968, 0.48215841, 0.44653091), rtol=0, atol=1e-6)
    assert np.allclose(deviation, (0.24703223, 0.24348513, 0.26158784), rtol=0, atol=1e-6)
    assert np.allclose(mean, cifar10.normalization[0], rtol=0, atol=1e-5)
    assert np.allclose(deviation, cifar10.normalization[1], rtol=0, atol=1e-5)
    assert np.allclose(moments(cifar10.test.images)[0], (0.49421428, 0.48513139, 0.45040909), rtol=0, atol=1e-6)


def test_cifar10_is_halved_and_thinned_by_class(cifar10):
    data = cifar10.for_search(0)
    halves = data.halves()
    for part in (halves.train, halves.validation):
        assert torch.bincount(part.labels[part.positions]).tolist() == [2_500] * 10
    assert not set(halves.train.positions.tolist()) & set(halves.validation.positions.tolist())
    thin = data.subset(1_000).scaled(0.5)
    assert thin.input_shape == (3, 16, 16)
    assert torch.bincount(thin.train.labels).tolist() == [100] * 10
    pixels = data.preprocessing.normalize(halves.train[torch.arange(2_000)][0])
    assert pixels.mean((0, 2, 3)).abs().max() < 0.05
    assert (pixels.std((0, 2, 3)) - 1).abs().max() < 0.05


def test_fashion_mnist_is_the_same_from_both_kinds_of_file(unpacked, tmp_path):
    (tmp_path / "FashionMNIST").symlink_to(unpacked / "FashionMNIST")
    from_npz, from_raw = (FashionMNIST(root=str(root), download=False) for root in (unpacked, tmp_path))
    for part, size in (("train", 60_000), ("test", 10_000)):
        one, other = getattr(from_npz, part), getattr(from_raw, part)
        assert len(one) == len(other) == size
        assert one.shape == other.shape == (1, 28, 28)
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert torch.bincount(one.labels).tolist() == [size // 10] * 10
    assert from_npz.class_names == from_raw.class_names
    mean, deviation = moments(from_npz.train.images)
    assert np.allclose((mean[0], deviation[0]), (0.28604, 0.35302), rtol=0, atol=5e-6)
    assert np.allclose((mean, deviation), from_npz.normalization, rtol=0, atol=1e-4)
