"""Image folders as people have them: splits by their usual names, hidden files, and what is said of the rest."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from nasforge import HELD_OUT_NOTE, DataError
from nasforge_plugins.data import folders
from nasforge_plugins.data.image_folder import ImageFolder

CLASSES = ("buildings", "forest")


def fill(root, *places, n=6):
    """`n` small images in each of the folders `places` below `root`."""
    rng = np.random.default_rng(0)
    for place in places:
        (root / place).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(root / place / f"{i}.png")


def of_each_class(*splits):
    return [f"{split}/{name}" for split in splits for name in CLASSES]


def folder(root):
    return ImageFolder(root=str(root), image_size=8)


def complaint(root):
    with pytest.raises(DataError) as caught:
        _ = folder(root).train
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("Training", "Testing"),
        ("seg_train", "seg_test"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("TRAIN", "valid"),
        ("train_images", "validation_images"),
        ("pets/train", "pets/val"),
        ("training_set", "test_set"),
        ("my-train", "my-val"),
    ],
)
def test_splits_are_known_by_their_usual_names(tmp_path, train, test):
    fill(tmp_path, *of_each_class(train))
    fill(tmp_path, *of_each_class(test), n=3)
    data = folder(tmp_path)
    assert data.class_names == CLASSES
    assert (len(data.train), len(data.test)) == (12, 6)
    assert data.notes[:2] == (
        "training images of each class: 6 buildings, 6 forest",
        "test images of each class: 3 buildings, 3 forest",
    )
    assert bool(data.notes[2:]) == ("val" in test), "a validation set that is tested on is said to be one"


def test_test_goes_before_validation_and_what_is_not_read_is_said(tmp_path):
    fill(tmp_path, *of_each_class("train", "valid", "test"), "seg_pred/seg_pred")
    (tmp_path / "train" / "forest" / "phone.HEIC").write_bytes(b"")
    (tmp_path / "test" / "forest" / "notes.txt").write_text("")
    data = folder(tmp_path)
    assert folders.layout(tmp_path).test == tmp_path / "test"
    assert data.notes[2:] == (
        f"ignored folders of {tmp_path}: seg_pred, valid",
        "ignored files in the class folders, by suffix: 1 .heic, 1 .txt",
    )


def test_a_plain_name_goes_before_a_longer_one(tmp_path):
    fill(tmp_path, *of_each_class("train", "train_small", "test"))
    assert folders.layout(tmp_path).train == tmp_path / "train"


def test_two_folders_for_one_split_are_refused(tmp_path):
    fill(tmp_path, *of_each_class("train_a", "train", "Training"))
    assert "has 2 folders of train images, 'Training', 'train'; keep one of them" in complaint(tmp_path)


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path, "bus", "car", "train")
    assert folder(tmp_path).class_names == ("bus", "car", "train")


@pytest.mark.parametrize("place", ["train", "."])
def test_images_in_no_folder_of_a_class_are_named(tmp_path, place):
    fill(tmp_path, place)
    said = complaint(tmp_path)
    assert str(tmp_path) in said
    assert "class" in said


def test_splits_by_unknown_names_do_not_become_classes(tmp_path):
    fill(tmp_path, *of_each_class("fold1", "fold2"))
    said = complaint(tmp_path)
    assert "(fold1, fold2) all hold the same folders (buildings, forest)" in said
    assert "name the outer ones 'train' and 'test'" in said


def test_images_of_a_class_may_lie_in_folders_of_its_own(tmp_path):
    fill(tmp_path, "cat/a", "cat/b", "dog/a", "dog/c", n=5)
    assert "training images of each class: 8 cat, 8 dog" in folder(tmp_path).notes
    assert HELD_OUT_NOTE in folder(tmp_path).notes


def test_hidden_files_and_those_that_systems_leave_are_no_images(tmp_path):
    fill(tmp_path, *CLASSES)
    hidden = (".ipynb_checkpoints", "__MACOSX", "@eaDir", "deep/.thumbs")
    fill(tmp_path, *(f"forest/{name}" for name in hidden), "__MACOSX/forest", ".git", n=5)
    for name in ("._0.png", "Thumbs.db", "desktop.ini", ".DS_Store"):
        (tmp_path / "forest" / name).write_bytes(b"no image")
    data = folder(tmp_path)
    assert len(data.train) + len(data.test) == 12
    assert data.notes[2:] == (HELD_OUT_NOTE,)


def test_of_many_classes_the_range_is_said(tmp_path):
    fill(tmp_path, *(f"class{n}" for n in range(25)), n=5)
    assert folder(tmp_path).notes[0] == "training images of each class: 4 to 4 of 25 classes"


def test_a_class_name_that_is_no_text_is_refused_before_the_search(tmp_path, mistake):
    fill(tmp_path / "photos", "cat", "dog")
    os.rename(os.fsencode(tmp_path / "photos" / "dog"), os.fsencode(tmp_path / "photos") + b"/caf\xe9")
    said = mistake("data=image_folder", f"data.root={tmp_path}/photos", "data.image_size=8", "hydra.run.dir=run")
    assert "has a class named 'caf\\udce9', which is not valid UTF-8; rename its folder" in said
    assert not os.path.exists("run/journal.jsonl")


def test_a_run_records_how_many_images_each_class_has(tmp_path, command):
    fill(tmp_path / "photos", "cat", "dog", n=25)
    small = (
        "strategy=random_search",
        "estimator=zero_cost",
        "estimator.zero_cost.batch_size=8",
        "budget.evaluations=1",
        "retrain.seeds=0",
    )
    words = ("space=nasbench201", "data=image_folder", f"data.root={tmp_path}/photos", "data.image_size=8")
    status, _, complaint = command(*small, *words, "hydra.run.dir=run")
    assert status == 0, complaint
    with open("run/data.json") as file:
        assert json.load(file)["class counts"] == {"cat": 20, "dog": 20}
    with open("run/result.json") as file:
        assert "training images of each class: 20 cat, 20 dog" in json.load(file)["notes"]
