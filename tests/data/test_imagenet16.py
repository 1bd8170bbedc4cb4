"""ImageNet-16-120 from pickles like the published ones: its split, its classes, and no code run from a file."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from nasforge import DataError
from nasforge_plugins.data.imagenet16 import CLASSES, SPLIT, TRAIN, VAL, ImageNet16


def pickled(file, labels, protocol=3, **changes):
    """A file with an image for each label; return its pixels."""
    pixels = np.random.default_rng(len(labels)).integers(0, 256, (len(labels), 768), dtype=np.uint8)
    content = {"data": pixels, "labels": labels, "mean": pixels.mean(0), **changes}
    file.write_bytes(pickle.dumps(content, protocol))
    return pixels


@pytest.fixture
def root(tmp_path):
    """Ten files with an image of each of 122 classes, of which two are left out, and two of each for validation."""
    for number, name in enumerate(TRAIN):
        pickled(tmp_path / name, list(range(1, 123)), protocol=2 + number % 4)
    pickled(tmp_path / VAL, list(range(1, 123)) * 2)
    return tmp_path


def test_images_are_those_of_the_first_classes(root):
    data = ImageNet16(root=root)
    assert data.train.shape == (3, 16, 16)
    assert torch.bincount(data.train.labels).tolist() == [10] * CLASSES
    pixels = pickle.loads((root / TRAIN[1]).read_bytes())["data"]
    assert np.array_equal(data.train[torch.arange(120, 240)][0].reshape(120, -1).numpy(), pixels[:CLASSES])


def test_a_search_trains_on_all_training_images_and_test_images_are_others(root):
    data = ImageNet16(root=root)
    halves = data.for_search(3).halves()
    assert len(halves.train) == 10 * CLASSES
    known = {bytes(image.numpy()) for image in halves.validation[torch.arange(CLASSES)][0]}
    assert len(known) == len(data.test) == CLASSES
    assert not known & {bytes(image.numpy()) for image in data.test[torch.arange(CLASSES)][0]}
    assert data.for_search(4).halves().validation.fingerprint == halves.validation.fingerprint
    assert "with imagenet-16-120-test-split.txt in" in data.notes[0]


def test_the_published_split_is_followed(root):
    odd = list(range(1, 240, 2))
    parts = {"xvalid": ["int", list(map(str, odd))], "xtest": ["int", [str(position - 1) for position in odd]]}
    (root / SPLIT).write_text(json.dumps(parts))
    data = ImageNet16(root=root)
    assert data.for_search(0).search_validation.labels.tolist() == [position % CLASSES for position in odd]
    assert data.test.labels.tolist() == [(position - 1) % CLASSES for position in odd]
    assert data.notes == ()


def missing(root):
    (root / TRAIN[3]).unlink()


def few_classes(root):
    pickled(root / VAL, [1, 2, 3])


def wrong_labels(root):
    pickled(root / VAL, list(range(122)))


def wrong_pixels(root):
    pickled(root / VAL, [1], data=np.zeros((1, 3072), np.uint8))


def overlapping_split(root):
    (root / SPLIT).write_text('{"xvalid": ["int", ["3", "4"]], "xtest": ["int", ["4"]]}')


def wrong_split(root):
    (root / SPLIT).write_text('{"xvalid": ["int", ["7000"]]}')


def cut_off(root):
    (root / VAL).write_bytes((root / VAL).read_bytes()[:-50])


class Calls:
    def __reduce__(self):
        return Path.touch, (Path("called"),)


def foreign_code(root):
    (root / VAL).write_bytes(pickle.dumps({"data": Calls()}))


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (missing, f"there is no file {{root}}/{TRAIN[3]}; data=imagenet16_120 needs train_data_batch_1"),
        (few_classes, "have no image of class 4"),
        (wrong_labels, "'labels' must be 122 whole numbers from 1 up"),
        (wrong_pixels, "'data' must be uint8 of shape (N, 768)"),
        (wrong_split, "'xvalid' must list images 0 to 239"),
        (overlapping_split, "lists an image twice; its two parts must have none in common"),
        (cut_off, "cannot be read"),
        (foreign_code, "it asks for"),
    ],
)
def test_a_mistake_in_the_files_is_named(root, monkeypatch, tmp_path, break_it, sentence):
    monkeypatch.chdir(tmp_path)
    break_it(root)
    data = ImageNet16(root=root)
    with pytest.raises(DataError) as error:
        _ = data.for_search(0)
    assert sentence.format(root=root) in str(error.value)
    assert not Path("called").exists()
