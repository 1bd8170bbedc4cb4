"""One's own `.npz`: read as it is meant, and every mistake in it named."""

import numpy as np
import pytest
import torch

from nasforge import HELD_OUT_NOTE, DataError
from nasforge_plugins.data.arrays import Arrays

CLASSES = np.array(["cat", "dog", "owl"])


def contents(n=30, shape=(6, 8), test=0, **changes):
    """Arrays of a sound file; `changes` replace some, None leaves one out."""
    rng = np.random.default_rng(0)
    arrays = {
        "train_images": rng.integers(0, 256, (n, *shape), dtype=np.uint8),
        "train_labels": np.arange(n) % 3,
        "classes": CLASSES,
    }
    if test:
        arrays["test_images"] = rng.integers(0, 256, (test, *shape), dtype=np.uint8)
        arrays["test_labels"] = np.arange(test) % 3
    return {key: value for key, value in {**arrays, **changes}.items() if value is not None}


@pytest.fixture
def saved(tmp_path):
    """Write a file; its data module."""

    def save(arrays=None, **changes):
        np.savez(tmp_path / "own.npz", **(contents(**changes) if arrays is None else arrays))
        return Arrays(path=str(tmp_path / "own.npz"))

    return save


@pytest.fixture
def complaint(tmp_path):
    """The sentence of a data module that cannot be read; it names the file."""

    def complain(data):
        with pytest.raises(DataError) as caught:
            _ = data.train
        assert str(tmp_path / "own.npz") in str(caught.value)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return complain


@pytest.mark.parametrize(("shape", "expected"), [((6, 8), (1, 6, 8)), ((6, 8, 3), (3, 6, 8)), ((8, 8, 4), (4, 8, 8))])
def test_grey_and_colour_images_are_read(saved, shape, expected):
    arrays = contents(shape=shape, test=9)
    data = saved(arrays)
    for part, images in (("train", data.train), ("test", data.test)):
        pixels, labels = images[torch.arange(len(images))]
        source = arrays[f"{part}_images"].reshape(len(images), *shape[:2], -1)
        assert images.shape == expected
        assert np.array_equal(pixels.permute(0, 2, 3, 1).numpy(), source)
        assert np.array_equal(labels.numpy(), arrays[f"{part}_labels"])
    assert data.class_names == ("cat", "dog", "owl")
    assert data.notes == ()
    assert data.for_search(0).input_shape == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint64, np.int64])
def test_labels_of_any_whole_type_are_read(saved, dtype):
    data = saved(train_labels=(np.arange(30) % 3).astype(dtype))
    assert data.train.labels.dtype == torch.int64
    assert torch.bincount(data.train[torch.arange(24)][1]).tolist() == [8, 8, 8]


def test_without_test_images_a_balanced_fifth_is_held_out_and_said_to_be(saved):
    data = saved()
    assert (len(data.train), len(data.test)) == (24, 6)
    assert torch.bincount(data.test[torch.arange(6)][1]).tolist() == [2, 2, 2]
    assert data.notes == (HELD_OUT_NOTE,)
    assert "a class-balanced fifth of them is held out" in HELD_OUT_NOTE
    held_out = {image.numpy().tobytes() for image in data.test[torch.arange(6)][0]}
    assert not held_out & {image.numpy().tobytes() for image in data.for_search(0).train.images}


def test_a_rare_class_is_in_both_parts(saved):
    data = saved(n=200, train_labels=np.array([0] * 5 + [1] * 100 + [2] * 95))
    for images in (data.train, data.test):
        assert len(images[torch.arange(len(images))][1].unique()) == 3


def test_normalisation_is_measured_on_training_images(saved):
    data = saved(shape=(6, 8, 3), test=9)
    pixels = data.train.images.double() / 255
    mean, std = data.normalization
    assert np.allclose(mean, pixels.mean((0, 2, 3)), atol=1e-6)
    assert np.allclose(std, pixels.std((0, 2, 3)), rtol=1e-2)


def test_blank_images_can_be_normalised(saved):
    data = saved(train_images=np.zeros((30, 8, 8), np.uint8))
    assert torch.isfinite(data.preprocessing.normalize(data.train[torch.arange(3)][0])).all()


def test_pad_and_flip_are_options_and_the_path_is_absolute(tmp_path, monkeypatch):
    np.savez(tmp_path / "own.npz", **contents())
    monkeypatch.chdir(tmp_path)
    data = Arrays(path="own.npz", pad=3, flip=True, batch_size=4)
    monkeypatch.chdir(tmp_path.parent)
    search = data.for_search(0)
    assert (search.preprocessing.pad, search.preprocessing.flip, search.batch_size) == (3, True, 4)


def test_a_missing_file_is_named(tmp_path, complaint):
    assert "there is no file" in complaint(Arrays(path=str(tmp_path / "own.npz")))


def test_a_folder_is_no_file(tmp_path, complaint):
    (tmp_path / "own.npz").mkdir()
    assert "there is no file" in complaint(Arrays(path=str(tmp_path / "own.npz")))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no more", b"\x80\x04K\x01.", b"some text"])
