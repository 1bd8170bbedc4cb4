"""Sets of images: balanced, nested and seeded; scaled as Pillow scales; every image once an epoch."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from nasforge import DataError, ImageSet, SeededBatches, hold_out
from nasforge.images import lanczos


def made(counts=(20, 20, 20), side=8, channels=1, seed=0):
    """Random images, each class as often as told, in a mixed order."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    labels = labels[torch.randperm(len(labels), generator=generator)]
    shape = (len(labels), channels, side, side)
    return ImageSet.of(torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator), labels)


def counts_of(images):
    return torch.bincount(images.labels[images.positions], minlength=3).tolist()


def members(images):
    return set(images.positions.tolist())


class Lazy:
    """Images that are no tensor."""

    fingerprint = "lazy"

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, positions):
        return self.images[positions]


@pytest.mark.parametrize("factor", [0.5, 0.75, 2.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_lanczos_is_pillows_own(factor, channels):
    images = made((3,), side=16, channels=channels).images
    side = round(16 * factor)
    for ours, source in zip(lanczos(images, factor), images, strict=True):
        pixels = source[0].numpy() if channels == 1 else source.permute(1, 2, 0).contiguous().numpy()
        theirs = np.array(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))
        assert np.array_equal(ours.permute(1, 2, 0).numpy(), theirs.reshape(side, side, channels))


def test_lanczos_keeps_a_plain_image_plain_and_sides_apart():
    plain = torch.full((2, 1, 8, 12), 77, dtype=torch.uint8)
    scaled = lanczos(plain, 0.5)
    assert scaled.shape == (2, 1, 4, 6)
    assert (scaled == 77).all()


@pytest.mark.parametrize("n", [1, 2, 3, 7, 30, 59, 60])
def test_a_subset_is_class_balanced(n):
    counts = counts_of(made().subset(n, seed=1))
    assert sum(counts) == n
    assert max(counts) - min(counts) <= 1


def test_subsets_are_nested_and_seeded():
    images = made()
    sizes = [3, 10, 25, 60]
    nested = [members(images.subset(n, seed=4)) for n in sizes]
    assert [len(subset) for subset in nested] == sizes
    assert all(small < large for small, large in pairwise(nested))
    assert torch.equal(images.subset(10, 4).positions, images.subset(10, 4).positions)
    assert members(images.subset(10, 4)) != members(images.subset(10, 5))


@pytest.mark.parametrize("n", [0, -1, 61])
def test_a_subset_of_another_size_than_there_can_be_is_named(n):
    with pytest.raises(DataError, match=rf"cannot take a subset of {n} images; this set has 60"):
        made().subset(n, 0)


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.9])
def test_a_split_is_disjoint_covers_all_and_is_balanced(fraction):
    images = made()
    first, second = images.split(fraction, seed=2)
    assert not members(first) & members(second)
    assert members(first) | members(second) == set(range(60))
    assert len(second) == round(60 * fraction)
    for part in (first, second):
        assert max(counts_of(part)) - min(counts_of(part)) <= 1
    assert torch.equal(first.positions, images.split(fraction, seed=2)[0].positions)
    assert members(first) != members(images.split(fraction, seed=3)[0])


@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_a_split_leaves_some_of_a_rare_class_on_both_sides(fraction):
    first, second = made((5, 300, 40)).split(fraction, seed=0)
    for part, share in ((first, 1 - fraction), (second, fraction)):
        assert all(abs(n - share * whole) <= 1 for n, whole in zip(counts_of(part), (5, 300, 40), strict=True))
        assert min(counts_of(part)) >= 1


def test_a_split_that_leaves_nothing_on_a_side_is_named():
    with pytest.raises(DataError, match=r"3 images cannot be split into 0\.9 and 0\.1"):
        made((3,)).split(0.1, 0)


def test_parts_of_parts_stay_within_them():
    half = made().split(0.5, 0)[1]
    assert members(half.subset(9, 0)) < members(half)
    assert members(half.split(0.5, 0)[0]) < members(half)


