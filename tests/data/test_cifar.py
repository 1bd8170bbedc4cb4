"""CIFAR: from an `.npz` or from the official archive's folder, verified; and one sentence when it is not there."""

import hashlib
import pickle

import numpy as np
import pytest
import torch
import torchvision

from nasforge import DataError
from nasforge_plugins.data.cifar import CIFAR10, CIFAR100

KINDS = {CIFAR10: torchvision.datasets.CIFAR10, CIFAR100: torchvision.datasets.CIFAR100}
both = pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: kind.name)


def batch(rng, n, label_key, classes):
    """A batch as the official archives hold it: rows of 3,072 bytes, red before green before blue."""
    return {
        "data": rng.integers(0, 256, (n, 3072), dtype=np.uint8),
        label_key: [i % classes for i in range(n)],
        "filenames": [f"{i}.png" for i in range(n)],
    }


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Make a small folder of the official format, whose checksums torchvision is told; pixels and labels by part."""

    def make(kind):
        theirs, rng = KINDS[kind], np.random.default_rng(0)
        fine = kind is CIFAR100
        classes, key = (100, "fine_labels") if fine else (10, "labels")
        base = tmp_path / theirs.base_folder
        base.mkdir()

        def write(name, content):
            (base / name).write_bytes(pickle.dumps(content, protocol=2))
            return hashlib.md5((base / name).read_bytes()).hexdigest()

        parts = {}
        for part, size in (("train", 2 * classes), ("test", classes)):
            listed, pixels, labels = [], [], []
            for name, _ in getattr(theirs, f"{part}_list"):
                content = batch(rng, size, key, classes)
                listed.append([name, write(name, content)])
                pixels.append(content["data"].reshape(-1, 3, 32, 32))
                labels += content[key]
            monkeypatch.setattr(theirs, f"{part}_list", listed)
            parts[part] = np.concatenate(pixels), labels
        names = [f"class {i}" for i in range(classes)]
        checksum = write(theirs.meta["filename"], {theirs.meta["key"]: names})
        monkeypatch.setattr(theirs, "meta", {**theirs.meta, "md5": checksum})
        return parts, names

    return make


def everything(images):
    return images[torch.arange(len(images))]


def npz(path, n=20, classes=10, shape=(32, 32, 3), test=True):
    rng = np.random.default_rng(1)
    arrays = {"classes": np.array([f"kind {i}" for i in range(classes)])}
    for part in ("train", "test") if test else ("train",):
        arrays[f"{part}_images"] = rng.integers(0, 256, (n * 5, *shape), dtype=np.uint8)
        arrays[f"{part}_labels"] = np.arange(n * 5) % classes
    np.savez(path, **arrays)
    return arrays


def complaint(data):
    with pytest.raises(DataError) as caught:
        _ = data.train
    assert "\n" not in str(caught.value)
    return str(caught.value)


@both
def test_the_official_folder_is_read(tmp_path, archive, kind, no_network):
    parts, names = archive(kind)
    data = kind(root=str(tmp_path))
    for part, images in (("train", data.train), ("test", data.test)):
        pixels, labels = everything(images)
        assert np.array_equal(pixels.numpy(), parts[part][0])
        assert labels.tolist() == parts[part][1]
    assert data.class_names == tuple(names)
    assert data.notes == ()
    assert no_network == []
    search = data.for_search(0)
    assert (search.input_shape, search.classes) == ((3, 32, 32), len(names))
    assert (search.preprocessing.pad, search.preprocessing.flip) == (4, True)


@both
def test_an_npz_in_the_root_comes_first(tmp_path, archive, kind):
    archive(kind)
    classes = 100 if kind is CIFAR100 else 10
    arrays = npz(tmp_path / f"{kind.name}.npz", n=40, classes=classes)
    data = kind(root=str(tmp_path), download=False)
    for part, images in (("train", data.train), ("test", data.test)):
        pixels, labels = everything(images)
        assert np.array_equal(pixels.permute(0, 2, 3, 1).numpy(), arrays[f"{part}_images"])
        assert np.array_equal(labels.numpy(), arrays[f"{part}_labels"])
    assert data.class_names[0] == "kind 0"


def test_an_npz_without_the_official_test_images_is_refused(tmp_path):
    npz(tmp_path / "cifar10.npz", test=False)
    said = complaint(CIFAR10(root=str(tmp_path)))
    assert str(tmp_path / "cifar10.npz") in said
    assert "test_images" in said


def test_an_npz_of_grey_images_is_refused(tmp_path):
    npz(tmp_path / "cifar10.npz", shape=(32, 32))
    said = complaint(CIFAR10(root=str(tmp_path)))
    assert str(tmp_path / "cifar10.npz") in said
    assert "(1, 32, 32)" in said


def test_a_broken_npz_is_named_and_not_passed_over(tmp_path, archive):
    archive(CIFAR10)
    (tmp_path / "cifar10.npz").write_bytes(b"half a file")
    assert str(tmp_path / "cifar10.npz") in complaint(CIFAR10(root=str(tmp_path)))


@both
@pytest.mark.parametrize("download", [False, True])
def test_missing_files_are_named_with_where_they_belong(tmp_path, monkeypatch, kind, download, no_network):
    monkeypatch.chdir(tmp_path)
    said = complaint(kind(root="images", download=download))
    assert kind.name in said
    assert str(tmp_path / "images") in said
    assert KINDS[kind].base_folder in said
    assert KINDS[kind].filename in said
    assert f"{kind.name}.npz (train_images, train_labels, test_images, test_labels, classes)" in said
    assert ("data.download is false" in said) == (not download)
    assert no_network == ([KINDS[kind].url] if download else [])


@both
@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize("which", ["train", "test", "meta"])
def test_a_damaged_batch_is_not_taken_for_data(tmp_path, archive, kind, download, which, no_network):
    archive(kind)
    theirs = KINDS[kind]
    name = theirs.meta["filename"] if which == "meta" else getattr(theirs, f"{which}_list")[-1][0]
    file = tmp_path / theirs.base_folder / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    said = complaint(kind(root=str(tmp_path), download=download))
    assert kind.name in said
    assert str(tmp_path) in said
    assert theirs.base_folder in said


def test_nasforge_data_is_where_they_lie_if_no_root_is_given(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    for path in (tmp_path, elsewhere, tmp_path / "data"):
        path.mkdir(exist_ok=True)
    arrays = npz(tmp_path / "cifar10.npz")
    monkeypatch.setenv("NASFORGE_DATA", str(tmp_path))
    assert np.array_equal(everything(CIFAR10().test)[1].numpy(), arrays["test_labels"])
    assert str(elsewhere) in complaint(CIFAR10(root=str(elsewhere), download=False))
    monkeypatch.delenv("NASFORGE_DATA")
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path / "data") in complaint(CIFAR10(download=False))


@both
def test_the_published_constants_are_used_without_reading_an_image(tmp_path, kind):
    mean, std = kind(root=str(tmp_path)).normalization
    assert len(mean) == len(std) == 3
    assert all(abs(value - 0.48) < 0.05 for value in mean)
    assert all(0.24 < value < 0.28 for value in std)
