"""One's own image files: read as Pillow reads them, one at a time, and every broken one named."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from nasforge import HELD_OUT_NOTE, DataError
from nasforge_plugins.data.image_folder import Files, ImageFolder

SIZES = [(20, 12), (12, 20), (16, 16), (9, 31), (40, 40), (16, 17)]


def fill(folder, n, seed=0, mode="RGB"):
    """`n` images of several sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(n):
        width, height = SIZES[i % len(SIZES)]
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(folder / f"{i:02}.png")


@pytest.fixture
def plain(tmp_path):
    """root/CLASS/*.png, ten of each of three classes."""
    for seed, name in enumerate(("owl", "cat", "dog")):
        fill(tmp_path / name, 10, seed)
    return tmp_path


@pytest.fixture
def parted(tmp_path):
    """root/train/CLASS and root/test/CLASS."""
    for seed, name in enumerate(("owl", "cat")):
        fill(tmp_path / "train" / name, 6, seed)
        fill(tmp_path / "test" / name, 3, seed + 9)
    return tmp_path


def folder(root, **options):
    return ImageFolder(root=str(root), image_size=8, **options)


def complaint(data):
    with pytest.raises(DataError) as caught:
        _ = data.train
    assert "\n" not in str(caught.value)
    return str(caught.value)


