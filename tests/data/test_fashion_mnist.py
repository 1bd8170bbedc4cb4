"""Fashion-MNIST from small files; tests/data/test_real_data.py reads the real ones."""

import numpy as np
import pytest
import torch
import torchvision

from nasforge import DataError
from nasforge_plugins.data import fashion_mnist
from nasforge_plugins.data.fashion_mnist import FashionMNIST

NAMES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def idx(array):
    """The idx format: two zeros, 8 for bytes, the number of axes, their sizes, the values."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """FashionMNIST/raw of 50 + 20 images, whose checksums the plug-in does not ask for; its arrays by file name."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    arrays = {}
    for part, n in (("train", 50), ("t10k", 20)):
        arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = (np.arange(n) % 10).astype(np.uint8)
    for name, array in arrays.items():
        (folder / name).write_bytes(idx(array))
    monkeypatch.setattr(fashion_mnist, "CHECKSUMS", {}, raising=False)
    return arrays


def complaint(data):
    with pytest.raises(DataError) as caught:
        _ = data.train
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_torchvisions_layout_is_read(tmp_path, raw, no_network):
    data = FashionMNIST(root=str(tmp_path))
    for part, images in (("train", data.train), ("t10k", data.test)):
        pixels, labels = images[torch.arange(len(images))]
        assert np.array_equal(pixels[:, 0].numpy(), raw[f"{part}-images-idx3-ubyte"])
        assert np.array_equal(labels.numpy(), raw[f"{part}-labels-idx1-ubyte"])
    assert data.class_names == tuple(torchvision.datasets.FashionMNIST.classes)
    assert data.notes == ()
    assert no_network == []
    search = data.for_search(0)
    assert (search.input_shape, search.classes) == ((1, 28, 28), 10)
    assert (search.preprocessing.mean, search.preprocessing.std) == ((0.2860,), (0.3530,))


@pytest.mark.parametrize("download", [False, True])
def test_missing_files_are_named_with_where_they_belong(tmp_path, monkeypatch, download, no_network):
    monkeypatch.chdir(tmp_path)
    said = complaint(FashionMNIST(root="images", download=download))
    assert "fashion_mnist" in said
    assert str(tmp_path / "images") in said
    assert "FashionMNIST/raw" in said
    assert "the four official" in said
    assert "ubyte" in said
    assert "fashion_mnist.npz (train_images, train_labels, test_images, test_labels, classes)" in said
    assert ("data.download is false" in said) == (not download)
    assert bool(no_network) == download


@pytest.mark.parametrize("name", NAMES)
def test_one_missing_file_is_as_bad_as_all(tmp_path, raw, name, no_network):
    (tmp_path / "FashionMNIST" / "raw" / name).unlink()
    said = complaint(FashionMNIST(root=str(tmp_path)))
    assert "fashion_mnist" in said
    assert str(tmp_path) in said


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("download", [False, True])
def test_a_file_that_is_not_the_official_one_is_not_taken_for_it(
    tmp_path, raw, monkeypatch, name, download, no_network
):
    monkeypatch.undo()  # of the checksums, too
    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", _refuse)
    file = tmp_path / "FashionMNIST" / "raw" / name
    file.write_bytes(file.read_bytes()[:-5])
    said = complaint(FashionMNIST(root=str(tmp_path), download=download))
    assert str(tmp_path) in said
    assert "damaged" in said


def _refuse(*_, **__):
    raise OSError("Name or service not known")
