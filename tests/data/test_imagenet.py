"""Folders like ImageNet's: the pictures of torchvision's reference, the same whoever reads them, and clear mistakes."""

import json
import re
import shutil
from itertools import chain

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.io import decode_image
from torchvision.transforms import RandomResizedCrop, v2

from nasforge import DataError, DataModule, Network, NetworkModule, OptionError, Transform, train
from nasforge.testing import DataContract
from nasforge.training.augmentation import with_policy
from nasforge.training.resident import check_room, placed
from nasforge_plugins.data.imagenet import ImageNet, color_jitter
from nasforge_plugins.data.imagenet.color_jitter import ColorJitter
from nasforge_plugins.data.imagenet.photos import AREAS, RATIOS, TRIES, random_crop

CLASSES = ("n01440764", "n01443537")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def fill(folder, count, seed):
    """JPEGs of 40 x 30 pixels, with blocks of random colors that are ImageNet's on average."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        colors = rng.normal(MEAN, DEVIATION, (6, 8, 3)).clip(0, 1)
        pixels = (255 * colors).astype(np.uint8).repeat(5, 0).repeat(5, 1)
        Image.fromarray(pixels).save(folder / f"{folder.name}_{number}.JPEG", quality=95)


@pytest.fixture
def root(tmp_path):
    """Two classes with ten training images and three test images each."""
    for seed, name in enumerate(CLASSES):
        fill(tmp_path / "train" / name, 10, seed)
        fill(tmp_path / "val" / name, 3, seed + 9)
    return tmp_path


def imagenet(root, **options):
    shares = {"search_training": 0.5, "search_validation": 0.5}
    return ImageNet(root=root, **{"size": 8, "batch_size": 4, "workers": 0, **shares, **options})


def epochs(data, seed=0, **part):
    """The batches of two epochs, as a fit's loader reads them."""
    loader = data.for_search(0).halves().loader(seed, **part)
    batches = []
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        batches.append([images for images, _ in loader])
    return batches


class TestContract(DataContract):
    @pytest.fixture
    def data(self, root) -> DataModule:
        return imagenet(root, size=32)


@pytest.mark.parametrize("size", [8, 24])
def test_images_are_read_as_by_torchvisions_reference(root, size):
    data = imagenet(root, size=size)
    reference = v2.Compose([v2.Resize(round(size * 256 / 224)), v2.CenterCrop(size)])
    files = sorted((root / "val").rglob("*.JPEG"))
    images, labels = data.test[torch.arange(len(files))]
    for image, file in zip(images, files, strict=True):
        assert torch.equal(image, reference(decode_image(str(file))))
        pillow = v2.functional.pil_to_tensor(reference(Image.open(file)))
        assert (image.int() - pillow.int()).abs().max() <= 1
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_trained_network_reads_a_file_as_it_was_tested(root):
    data = imagenet(root, size=28)
    read_alike = Transform((3, 28, 28), MEAN, DEVIATION, data.center, data.resampling)
    read_whole = Transform((3, 28, 28), MEAN, DEVIATION)
    for image, file in zip(data.test[torch.arange(6)][0], sorted((root / "val").rglob("*.JPEG")), strict=True):
        near, far = ((read.pixels(file)[0].int() - image.int()).abs().float() for read in (read_alike, read_whole))
        assert near.mean() < 3 < 9 < far.mean()


@pytest.mark.parametrize("height", [30, 10, 400])
def test_random_crops_have_the_published_areas_ratios_and_places(height):
    boxes = [random_crop(row, height, 40) for row in torch.rand(500, 2 * TRIES + 2).tolist()]
    for top, left, rows, columns in boxes:
        assert 0 <= top <= height - rows
        assert 0 <= left <= 40 - columns
        assert rows * columns >= 0.9 * AREAS[0] * height * 40
        assert RATIOS[0] - 0.2 < columns / rows < RATIOS[1] + 0.2
    shares = torch.tensor([rows * columns / (height * 40) for _, _, rows, columns in boxes])
    theirs = [RandomResizedCrop.get_params(torch.empty(3, height, 40), AREAS, RATIOS) for _ in range(500)]
    expected = torch.tensor([rows * columns / (height * 40) for _, _, rows, columns in theirs])
    assert abs(shares.mean() - expected.mean()) < 0.06
    assert abs(shares.std() - expected.std()) < 0.05


@pytest.mark.parametrize(("height", "width"), [(3, 40), (40, 3)])
def test_where_no_crop_fits_it_is_the_center_one_of_torchvision(height, width):
    assert random_crop([0.999] * 22, height, width) == RandomResizedCrop.get_params(
        torch.empty(3, height, width), (0.999, 1.0), RATIOS
    )


