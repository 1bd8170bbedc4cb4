"""Images in memory: every form gives the same search, which resumes from its folder, and mistakes are one sentence."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

import nasforge
from nasforge import AbilityError, DataError, NasforgeError, OptionError, RunError
from nasforge.command.labelled_images import Part

LABELS = np.arange(48) % 3
GRAY = np.random.default_rng(0).integers(0, 256, (48, 8, 8), dtype=np.uint8)
COLOR = np.random.default_rng(1).integers(0, 256, (48, 8, 8, 3), dtype=np.uint8)
SMALL = {
    "strategy": "random_search",
    "space": "darts",
    "estimator": "zero_cost",
    "estimator.zero_cost.proxies": ["synflow"],
    "budget": {"evaluations": 2},
    "retrain": {"seeds": 0},
    "quiet": True,
}


class Photos(Dataset):
    """A torch dataset like torchvision's."""

    classes = ("cat", "dog", "owl")

    def __init__(self, images=COLOR, labels=LABELS):
        self.images, self.labels = [Image.fromarray(image) for image in images], labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], int(self.labels[index])


def test_a_search_keeps_its_images_and_resumes_elsewhere(tmp_path, command):
    folder = tmp_path / "run"
    outcome = nasforge.search(data=(COLOR, LABELS), class_names=["cat", "dog", "owl"], run_dir=folder, **SMALL)
    assert outcome.load().class_names == ("cat", "dog", "owl")
    assert outcome.load().input_shape == (3, 8, 8)
    status, _, complaint = command("resume", str(folder), "budget.evaluations=4")
    assert status == 0, complaint
    whole = nasforge.search(
        data=(COLOR, LABELS),
        class_names=Photos.classes,
        run_dir=tmp_path / "whole",
        **SMALL | {"budget": {"evaluations": 4}},
    )
    result = nasforge.load(folder).result
    assert replace(result, next=()) == replace(whole.result, next=())  # commands name the folder
    assert (folder / "evaluations.json").read_bytes() == (tmp_path / "whole/evaluations.json").read_bytes()


def test_a_run_that_was_moved_takes_its_images_along(tmp_path, command, mistake):
    nasforge.search(data=(GRAY, LABELS), run_dir=tmp_path / "run", **SMALL)
    moved = shutil.move(tmp_path / "run", tmp_path / "moved")
    assert "add data.path=PATH" in mistake("resume", str(moved), "budget.evaluations=3")
    status, _, complaint = command("resume", str(moved), "budget.evaluations=3", f"data.path={moved}/images.npz")
    assert status == 0, complaint


def test_the_images_are_those_that_the_search_reads(tmp_path):
    options = {**SMALL, "data.pad": 1}
    nasforge.search(data=(COLOR, LABELS), test=(COLOR[:9], LABELS[:9]), run_dir=tmp_path / "run", **options)
    data = nasforge.build("data", {"name": "arrays", "path": tmp_path / "run" / "images.npz"})
    for images, pixels, labels in ((data.train, COLOR, LABELS), (data.test, COLOR[:9], LABELS[:9])):
        read, read_labels = images[torch.arange(len(images))]
        assert np.array_equal(read.permute(0, 2, 3, 1).numpy(), pixels)
        assert np.array_equal(read_labels.numpy(), labels)
    assert data.class_names == ("0", "1", "2")
    assert "pad: 1" in (tmp_path / "run" / "config.yaml").read_text()


