"""Images on the device as a whole: the same results as through a loader, read once, refused if they do not fit."""

import pytest
import torch
from PIL import Image

from nasforge import FitData, ImageSet, OptionError, Preprocessing, train
from nasforge.testing import host_requests, tiny_data
from nasforge.training import resident
from nasforge.training.resident import IndexedBatches, check_room, placed
from nasforge_plugins.space.darts import DARTS
from nasforge_plugins.strategy.darts.module import GradientAlphas

CPU = torch.device("cpu")
AUGMENTED = Preprocessing((0.5,) * 3, (0.25,) * 3, pad=1, flip=True, cutout=3)


class Files:
    """A source whose images are not in memory; it counts how often each one is read."""

    def __init__(self, images):
        self.images, self.reads = images, torch.zeros(len(images), dtype=torch.int64)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, positions):
        self.reads[positions] += 1
        return self.images[positions]


def halves(source="memory", factor=1.0, images=43):
    data = tiny_data(images=images).train
    if source == "files":
        data = ImageSet.of(Files(data.images), data.labels)
    first, second = data.scaled(factor).split(0.5, 0)
    return FitData(first, second, AUGMENTED, 6)


def first_order(data, epochs=2):
    torch.manual_seed(0)
    space = DARTS(channels=4, cells=3)
    weights = {"learning_rate": 0.1, "final_learning_rate": 0.0, "momentum": 0.9, "weight_decay": 3e-4, "clip": 5.0}
    return GradientAlphas(space.supernet(data.train.shape, 2), space, epochs=epochs, **weights)


def fitted(data, on_device, epochs=2):
    """All numbers that a search leaves behind."""
    module = first_order(data, epochs)
    trainer = {"accelerator": "cpu", "devices": 1, "data_on_device": on_device}
    train(module, data, name="fit", epochs=epochs, seed=0, trainer=trainer)
    assert module.data is data  # what the fit moved is not left with the module
    return [*module.state_dict().values(), torch.tensor(list(module.history.values()))]


@pytest.mark.parametrize(("source", "factor"), [("memory", 1.0), ("files", 1.0), ("files", 0.5)])
def test_a_fit_is_the_same_to_the_bit_wherever_its_images_lie(source, factor):
    through_a_loader, there = (fitted(halves(source, factor), on_device) for on_device in (False, True))
    assert all(map(torch.equal, through_a_loader, there))


@pytest.mark.parametrize("rank", [0, 1])
def test_each_rank_indexes_the_batches_that_its_loader_reads(rank):
    data = halves()
    loader, indexed = data.loader(5, rank=rank, ranks=2), IndexedBatches(data, 5, rank=rank, ranks=2)
    assert len(loader) == len(indexed) == 4
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        indexed.sampler.set_epoch(epoch)
        for (images, labels), (pixels, classes) in zip(loader, indexed, strict=True):
            assert torch.equal(images, pixels)
            assert torch.equal(labels, classes)


def test_files_are_read_once_however_many_fits_there_are(monkeypatch):
    monkeypatch.setattr(resident, "READ_AT_ONCE", 10)
    data = halves("files")
    for _ in range(2):
        placed(data, CPU, True)
    reads = data.train.images.reads
    assert reads.min() == 1
    assert reads.sum() == 43 + 1  # one image was read for its shape


def test_a_loader_reads_where_that_is_asked_for_or_no_slower():
    assert placed(halves(), CPU, False) is None
    assert placed(halves(), CPU, "auto") is None


def test_no_batch_of_images_on_the_device_waits_for_the_host():
    data = halves()
    assert host_requests(first_order(data), data, data_on_device=True) == []


class Endless(Files):
    """More images than any machine has memory for."""

    def __len__(self):
        return 10**15


def test_images_that_do_not_fit_are_refused_with_both_sizes():
    few = tiny_data().train
    images = ImageSet(Endless(few.images), few.labels, few.positions)
    with pytest.raises(OptionError) as error:
        check_room(images, CPU, True)
    assert "1,000,000,000,000,000 images take 178,813,934.3 GiB, but this machine has" in str(error.value)
    check_room(images, CPU, "auto")
    check_room(few, CPU, True)


def test_a_command_refuses_images_that_do_not_fit_before_it_starts(mistake, tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "images" / name / f"{number}.png")
    monkeypatch.setattr(resident, "memory_of", lambda device: 1_000)
    words = ("data=image_folder", f"data.root={tmp_path / 'images'}", "data.image_size=8", "data.pad=1")
    sentence = mistake(*words, "trainer.data_on_device=true", "trainer.accelerator=cpu")
    assert "trainer.data_on_device=true: 8 images take 0.0 GiB, but this machine has 0.0 GiB" in sentence
    assert sentence.endswith("trainer.data_on_device=auto reads them batch by batch")