def test_a_file_of_another_kind_is_named(tmp_path, complaint, content):
    (tmp_path / "own.npz").write_bytes(content)
    assert ".npz" in complaint(Arrays(path=str(tmp_path / "own.npz"))).replace("own.npz", "")


def test_a_single_array_is_named(tmp_path, complaint):
    with (tmp_path / "own.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    assert ".npz" in complaint(Arrays(path=str(tmp_path / "own.npz"))).replace("own.npz", "")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("harm", ["cut", "altered"])
def test_a_broken_zip_is_named(tmp_path, complaint, save, harm):
    path = tmp_path / "own.npz"
    save(path, **contents(n=300))
    content = bytearray(path.read_bytes())
    if harm == "cut":
        content = content[: len(content) // 2]
    else:
        content[3000:3200] = bytes(200)
    path.write_bytes(content)
    said = complaint(Arrays(path=str(path)))
    assert "cannot be read" in said or "not an .npz file" in said


@pytest.mark.parametrize("key", ["train_images", "train_labels", "classes"])
def test_a_missing_array_is_named_beside_those_that_are_there(saved, complaint, key):
    said = complaint(saved(**{key: None}))
    assert f"has no array '{key}'; it holds " in said
    assert all(other in said for other in contents())


def test_test_images_without_labels_are_named(saved, complaint):
    said = complaint(saved(test=9, test_labels=None))
    assert "'test_labels'" in said
    assert " no " in said


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize(
    ("images", "facts"),
    [
        (np.zeros((30, 8, 8)), "float64 of shape (30, 8, 8)"),
        (np.zeros((30, 8, 8), np.int64), "int64 of shape (30, 8, 8)"),
        (np.zeros((30, 64), np.uint8), "uint8 of shape (30, 64)"),
        (np.zeros((30, 1, 1, 8, 8), np.uint8), "uint8 of shape (30, 1, 1, 8, 8)"),
    ],
)
def test_images_of_another_type_or_number_of_axes_are_named(saved, complaint, part, images, facts):
    said = complaint(saved(test=30, **{f"{part}_images": images}))
    assert f"'{part}_images' is {facts}; it must be uint8" in said
    assert "(N, H, W) or (N, H, W, C)" in said


def test_images_with_channels_first_are_too_small(saved, complaint):
    said = complaint(saved(train_images=np.zeros((30, 3, 32, 32), np.uint8)))
    assert "(30, 3, 32, 32)" in said
    assert "4 or more" in said


@pytest.mark.parametrize("part", ["train", "test"])
def test_no_images_at_all_are_named(saved, complaint, part):
    empty = {f"{part}_images": np.zeros((0, 6, 8), np.uint8), f"{part}_labels": np.zeros(0, np.int64)}
    assert f"'{part}_" in complaint(saved(test=9, **empty))


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("wrong", [3, -1, 10**15])
def test_a_label_without_a_class_is_named(saved, complaint, part, wrong):
    labels = np.arange(30) % 3
    labels[7] = wrong
    said = complaint(saved(test=30, **{f"{part}_labels": labels}))
    assert f"'{part}_labels' holds {wrong}; labels of 3 classes go from 0 to 2" in said


@pytest.mark.parametrize(
    ("labels", "facts"),
    [
        (np.arange(30) % 3 / 1.0, "float64 of shape (30,)"),
        (CLASSES[np.arange(30) % 3], "<U3 of shape (30,)"),
        (np.arange(30) % 2 == 0, "bool of shape (30,)"),
        (np.eye(3, dtype=np.int64)[np.arange(30) % 3], "int64 of shape (30, 3)"),
        (np.arange(29) % 3, "int64 of shape (29,)"),
    ],
)
def test_labels_that_are_no_whole_numbers_one_an_image_are_named(saved, complaint, labels, facts):
    said = complaint(saved(train_labels=labels))
    assert f"'train_labels' is {facts}; it must be 30 whole numbers" in said


def test_one_class_is_too_few(saved, complaint):
    said = complaint(saved(classes=CLASSES[:1], train_labels=np.zeros(30, np.int64)))
    assert "1 class" in said
    assert "a classifier needs 2 or more" in said


def test_a_class_with_too_few_images_is_named(saved, complaint):
    labels = np.arange(30) % 2
    labels[0] = 2
    said = complaint(saved(train_labels=labels))
    assert "'owl' has 1" in said
    assert "or more training images" in said


def test_test_images_of_another_shape_are_named(saved, complaint):
    said = complaint(saved(test=9, test_images=np.zeros((9, 8, 6), np.uint8)))
    assert "test images are (1, 8, 6) (C, H, W), but training images are (1, 6, 8)" in said


@pytest.mark.parametrize("key", ["train_images", "train_labels", "classes"])
def test_pickled_objects_are_not_opened(saved, complaint, key):
    arrays = contents()
    size = len(arrays[key])
    arrays[key] = np.array([None] * size, dtype=object)
    assert "cannot be read" in complaint(saved(arrays))


def test_names_may_be_bytes(saved):
    assert saved(classes=CLASSES.astype("S3")).class_names == ("cat", "dog", "owl")