FORMS = {
    "channels first": (COLOR.transpose(0, 3, 1, 2), LABELS),
    "tensors": (torch.from_numpy(COLOR).permute(0, 3, 1, 2), torch.from_numpy(LABELS)),
    "floats": (COLOR / 255, LABELS.tolist()),
    "torch dataset of images": Photos(),
    "torch dataset of tensors": TensorDataset(
        torch.from_numpy(COLOR).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(LABELS)
    ),
    "list of pairs": list(zip(COLOR, LABELS, strict=True)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_images(form):
    part = Part.of(FORMS[form], "data")
    assert (part.images.dtype, part.labels.dtype) == (np.uint8, np.int64)
    assert np.array_equal(part.images, COLOR)
    assert np.array_equal(part.labels, LABELS)


def test_gray_images_have_one_channel_in_every_form():
    for source in ((GRAY, LABELS), (GRAY[:, None] / 255, LABELS), (GRAY[..., None], LABELS), Photos(GRAY)):
        assert np.array_equal(Part.of(source, "data").images[..., 0], GRAY)


def test_a_dataset_brings_its_class_names():
    assert Part.of(Photos(), "data").class_names == Photos.classes


@pytest.fixture
def hugging_face():
    """The package `datasets`."""
    return pytest.importorskip("datasets", reason="HUGGING FACE DATASETS NOT CHECKED: pip install datasets")


def test_a_hugging_face_dataset_is_read(hugging_face):
    features = hugging_face.Features(
        {"img": hugging_face.Image(), "fine": hugging_face.ClassLabel(names=["cat", "dog", "owl"])}
    )
    rows = {"img": [Image.fromarray(image) for image in COLOR], "fine": LABELS.tolist()}
    dataset = hugging_face.Dataset.from_dict(rows, features=features)
    part = Part.of(dataset, "data")
    assert np.array_equal(part.images, COLOR)
    assert np.array_equal(part.labels, LABELS)
    assert part.class_names == ["cat", "dog", "owl"]
    with pytest.raises(DataError, match=r"data is a DatasetDict; pass one split that is in memory, .*\['train'\]"):
        nasforge.search(data=hugging_face.DatasetDict(train=dataset), **SMALL)
    with pytest.raises(DataError, match="data is a IterableDataset; pass one split that is in memory"):
        nasforge.search(data=dataset.to_iterable_dataset(), **SMALL)
    with pytest.raises(DataError, match="no single column of labels among img, a, b; name it 'label'"):
        Part.of(
            dataset.add_column("b", LABELS.tolist()).rename_column("fine", "a").cast_column("b", features["fine"]),
            "data",
        )


NOT_A_NUMBER = np.where(np.arange(64).reshape(8, 8) == 3, np.nan, 0.5) * np.ones((48, 1, 1))
MISTAKES = {
    "data: images hold NaN": (NOT_A_NUMBER, LABELS),
    "data: images are floats from 0 to 255; they must be uint8, from 0 to 255, or floats from 0 to 1": (
        np.linspace(0, 255, 48 * 64).reshape(48, 8, 8),
        LABELS,
    ),
    "data: images are int64; they must be uint8": (GRAY.astype(np.int64), LABELS),
    r"data: images have the shape \(48, 64\); it must be \(N, H, W\), \(N, H, W, C\)": (GRAY.reshape(48, 64), LABELS),
    r"data: images have the shape \(0, 8, 8\)": (GRAY[:0], LABELS[:0]),
    "in which no axis holds 1 to 4 channels": (np.zeros((48, 8, 8, 8), np.uint8), LABELS),
    "data: there are 48 images and 47 labels; each image needs one label": (GRAY, LABELS[:-1]),
    r"data: labels are float64 of shape \(48,\); they must be whole numbers, one per image": (GRAY, LABELS / 1.0),
    r"data: labels are text of shape \(48,\)": (GRAY, LABELS.astype(str)),
    r"data: labels are int64 of shape \(48, 1\)": (GRAY, LABELS[:, None]),
    "data: a label is -1; labels are whole numbers from 0": (GRAY, LABELS - 1),
    r"data: image 1 has the shape \(9, 8, 3\), and image 0 \(8, 8, 3\); scale all images to one size": [
        (COLOR[0], 0),
        (np.zeros((9, 8, 3), np.uint8), 1),
    ],
    r"data: item 0 is a ndarray; it must be a pair \(image, label\)": GRAY,
    r"data is a int; it must be \(images, labels\), a torch Dataset": 3,
    "data is a generator; it must be": (pair for pair in zip(GRAY, LABELS, strict=True)),
    "data: a list is no array of numbers": ([[[1, 2], [3]]], LABELS),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_named_before_anything_is_written(message, tmp_path):
    with pytest.raises(DataError, match=message):
        nasforge.search(data=MISTAKES[message], run_dir=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run").exists()


def test_class_names_must_suffice():
    with pytest.raises(DataError, match="the labels go up to 2, but there are only 2 class names"):
        nasforge.search(data=(GRAY, LABELS), class_names=["cat", "dog"], **SMALL)


@pytest.mark.parametrize("extra", ["test", "class_names"])
def test_what_goes_with_data_in_memory_needs_some(extra):
    with pytest.raises(OptionError, match=rf"{extra}= goes with data in memory, as in data=\(images, labels\)"):
        nasforge.search(data="digits", **{extra: ("a", "b")}, **SMALL)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"data.pad": 8}, OptionError),  # found when the images are read
        ({"strategy": "darts", "space": "reolon"}, AbilityError),
        ({"strategy": "egna"}, NasforgeError),
    ],
)
def test_a_search_that_does_not_begin_leaves_nothing(changes, error, tmp_path):
    with pytest.raises(error):
        nasforge.search(data=(GRAY, LABELS), run_dir=tmp_path / "run", **SMALL | changes)
    assert not (tmp_path / "run").exists()


def test_files_that_are_there_are_left_alone(tmp_path):
    (tmp_path / "images.npz").write_text("mine")
    with pytest.raises(RunError, match=r"images\.npz exists already; remove it, or choose another run_dir"):
        nasforge.search(data=(GRAY, LABELS), run_dir=tmp_path, **SMALL)
    assert (tmp_path / "images.npz").read_text() == "mine"
    folder = tmp_path / "run"
    nasforge.search(data=(GRAY, LABELS), run_dir=folder, **SMALL)
    before = (folder / "images.npz").read_bytes()
    with pytest.raises(RunError, match="already holds a run"):
        nasforge.search(data=(COLOR, LABELS), run_dir=folder, **SMALL)
    assert (folder / "images.npz").read_bytes() == before