def test_views_depend_on_seed_and_epoch_and_not_on_who_reads_them(root):
    first, second = epochs(imagenet(root))
    assert not torch.equal(torch.cat(first).sort(0).values, torch.cat(second).sort(0).values)
    assert not torch.equal(torch.cat(first), torch.cat(epochs(imagenet(root), seed=1)[0]))
    for other in (imagenet(root, workers=2), imagenet(root)):
        assert all(map(torch.equal, [*first, *second], chain(*epochs(other))))
    ranks = [chain(*epochs(imagenet(root), rank=rank, ranks=2)) for rank in (0, 1)]
    for whole, *parts in zip([*first, *second], *ranks, strict=True):
        assert all(torch.equal(part, whole[rank::2]) for rank, part in enumerate(parts))


class Tiny(Network):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convolution, self.linear = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4, 2)

    def forward(self, images, drop_path=0.0):
        return self.linear(self.convolution(images).mean((2, 3)))


def module_of(data):
    module = NetworkModule(
        Tiny(), learning_rate=0.1, momentum=0.9, weight_decay=0, clip=5, drop_path=0, auxiliary_weight=0
    )
    module.bind("fit", 0, data)
    return module


def fit(root, checkpoint, *, workers=0, **stopping):
    """The weights after three epochs, or after an earlier stop; the fit continues from the checkpoint."""
    data = imagenet(root, workers=workers).for_search(0).halves()
    module = module_of(data)
    trainer = {"accelerator": "cpu", "devices": 1}
    train(module, data, name="fit", epochs=3, seed=0, trainer=trainer, checkpoint=checkpoint, **stopping)
    return list(module.state_dict().values())


def test_a_resumed_fit_equals_an_uninterrupted_one_whatever_the_number_of_workers(root, tmp_path):
    whole = fit(root, tmp_path / "whole.ckpt")
    stopped = fit(root, tmp_path / "resumed.ckpt", exhausted=lambda: True)
    resumed = fit(root, tmp_path / "resumed.ckpt", workers=2)
    assert not any(map(torch.equal, whole, stopped))
    assert all(map(torch.equal, whole, resumed))


def test_a_photo_that_a_worker_cannot_read_is_named_in_one_sentence(root, tmp_path):
    for file in (root / "train").rglob("*.JPEG"):
        content = file.read_bytes()
        file.write_bytes(content[:3] + bytes(len(content) - 5) + content[-2:])  # begins and ends as a JPEG
    with pytest.raises(DataError) as error:
        fit(root, tmp_path / "fit.ckpt", workers=2)
    assert re.fullmatch(r"\S+\.JPEG cannot be read \(.+\)", str(error.value))


def test_augmented_validation_images_are_random_crops(root):
    data = imagenet(root, jitter=(0.0,) * 4).for_search(0).halves()
    module = module_of(data)
    fixed, drawn = (module.validation_batch(torch.arange(4), draw)[0] for draw in (None, torch.Generator()))
    assert not any(
        torch.equal(one, other) or torch.equal(one.flip(2), other) for one, other in zip(fixed, drawn, strict=True)
    )


def test_images_that_are_cropped_anew_stay_with_the_loader(root):
    data = imagenet(root).for_search(0).halves()
    assert placed(data, torch.device("cpu"), True) is None
    with pytest.raises(OptionError, match="cropped anew in each epoch"):
        check_room(data.train, torch.device("cpu"), True)


@pytest.mark.parametrize("kind", ["brightness", "contrast", "saturation", "hue"])
def test_each_change_of_color_is_torchvisions(kind):
    images = torch.rand(6, 3, 5, 4)
    images[0] = 0.5  # gray has no hue
    factors = torch.tensor([-0.2, -0.1, 0.0, 0.05, 0.1, 0.2]) + (kind != "hue")
    ours = getattr(color_jitter, kind)(255 * images, factors.view(-1, 1, 1, 1)) / 255
    theirs = [
        getattr(v2.functional, f"adjust_{kind}")(image, float(factor))
        for image, factor in zip(images, factors, strict=True)
    ]
    torch.testing.assert_close(ours, torch.stack(theirs), atol=2e-4, rtol=0)


def test_jitter_changes_each_image_within_its_range_and_in_any_order():
    images = torch.randint(60, 180, (64, 3, 2, 2), dtype=torch.uint8)
    jitter = ColorJitter((0.0,) * 3, (1.0,) * 3, jitter=(0.4, 0, 0, 0))
    factors = 255 * jitter.augment(images, torch.Generator().manual_seed(0)) / images
    assert torch.allclose(factors.amax((1, 2, 3)), factors.amin((1, 2, 3)), atol=1e-4)
    assert 0.6 <= factors.min() < 0.65
    assert 1.35 < factors.max() <= 1.4
    still = ColorJitter((0.5,) * 3, (1.0,) * 3, jitter=(0, 0, 0, 0))
    assert torch.equal(still.augment(images, torch.Generator()), still.normalize(images))