@pytest.mark.parametrize("lazy", [False, True])
def test_scaled_images_keep_their_labels_and_halve_their_sides(lazy):
    source = made(channels=3)
    images = ImageSet.of(Lazy(source.images), source.labels) if lazy else source
    part = images.subset(10, 0)
    scaled = part.scaled(0.5)
    assert scaled.shape == (3, 4, 4)
    assert len(scaled) == 10
    indices = torch.tensor([7, 0, 3])
    pixels, labels = part[indices]
    smaller, same = scaled[indices]
    assert torch.equal(labels, same)
    assert torch.equal(smaller, lanczos(pixels, 0.5))
    assert part.shape == (3, 8, 8)
    assert scaled.scaled(0.5).shape == (3, 2, 2)


def test_lazy_images_are_scaled_when_they_are_read():
    source = made()
    lazy = ImageSet.of(Lazy(source.images), source.labels).scaled(0.5)
    assert lazy.images.images is source.images
    assert torch.equal(lazy[torch.arange(5)][0], source.scaled(0.5)[torch.arange(5)][0])


def test_a_fingerprint_tells_pixels_labels_membership_shape_and_scale_apart():
    one = made()
    pixels, labels = one.images.clone(), one.labels.clone()
    pixels[5, 0, 3, 3] ^= 1
    labels[5] = (labels[5] + 1) % 3
    sets = [
        one,
        ImageSet.of(pixels, one.labels),
        ImageSet.of(one.images, labels),
        ImageSet.of(one.images.view(60, 1, 4, 16), one.labels),
        ImageSet.of(one.images.view(60, 4, 4, 4), one.labels),
        one.subset(30, 0),
        one.subset(30, 1),
        one.subset(31, 0),
        *one.split(0.5, 7),  # of seed 0 the second half is the subset above
        one.scaled(0.5),
    ]
    prints = [each.fingerprint for each in sets]
    assert len(set(prints)) == len(prints)
    assert ImageSet.of(one.images.clone(), one.labels.clone()).fingerprint == one.fingerprint


def test_lazy_images_bring_their_own_fingerprint():
    source = made()
    lazy = ImageSet.of(Lazy(source.images), source.labels)
    assert lazy.fingerprint != lazy.scaled(0.5).fingerprint
    with pytest.raises(DataError, match="needs a `fingerprint`, because its pixels are not in memory"):
        _ = ImageSet.of([source.images[0]] * 2, torch.tensor([0, 1])).fingerprint


@pytest.mark.parametrize("labels", [59, 61, 0])
def test_a_wrong_number_of_labels_is_named(labels):
    with pytest.raises(DataError, match=rf"60 images have .*{labels}.*; each image needs one"):
        ImageSet.of(made().images, torch.zeros(labels, dtype=torch.int64))


def test_a_held_out_fifth_is_balanced_always_the_same_and_out_of_reach():
    images = made()
    train, test = hold_out(images)
    assert (len(train), len(test)) == (48, 12)
    assert counts_of(test) == [4, 4, 4]
    assert test.fingerprint == hold_out(images)[1].fingerprint
    pixels = {image.numpy().tobytes() for image in test[torch.arange(12)][0]}
    assert not pixels & {image.numpy().tobytes() for image in train.images}
    assert len(train.labels) == 48


def test_batches_are_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        batches = SeededBatches(50, 8, seed)
        batches.set_epoch(epoch)
        return torch.cat(list(batches)).tolist()

    assert order(1, 0) == order(1, 0)
    torch.manual_seed(5)
    np.random.seed(5)
    assert order(1, 3) == order(1, 3)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


@pytest.mark.parametrize(("n", "sizes"), [(32, [8] * 4), (34, [8] * 4 + [2]), (39, [8] * 4 + [7])])
def test_every_image_comes_once_an_epoch(n, sizes):
    batches = SeededBatches(n, 8, 0)
    for epoch in range(3):
        batches.set_epoch(epoch)
        parts = list(batches)
        assert [len(part) for part in parts] == sizes
        assert len(batches) == len(sizes)
        assert sorted(torch.cat(parts).tolist()) == list(range(n))


