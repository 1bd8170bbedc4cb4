"""What a fit reads: normalised as torchvision does, augmented as published, and never a test image."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from nasforge import DataError, DataModule, FitData, ImageSet, Preprocessing, SearchData

MEAN, STD = (0.49139968, 0.48215827, 0.44653124), (0.24703233, 0.24348505, 0.26158768)
PLAIN = ((0.0,) * 3, (1.0,) * 3)  # normalisation that keeps pixels / 255


def images(n=6, channels=3, height=8, width=8, seed=0, low=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, 256, (n, channels, height, width), dtype=torch.uint8, generator=generator)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_normalisation_is_torchvisions():
    batch = images()
    theirs = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    expected = torch.stack([theirs(Image.fromarray(image.permute(1, 2, 0).numpy())) for image in batch])
    before = batch.clone()
    assert torch.allclose(Preprocessing(MEAN, STD).normalize(batch), expected, atol=1e-6, rtol=1e-6)
    assert torch.equal(batch, before)


def test_without_augmentation_images_are_only_normalised():
    preprocessing = Preprocessing(MEAN, STD)
    assert torch.equal(preprocessing.augment(images(), generator()), preprocessing.normalize(images()))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (6, 10)])
def test_crops_are_windows_of_the_image_padded_with_black(height, width):
    pad = 2
    batch = images(60, 3, height, width)
    before = batch.clone()
    cropped = Preprocessing(*PLAIN, pad=pad).augment(batch, generator())
    assert cropped.shape == batch.shape
    assert torch.equal(batch, before)
    shifts = set()
    for ours, source in zip(cropped, batch, strict=True):
        padded = np.zeros((3, height + 2 * pad, width + 2 * pad), np.uint8)
        padded[:, pad : pad + height, pad : pad + width] = source.numpy()
        pixels = (ours * 255).round().to(torch.uint8).numpy()
        found = [
            (y, x)
            for y in range(2 * pad + 1)
            for x in range(2 * pad + 1)
            if np.array_equal(pixels, padded[:, y : y + height, x : x + width])
        ]
        assert len(found) == 1
        shifts.update(found)
    assert {y for y, _ in shifts} == {x for _, x in shifts} == set(range(2 * pad + 1))  # borders and centre alike
    assert len(shifts) > 15


def test_about_half_of_the_images_are_flipped_and_the_others_left():
    batch = images(400, 1, 4, 4)
    result = Preprocessing((0.0,), (1.0,), flip=True).augment(batch, generator())
    plain = batch / 255
    flipped = (result == plain.flip(3)).flatten(1).all(1)
    left = (result == plain).flatten(1).all(1)
    assert (flipped | left).all()
    assert 160 < int(flipped.sum()) < 240


@pytest.mark.parametrize("side", [2, 3, 4, 5])
def test_cutout_blanks_a_square_that_the_border_may_clip(side):
    size = 8
    batch = images(300, 3, size, size)
    preprocessing = Preprocessing((0.2, 0.3, 0.4), (0.3,) * 3)
    whole = preprocessing.normalize(batch)
    cut = Preprocessing((0.2, 0.3, 0.4), (0.3,) * 3, cutout=side).augment(batch, generator())
    centres = set()
    for ours, source in zip(cut, whole, strict=True):
        blank = (ours == 0).all(0)
        rows, columns = blank.any(1).nonzero().flatten(), blank.any(0).nonzero().flatten()
        square = torch.zeros(size, size, dtype=torch.bool)
        square[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        assert torch.equal(blank, square)
        assert torch.equal(ours[:, ~blank], source[:, ~blank])
        for found in (rows, columns):
            clipped = found.min() == 0 or found.max() == size - 1
            assert len(found) == side or (clipped and (side - 1) // 2 <= len(found) < side)
        centres.add((int(rows.min()), int(columns.min())))
    assert len(centres) > 20


def test_the_same_generator_makes_the_same_images():
    preprocessing = Preprocessing(MEAN, STD, pad=2, flip=True, cutout=3)
    one, same, other = (preprocessing.augment(images(), generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    preprocessing.augment(images(), generator())
    assert torch.equal(state, torch.get_rng_state())


class Secretive(DataModule):
    """Its test images must not be asked for."""

    name = "secretive"

    def __init__(self, classes=3):
        super().__init__(batch_size=8, workers=0)
        self._train = ImageSet.of(images(60, 3), torch.arange(60) % classes)

    @property
    def train(self):
        return self._train

    @property
    def test(self):
        raise AssertionError("a search asked for the test images")

    @property
    def class_names(self):
        return ("a", "b", "c")

    @property
    def normalization(self):
        return MEAN, STD


def reachable(root, depth=6):
    """Every object that attributes lead to, from `root` on."""
    seen, front = {}, [root]
    for _ in range(depth):
        following = []
        for member in front:
            if id(member) in seen or isinstance(member, (str, int, float, torch.Tensor, type)) or member is None:
                continue
            seen[id(member)] = member
            following += list(getattr(member, "__dict__", {}).values())
            following += list(member) if isinstance(member, (tuple, list)) else []
        front = following
    return list(seen.values())


def test_a_search_never_asks_for_test_images():
    data = Secretive().for_search(5)
    assert (data.input_shape, data.classes, data.batch_size, data.seed) == ((3, 8, 8), 3, 8, 5)
    assert data.preprocessing == Preprocessing(MEAN, STD, 4, True, 0)
    parts = [data, data.subset(30), data.scaled(0.5), data.subset(30).scaled(0.5)]
    for part in parts:
        halves = part.halves()
        assert len(halves.train) == len(halves.validation) == len(part.train) // 2
        assert part.search_validation.fingerprint == halves.validation.fingerprint
        assert len(part.split(0.2).validation) == len(part.train) // 5
        assert len(part.fingerprint) == 32
        for batch, labels in halves.loader(0):
            assert len(batch) == len(labels)


def test_nothing_that_a_search_holds_leads_to_its_data_module():
    data = Secretive().for_search(0)
    _ = data.search_validation, data.train.fingerprint, data.fingerprint
    assert not hasattr(data, "test")
    assert not any("test" in name for name in dir(data) if not name.startswith("_"))
    for part in reachable(data):
        assert not isinstance(part, DataModule), type(part)


def test_halves_are_disjoint_balanced_and_seeded():
    data = Secretive().for_search(0)
    halves = data.halves()
    train, validation = (set(part.positions.tolist()) for part in (halves.train, halves.validation))
    assert not train & validation
    assert train | validation == set(range(60))
    for part in (halves.train, halves.validation):
        assert torch.bincount(part.labels[part.positions]).tolist() == [10, 10, 10]
    assert halves.fingerprint == Secretive().for_search(0).halves().fingerprint
    assert halves.fingerprint != Secretive().for_search(1).halves().fingerprint


def test_subsets_are_nested():
    data = Secretive().for_search(0)
    small, large = (set(data.subset(n).train.positions.tolist()) for n in (15, 30))
    assert small < large


@pytest.mark.parametrize(
    ("pad", "factor", "expected"), [(4, 0.5, 2), (4, 0.25, 1), (2, 0.5, 1), (4, 2.0, 8), (0, 0.5, 0)]
)
def test_scaled_images_are_padded_in_proportion(pad, factor, expected):
    train = Secretive().train
    data = SearchData(train, ("a", "b", "c"), Preprocessing(MEAN, STD, pad, True), 8, 0)
    scaled = data.scaled(factor)
    assert scaled.preprocessing == Preprocessing(MEAN, STD, expected, True)
    assert scaled.input_shape == (3, int(8 * factor), int(8 * factor))
    assert data.preprocessing.pad == pad


def test_fingerprints_tell_how_images_are_read_and_split():
    train = Secretive().train
    plain = Preprocessing(MEAN, STD)
    padded = Preprocessing(MEAN, STD, pad=1)
    names = ("a", "b", "c")
    searches = [
        SearchData(train, names, plain, 8, 0),
        SearchData(train, names, plain, 8, 1),
        SearchData(train, (*names, "d"), plain, 8, 0),
        SearchData(train, names, plain, 16, 0),
        SearchData(train, names, padded, 8, 0),
        SearchData(train.subset(30, 0), names, plain, 8, 0),
    ]
    assert len({data.fingerprint for data in searches}) == len(searches)
    assert SearchData(train, names, plain, 8, 0, workers=2).fingerprint == searches[0].fingerprint
    first, second = train.split(0.5, 0)
    fits = [
        FitData(first, second, plain, 8),
        FitData(second, first, plain, 8),
        FitData(first, None, plain, 8),
        FitData(first, second, padded, 8),
        FitData(first, second, plain, 16),
    ]
    assert len({data.fingerprint for data in fits}) == len(fits)
    assert FitData(first, second, plain, 8, workers=2).fingerprint == fits[0].fingerprint


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_follows_the_seeded_order_and_draws_nothing_else(workers):
    data = FitData(Secretive().train, None, Preprocessing(MEAN, STD), 8, workers)
    state = torch.get_rng_state()
    one, same, other = (torch.cat([labels for _, labels in data.loader(seed)]) for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len(one) == len(data.train)
    assert len(data.loader(1)) == 8


def test_a_module_gives_plain_batches_to_others():
    batch, labels = next(iter(Secretive().train_dataloader()))
    assert (batch.shape, batch.dtype, labels.dtype) == ((8, 3, 8, 8), torch.uint8, torch.int64)
    with pytest.raises(AssertionError, match="a search asked"):
        Secretive().test_dataloader()


def test_a_label_without_a_class_name_is_named():
    with pytest.raises(DataError, match="data 'secretive' has label 4, but only 3 class names: 0 to 2"):
        Secretive(classes=5).for_search(0)


@pytest.mark.parametrize(
    ("validation", "expected"),
    [
        (ImageSet.of(images(6, 3), torch.arange(6)), "has label 5, but only 3 class names: 0 to 2"),
        (
            ImageSet.of(images(6, 1), torch.zeros(6, dtype=torch.long)),
            r"has training images with 3 channel\(s\), but validation images with 1",
        ),
    ],
)
def test_validation_images_that_do_not_match_the_training_images_are_named(validation, expected, monkeypatch):
    monkeypatch.setattr(Secretive, "search_sets", lambda self, seed: (self.train, validation))
    with pytest.raises(DataError, match=expected):
        Secretive().for_search(0)


def test_a_normalisation_of_other_channels_is_named(monkeypatch):
    monkeypatch.setattr(Secretive, "normalization", ((0.5,), (0.5,)))
    expected = r"images with 3 channel\(s\), but its normalization has 1 means and 1 deviations"
    with pytest.raises(DataError, match=expected):
        Secretive().for_search(0)