def test_a_policy_replaces_the_jitter(root):
    jittered = imagenet(root).preprocessing
    assert isinstance(jittered, ColorJitter)
    assert not isinstance(with_policy(jittered, "randaugment"), ColorJitter)
    assert type(imagenet(root, jitter=(0, 0, 0, 0)).preprocessing) is not ColorJitter


def test_a_search_reads_two_separate_parts_of_the_training_images(root):
    data = imagenet(root, search_training=0.4, search_validation=0.2)
    seen, retrained = data.for_search(3), data.train
    halves = seen.halves()
    first, second = (set(part.positions.tolist()) for part in (halves.train, halves.validation))
    assert (len(first), len(second), len(retrained)) == (8, 4, 20)
    assert not first & second
    assert torch.bincount(seen.search_validation.labels[seen.search_validation.positions]).tolist() == [2, 2]
    assert data.for_search(3).fingerprint == seen.fingerprint != data.for_search(4).fingerprint
    assert b"val/" not in b"".join(seen.train.images.names)


def test_parts_without_an_image_of_each_class_are_refused(root):
    with pytest.raises(OptionError, match=r"of 20 images are 2 and 0, which is less than one for each of 2 classes"):
        ImageNet(root=root, size=8).for_search(0)
    with pytest.raises(OptionError, match="their sum must be at most 1"):
        imagenet(root, search_training=0.9)


def no_folder(root):
    (root / "train").rename(root / "training")


def flat_validation(root):
    for file in (root / "val").rglob("*.JPEG"):
        file.rename(root / "val" / file.name)
    for name in CLASSES:
        (root / "val" / name).rmdir()


def empty_class(root):
    (root / "train" / "n01").mkdir()
    (root / "val" / "n01").mkdir()


def another_class(root):
    (root / "val" / CLASSES[0]).rename(root / "val" / "n99")


def no_image(root):
    (root / "train" / CLASSES[0] / "broken.JPEG").write_text("not an image")


def cut_off(root):
    file = root / "val" / CLASSES[1] / f"{CLASSES[1]}_0.JPEG"
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (no_folder, "there is no folder {root}/train; data=imagenet needs ROOT/train/CLASS"),
        (flat_validation, "{root}/val has no folders of classes; sort its images into {root}/val/CLASS/*.JPEG"),
        (empty_class, "{root}/train/n01 has no images"),
        (another_class, "{root}/train has a class 'n01440764' that {root}/val lacks"),
        (no_image, "{root}/train/n01440764/broken.JPEG"),
        (cut_off, "{root}/val/n01443537/n01443537_0.JPEG"),
    ],
)
def test_a_mistake_in_the_folder_is_named_before_the_work_starts(root, mistake, break_it, sentence):
    break_it(root)
    assert sentence.format(root=root) in mistake("data=imagenet", f"data.root={root}", "data.size=8")


def test_files_of_other_kinds_are_read_too(root):
    folder = root / "train" / CLASSES[0]
    first = folder / f"{CLASSES[0]}_0.JPEG"
    with Image.open(first) as image:
        image.convert("CMYK").save(folder / "a.JPEG", quality=95)
        image.save(folder / "b.JPEG", format="PNG")
        image.convert("L").save(folder / "c.JPEG")
    (folder / "trailing.JPEG").write_bytes(first.read_bytes() + b"\0\0")
    train_images = imagenet(root).train
    pixels = train_images[torch.arange(14)][0].int()
    assert len(train_images) == 24
    cmyk, png, gray, first, *_, trailing = pixels
    assert all((other - first).abs().float().mean() < 6 for other in (cmyk, png, trailing))
    assert torch.equal(gray[0], gray[2])


def test_one_command_trains_the_cell_of_other_images_on_imagenet(root, trained_run, tmp_path, command):
    run = shutil.copytree(trained_run, tmp_path / "searched")
    sizes = ("retrain.epochs=2", "retrain.warmup_epochs=1", "retrain.channels=4", "retrain.cells=3")
    shares = ("data.search_training=0.5", "data.search_validation=0.5")
    images = (f"data.root={root}", "data.size=8", "data.workers=0", *shares)
    status, _, complaint = command("retrain", str(run), "+experiment=retrain_imagenet", *images, *sizes)
    assert status == 0, complaint
    (result,) = run.glob("retrain-*/result.json")
    retrained = json.loads(result.read_text())["retrain"]
    (row,) = retrained["rows"]
    assert (retrained["epochs"], retrained["images"], row["seeds"]) == (2, 6, [0])
    assert row["notation"] == json.loads((run / "result.json").read_text())["retrain"]["rows"][0]["notation"]
