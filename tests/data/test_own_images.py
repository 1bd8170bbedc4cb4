"""One's own images where the two forms differ from what most people have: samples, names, `val`, JPEG, workers."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nasforge import DataError, ImageSet
from nasforge.testing import DataContract
from nasforge_plugins.data.arrays import Arrays
from nasforge_plugins.data.image_folder import ImageFolder
from nasforge_plugins.data.own_images import require_enough, statistics

RNG_SEED = 3


def write_npz(path, **changes):
    rng = np.random.default_rng(RNG_SEED)
    arrays = {
        "train_images": rng.integers(0, 256, (40, 6, 6), dtype=np.uint8),
        "train_labels": np.arange(40) % 4,
        "classes": np.array(list("abcd")),
    }
    np.savez(path, **{**arrays, **changes})
    return Arrays(path=str(path))


def write_folder(root, n=6, suffix="png", classes=("cat", "owl")):
    rng = np.random.default_rng(RNG_SEED)
    for name in classes:
        (root / name).mkdir(parents=True)
        for i in range(n):
            pixels = rng.integers(0, 256, (24, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.{suffix}")


def complaint(data):
    with pytest.raises(DataError) as caught:
        _ = data.train
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestArrays(DataContract):
    @pytest.fixture
    def data(self, tmp_path):
        return write_npz(tmp_path / "data.npz")


class TestImageFolder(DataContract):
    @pytest.fixture
    def data(self, tmp_path):
        write_folder(tmp_path / "images")
        return ImageFolder(root=str(tmp_path / "images"), image_size=8)


def test_statistics_are_exact_over_all_images_whatever_the_batches():
    images = torch.randint(0, 256, (700, 2, 5, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, deviation = statistics(ImageSet.of(images, torch.arange(700) % 7), sample=700)
    pixels = images.double() / 255
    assert np.allclose(mean, pixels.mean((0, 2, 3)), rtol=0, atol=1e-12)
    assert np.allclose(deviation, pixels.std((0, 2, 3), correction=0), rtol=0, atol=1e-9)


def test_a_sample_is_class_balanced_and_no_larger_than_told():
    class Counted:
        fingerprint = "counted"
        read = 0

        def __len__(self):
            return 3_000

        def __getitem__(self, positions):
            self.read += len(positions)
            return (positions % 3 * 100).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)

    source = Counted()
    images = ImageSet.of(source, torch.arange(3_000) % 3)
    mean, _ = statistics(images, sample=300)
    assert source.read <= 301  # one more tells the shape
    assert mean == pytest.approx((100 / 255,))  # 0, 100 and 200 alike


@pytest.mark.parametrize(("held_out", "fewest"), [(True, 5), (False, 2)])
def test_each_class_has_enough_for_halves_and_a_held_out_fifth(held_out, fewest):
    labels = torch.tensor([0] * fewest + [1] * 50)
    require_enough("here", labels, ("a", "b"), held_out=held_out)
    with pytest.raises(
        DataError, match=rf"here: each class needs {fewest} or more training images.*'a' has {fewest - 1}"
    ):
        require_enough("here", labels[1:], ("a", "b"), held_out=held_out)


@pytest.mark.parametrize("classes", [np.array(list("abca")), np.array(list("aaaa"))])
def test_a_class_that_is_named_twice_is_refused(tmp_path, classes):
    assert "'classes' names 'a' more than once" in complaint(write_npz(tmp_path / "x.npz", classes=classes))


def test_names_are_a_list(tmp_path):
    said = complaint(write_npz(tmp_path / "x.npz", classes=np.array([list("ab"), list("cd")])))
    assert "'classes' has the shape (2, 2); it must be a list of names" in said


def test_test_labels_without_images_are_not_passed_over(tmp_path):
    assert "has no array 'test_images'" in complaint(write_npz(tmp_path / "x.npz", test_labels=np.arange(4)))


def test_other_arrays_are_left_unread(tmp_path):
    assert len(write_npz(tmp_path / "x.npz", notes=np.array([None], dtype=object)).train) == 32


@pytest.mark.parametrize("n", range(12))
def test_a_file_that_was_altered_anywhere_is_never_a_surprise(tmp_path, n):
    path = tmp_path / "x.npz"
    write_npz(path)
    content = bytearray(path.read_bytes())
    start = np.random.default_rng(n).integers(len(content) - 64)
    content[start : start + 64] = bytes(64)
    path.write_bytes(content)
    with suppress(DataError):  # and no other; what fell between the members harms nothing
        _ = Arrays(path=str(path)).train


def test_val_stands_for_test_and_is_said_to(tmp_path):
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "val", n=2)
    data = ImageFolder(root=str(tmp_path), image_size=8)
    assert (len(data.train), len(data.test)) == (12, 4)
    assert data.notes[2:] == (f"there is no folder 'test': the images of {tmp_path / 'val'} are the test set",)


def test_a_jpeg_that_was_cut_short_is_named(tmp_path):
    write_folder(tmp_path, suffix="jpg")
    whole = (tmp_path / "owl" / "3.jpg").read_bytes()
    (tmp_path / "owl" / "3.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    said = complaint(ImageFolder(root=str(tmp_path), image_size=8))
    assert f"1 of 12 image files cannot be used: {tmp_path / 'owl' / '3.jpg'} (" in said


def test_many_broken_files_are_named_in_one_sentence(tmp_path):
    write_folder(tmp_path)
    for i in range(4):
        for name in ("cat", "owl"):
            (tmp_path / name / f"{i}.png").write_bytes(b"no image")
    said = complaint(ImageFolder(root=str(tmp_path), image_size=8))
    assert said.startswith("8 of 12 image files cannot be used: ")
    assert said.endswith("; and 3 more; repair or remove them")


def test_what_systems_leave_behind_is_no_image(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "cat" / "._0.png").write_bytes(b"resource fork")
    (tmp_path / "__MACOSX").mkdir()
    assert ImageFolder(root=str(tmp_path), image_size=8).class_names == ("cat", "owl")
    assert len(ImageFolder(root=str(tmp_path), image_size=8).train) == 10


def test_worker_processes_read_the_same_batches(tmp_path):
    write_folder(tmp_path)
    epochs = []
    for workers in (0, 2):
        data = ImageFolder(root=str(tmp_path), image_size=8, batch_size=4, workers=workers)
        epochs.append(list(data.for_search(0).halves().loader(0)))
    for (pixels, labels), (theirs, their_labels) in zip(*epochs, strict=True):
        assert torch.equal(pixels, theirs)
        assert torch.equal(labels, their_labels)


def test_wrong_test_labels_are_refused_before_a_search_begins(tmp_path, few_images, mistake):
    """As README says: one's own files are checked at the start, so that a broken one costs no search."""
    with np.load(few_images) as file:
        arrays = dict(file)
    wrong = {"test_images": arrays["train_images"][:6], "test_labels": np.full(6, 3)}
    np.savez(tmp_path / "wrong.npz", **arrays, **wrong)
    said = mistake("strategy=random_search", "data=arrays", f"data.path={tmp_path}/wrong.npz", "hydra.run.dir=run")
    assert "'test_labels' holds 3; labels of 3 classes go from 0 to 2" in said
    assert not Path("run/journal.jsonl").exists()