def test_a_last_batch_of_one_image_is_left_out():
    batches = SeededBatches(33, 8, 0)
    parts = list(batches)
    assert [len(part) for part in parts] == [8] * 4
    assert len(batches) == 4
    left_out = set()
    for epoch in range(20):
        batches.set_epoch(epoch)
        left_out |= set(range(33)) - set(torch.cat(list(batches)).tolist())
    assert len(left_out) > 5  # another image in each epoch


@pytest.mark.parametrize("n", [1, 2, 7])
def test_fewer_images_than_a_batch_are_one_batch(n):
    batches = SeededBatches(n, 8, 0)
    (only,) = batches
    assert len(batches) == 1
    assert sorted(only.tolist()) == list(range(n))


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize(("n", "batch_size"), [(32, 8), (33, 8), (34, 8), (35, 8), (39, 8), (40, 7), (21, 5), (5, 8)])
def test_ranks_share_each_global_batch_in_as_many_steps(n, batch_size, ranks):
    for epoch in range(2):
        shares = []
        for rank in range(ranks):
            batches = SeededBatches(n, batch_size, 3, rank=rank, ranks=ranks)
            batches.set_epoch(epoch)
            shares.append(list(batches))
            assert len(batches) == len(shares[-1])
        whole = SeededBatches(n, batch_size, 3)
        whole.set_epoch(epoch)
        steps = [len(share) for share in shares]
        assert len(set(steps)) == 1
        assert steps[0] >= n // batch_size
        for together, *parts in zip(whole, *shares, strict=False):
            assert min(len(part) for part in parts) >= 1
            assert max(map(len, parts)) - min(map(len, parts)) <= 1
            assert sorted(torch.cat(parts).tolist()) == sorted(together.tolist())


@pytest.mark.parametrize(("n", "batch_size"), [(3, 8), (40, 3)])
def test_more_ranks_than_images_in_a_batch_are_refused(n, batch_size):
    with pytest.raises(DataError, match="cannot be shared by 4"):
        SeededBatches(n, batch_size, 0, rank=3, ranks=4)


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (torch.zeros(2, 1, 4, 4), [0, 1], r"torch\.float32 of shape \(2, 1, 4, 4\); they must be uint8"),
        (
            torch.zeros(2, 4, 4, dtype=torch.uint8),
            [0, 1],
            r"uint8 of shape \(2, 4, 4\); they must be uint8, \(N, C, H, W\)",
        ),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), [0, -1], "with minimum -1; they must be integers from 0 up"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), [0.0, 1.0], "labels are torch.float32"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), [[0], [1]], r"2 images have labels of shape \(2, 1\)"),
        (torch.zeros(0, 1, 4, 4, dtype=torch.uint8), [], "a set of images is empty"),
    ],
)
def test_what_is_no_set_of_images_is_named(images, labels, said):
    with pytest.raises(DataError, match=said):
        ImageSet.of(images, torch.tensor(labels))


def test_no_images_make_no_batches():
    with pytest.raises(DataError, match="out of 0 images"):
        SeededBatches(0, 8, 0)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_set_alone_has_the_same_images_and_no_others(lazy):
    source = made()
    images = Lazy(source.images) if lazy else source.images
    part = ImageSet.of(images, source.labels).subset(10, 0).scaled(0.5)
    alone = part.alone()
    assert len(alone.images) == len(alone.labels) == 10
    for ours, theirs in zip(alone[torch.arange(10)], part[torch.arange(10)], strict=True):
        assert torch.equal(ours, theirs)


def test_scaling_comes_before_or_after_a_subset():
    images = made()
    one, other = images.subset(20, 3).scaled(0.5), images.scaled(0.5).subset(20, 3)
    for ours, theirs in zip(one[torch.arange(20)], other[torch.arange(20)], strict=True):
        assert torch.equal(ours, theirs)


def test_a_scale_that_leaves_nothing_is_refused():
    with pytest.raises(DataError, match="cannot be scaled by 0"):
        made().scaled(0.0)