def fitted(file, side=8):
    with Image.open(file) as image:
        return np.array(ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.LANCZOS))


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_pictures_of_a_turned_camera_are_read_upright(plain, orientation, suffix):
    """0 and 9 are no orientations, and are passed over as Pillow does."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = plain / "cat" / f"00.{suffix}"
    Image.open(plain / "owl" / "00.png").resize((24, 12)).save(file, exif=exif)
    with Image.open(file) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    assert upright.size == ((12, 24) if orientation in (5, 6, 7, 8) else (24, 12))
    expected = np.array(ImageOps.fit(upright, (8, 8), Image.Resampling.LANCZOS))
    files = Files(plain, [file], 8)
    assert np.array_equal(files[torch.tensor([0])][0].permute(1, 2, 0).numpy(), expected)


def test_broken_metadata_cost_no_picture(plain):
    file = plain / "cat" / "00.jpg"
    Image.open(plain / "owl" / "00.png").save(file, exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff\x00")
    assert Files(plain, [file], 8)[torch.tensor([0])].shape == (1, 3, 8, 8)


@pytest.mark.parametrize("side", [4, 8, 32])
def test_files_are_read_as_pillow_fits_them(parted, side):
    data = ImageFolder(root=str(parted), image_size=side)
    for part, images in (("train", data.train), ("test", data.test)):
        files = [file for name in ("cat", "owl") for file in sorted((parted / part / name).iterdir())]
        pixels, labels = images[torch.arange(len(images))]
        assert pixels.shape == (len(files), 3, side, side)
        assert pixels.dtype == torch.uint8
        assert labels.tolist() == [0] * (len(files) // 2) + [1] * (len(files) // 2)
        for ours, file in zip(pixels, files, strict=True):
            assert np.array_equal(ours.permute(1, 2, 0).numpy(), fitted(file, side))


def test_classes_are_the_folders_sorted(plain):
    (plain / "notes.txt").write_text("not a class")
    (plain / ".hidden").mkdir()
    (plain / "cat" / "notes.txt").write_text("not an image")
    data = folder(plain)
    assert data.class_names == ("cat", "dog", "owl")
    assert len(data.train) + len(data.test) == 30
    assert data.for_search(0).input_shape == (3, 8, 8)


def test_grey_and_palette_and_transparent_files_become_colour(tmp_path):
    for name, mode in (("grey", "L"), ("palette", "P"), ("transparent", "RGBA")):
        fill(tmp_path / name, 5, mode=mode)
    data = folder(tmp_path)
    assert data.train[torch.arange(len(data.train))][0].shape[1:] == (3, 8, 8)


def test_images_are_read_when_they_are_asked_for(parted):
    data = folder(parted)
    images = data.train
    first = images[torch.tensor([0])][0]
    Image.new("RGB", (9, 9), (1, 2, 3)).save(parted / "train" / "cat" / "00.png")
    again = images[torch.tensor([0])][0]
    assert not torch.equal(first, again)
    assert (again[0, 2] == 3).all()


def test_a_file_that_vanished_is_named(parted):
    images = folder(parted).train
    (parted / "train" / "cat" / "00.png").unlink()
    with pytest.raises(DataError, match=r"cat.00\.png"):
        images[torch.tensor([0])]


def test_a_test_folder_is_the_test_set(parted):
    data = folder(parted)
    assert (len(data.train), len(data.test)) == (12, 6)
    assert data.notes == ("training images of each class: 6 cat, 6 owl", "test images of each class: 3 cat, 3 owl")
    assert "the center square" in data.reading
    assert "8 x 8 pixels" in data.reading


def test_without_a_test_folder_a_balanced_fifth_is_held_out_and_said_to_be(plain):
    data = folder(plain)
    assert (len(data.train), len(data.test)) == (24, 6)
    assert torch.bincount(data.test[torch.arange(6)][1]).tolist() == [2, 2, 2]
    assert data.notes[0] == "training images of each class: 8 cat, 8 dog, 8 owl"
    assert data.notes[2:] == (HELD_OUT_NOTE,)
    assert data.test.fingerprint == folder(plain).test.fingerprint


def test_a_train_folder_alone_is_parted_too(parted):
    for file in sorted((parted / "test").rglob("*.png")):
        file.unlink()
    for path in ("test/cat", "test/owl", "test"):
        (parted / path).rmdir()
    data = folder(parted)
    assert (len(data.train), len(data.test)) == (10, 2)
    assert data.notes[2:] == (HELD_OUT_NOTE,)


def test_no_search_reaches_the_held_out_files(plain):
    data = folder(plain)
    seen = data.for_search(0).train
    assert len(seen.images) == len(seen.labels) == 24
    held_out = {image.numpy().tobytes() for image in data.test[torch.arange(6)][0]}
    assert not held_out & {image.numpy().tobytes() for image in seen.images[torch.arange(24)]}


def test_halves_subsets_and_scales_work_on_files(plain):
    data = folder(plain).for_search(0)
    assert len(data.halves().train) == 12
    small = data.subset(9).scaled(0.5)
    assert small.input_shape == (3, 4, 4)
    assert small.preprocessing.pad == 2
    assert torch.bincount(small.train[torch.arange(9)][1]).tolist() == [3, 3, 3]


def test_normalisation_is_measured(plain):
    data = folder(plain)
    pixels = data.train[torch.arange(24)][0].double() / 255
    mean, std = data.normalization
    assert np.allclose(mean, pixels.mean((0, 2, 3)), atol=1e-6)
    assert np.allclose(std, pixels.std((0, 2, 3)), rtol=1e-2)


def test_a_fingerprint_tells_files_classes_and_sides_apart(plain):
    first = folder(plain).train.fingerprint
    assert folder(plain).train.fingerprint == first
    assert ImageFolder(root=str(plain), image_size=16).train.fingerprint != first
    moved = plain.parent / f"{plain.name}-moved"
    plain.rename(moved)
    assert folder(moved).train.fingerprint == first
    fill(moved / "dog", 11, seed=2)
    more = folder(moved).train.fingerprint
    assert more != first
    Image.new("RGB", (8, 8)).save(moved / "dog" / "03.png")
    assert folder(moved).train.fingerprint != more


def test_a_missing_folder_is_named(tmp_path):
    said = complaint(folder(tmp_path / "nowhere"))
    assert f"there is no folder {tmp_path / 'nowhere'}" in said
    assert "one folder of images for each class" in said


@pytest.mark.parametrize("classes", [0, 1])
def test_too_few_classes_are_named(tmp_path, classes):
    for name in ("cat",)[:classes]:
        fill(tmp_path / name, 6)
    said = complaint(folder(tmp_path))
    assert str(tmp_path) in said
    assert f"{classes} class" in said
    assert "a classifier needs 2 or more" in said


@pytest.mark.parametrize("n", [0, 1])
def test_a_class_with_too_few_images_is_named(plain, n):
    fill(plain / "emu", n)
    said = complaint(folder(plain))
    assert "emu" in said
    assert str(n) in said
    assert "or more" in said


def test_a_class_without_test_images_is_named(parted):
    for file in (parted / "test" / "cat").iterdir():
        file.unlink()
    said = complaint(folder(parted))
    assert str(parted / "test" / "cat") in said


def test_a_test_class_that_cannot_be_learnt_is_named(parted):
    fill(parted / "test" / "emu", 3)
    said = complaint(folder(parted))
    assert str(parted / "test") in said
    assert "emu" in said


def test_test_images_without_training_images_are_named(plain):
    fill(plain / "test" / "cat", 5)
    said = complaint(folder(plain))
    assert "'test'" in said
    assert "'train'" in said


@pytest.mark.parametrize("harm", ["text", "empty", "cut", "altered"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_file_that_cannot_be_read_is_named_at_once(parted, harm, part):
    broken = parted / part / "owl" / "02.png"
    content = bytearray(broken.read_bytes())
    middle = len(content) // 2
    content = {
        "text": b"no image",
        "empty": b"",
        "cut": content[:middle],
        "altered": content[:middle] + bytes(40) + content[middle + 40 :],
    }[harm]
    broken.write_bytes(content)
    said = complaint(folder(parted))
    assert str(broken) in said
    assert "repair or remove" in said


def test_deep_images_are_not_silently_clipped(plain):
    deep = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(deep).save(plain / "cat" / "deep.png")
    said = complaint(folder(plain))
    assert str(plain / "cat" / "deep.png") in said
    assert "8 bits" in said
