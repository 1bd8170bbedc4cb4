"""Modules with wrong choices: one sentence each, which names the place, before any work starts."""

import numpy as np
import pytest
import torch
from torch import nn

from nasforge import ChoiceSpace, OptionError, choice, kernel, repeat, width

SHAPE, CLASSES = (3, 8, 8), 4


class Net(nn.Module):
    """A stem that `make` builds, and a classifier for `features`."""

    def __init__(self, make, features=8):
        super().__init__()
        self.stem = make()
        self.head = nn.Linear(features, CLASSES)

    def forward(self, x):
        return self.head(self.stem(x).mean((2, 3)))


def space_of(constructor):
    class Space(ChoiceSpace):
        name = "wrong"

        def module(self, input_shape, classes):
            return constructor()

    return Space()


def convolution(out, size=3):
    return nn.Conv2d(3, out, size, padding=size // 2)


class Random(nn.Module):
    def forward(self, x):
        return x + torch.rand_like(x)


class RandomScale(nn.Module):
    def forward(self, x):
        return x * np.random.rand()


class Sum(nn.Module):
    """Concatenates two maps whose widths vary."""

    def __init__(self):
        super().__init__()
        self.channels = width(2, 4)
        self.left, self.right = convolution(self.channels), convolution(self.channels)
        self.mixed = nn.Conv2d(self.channels + self.channels, 8, 1)

    def forward(self, x):
        return self.mixed(torch.cat([self.left(x), self.right(x)], 1))


class MoreLayers(nn.Module):
    """Has a layer more if it is wide."""

    def __init__(self):
        super().__init__()
        channels = width(8, 16)
        self.conv = convolution(channels)
        self.mixed = nn.Conv2d(channels, 8, 1)
        if channels > 8:
            self.more = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return self.mixed(self.conv(x))


class Deep(nn.Module):
    """Fifteen layers, so that with new BatchNorms the logits hardly depend on what the first one does."""

    def __init__(self):
        super().__init__()
        first, second = width(8, 16, name="first"), width(8, 16, name="second")
        self.adds = first is second  # true of two equal integers
        self.stem, self.next = convolution(first), nn.Conv2d(first, second, 3, padding=1)
        sizes = [second, *[8] * 13]
        self.rest = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(each, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU6()) for each in sizes)
        )

    def forward(self, x):
        x = self.stem(x)
        return self.rest(self.next(x) + x if self.adds else self.next(x))


def shared():
    once = choice(a=convolution(3), b=convolution(3, 5))
    return nn.Sequential(once, once, convolution(8))


def named_twice():
    return nn.Sequential(*(choice(a=convolution(3), b=nn.Identity(), name="twice") for _ in range(2)), convolution(8))


DECLARED = {
    "a choice used twice": (shared, "'stem.1' is the module 'stem.0' once more; declare a new choice for each place"),
    "two choices of one name": (named_twice, "two decisions are named 'stem.twice'"),
    "one option": (lambda: choice(a=convolution(8)), r"choice\(\) needs at least two options"),
    "no module": (lambda: choice(a=convolution(8), b=lambda: 3), "b is int, not a torch.nn.Module"),
    "one width": (lambda: convolution(width(8)), r"width\(8,\) must have at least two different whole numbers"),
    "an even kernel": (lambda: convolution(8, kernel(3, 4)), "4 has no center"),
    "no range": (lambda: repeat(lambda: convolution(3), depth=(3, 1)), "must be the smallest and the largest depth"),
    "no choice": (lambda: convolution(8), "Net declares no choice"),
    "a width that no layer has": (
        lambda: [width(2, 4), convolution(8)][1],
        r"width \(2, 4\) is declared, but no layer",
    ),
}
BUILT = {
    "options of two shapes": (
        lambda: choice(a=convolution(8), b=nn.Conv2d(3, 8, 3)),
        r"'stem': a returns \(2, 8, 8, 8\) and b returns \(2, 8, 6, 6\); the shapes must be equal",
    ),
    "depths of two shapes": (
        lambda: nn.Sequential(repeat(lambda: nn.Conv2d(3, 3, 3), depth=(0, 2)), convolution(8)),
        r"'stem.0': depth 0 returns \(2, 3, 8, 8\) and depth 1",
    ),
    "a consumer that cannot follow": (
        lambda: nn.Sequential(convolution(width(8, 16)), nn.GroupNorm(2, 16), nn.Conv2d(16, 8, 1)),
        r"Net fails for images \(3, 8, 8\) at 'stem.1'",
    ),
    "a layer that cannot change": (
        lambda: nn.Sequential(convolution(w := width(8, 16)), nn.GroupNorm(2, w), nn.Conv2d(w, 8, 1)),
        "stem.1: an nn.GroupNorm cannot change its size; nn.Linear, nn.Conv2d, nn.LayerNorm, nn.BatchNorm2d can",
    ),
    "groups of a fixed number": (
        lambda: nn.Sequential(convolution(w := width(8, 16)), nn.Conv2d(w, 8, 1, groups=2)),
        "stem.1: an nn.Conv2d with groups=2 and a variable number of channels must be depthwise",
    ),
    "random numbers": (
        lambda: nn.Sequential(choice(a=Random(), b=nn.Identity()), convolution(8)),
        r"Net fails for images \(3, 8, 8\) at 'stem.0': it draws random numbers in eval mode",
    ),
    "random numbers of NumPy": (
        lambda: nn.Sequential(choice(a=nn.Identity(), b=RandomScale()), convolution(8)),
        r"at 'stem.0': it draws random numbers in eval mode",
    ),
    "a layer that depends on a width": (
        MoreLayers,
        "Net: only one of the supernet and a network has 'stem.more.weight'; the constructor must build",
    ),
    "a decision by the value of a width": (
        Deep,
        "Net at 'stem.rest.0.0': with the same weights.*or the constructor decides by the value of a width",
    ),
    "a concatenation of variable widths": (
        Sum,
        "Net at 'stem.mixed': with the same weights, a network computes something else than the supernet",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DECLARED)
def test_a_wrong_declaration(case):
    make, message = DECLARED[case]
    with pytest.raises(OptionError, match=message):
        _ = space_of(lambda: Net(make)).decisions


@pytest.mark.parametrize("case", BUILT)
def test_a_module_whose_networks_do_not_work(case):
    make, message = BUILT[case]
    space = space_of(lambda: Net(make))
    assert space.decisions
    with pytest.raises(OptionError, match=message):
        space.supernet(SHAPE, CLASSES)


def test_a_constructor_that_declares_other_choices_each_time():
    options = iter([2, 3, 4])

    def changing():
        return nn.Sequential(
            choice(a=nn.Identity(), b=nn.Identity()),
            *(choice(a=nn.Identity(), b=nn.Identity()) for _ in range(next(options))),
            convolution(8),
        )

    space = space_of(lambda: Net(changing))
    architecture = space.decode([0] * len(space.decisions))
    with pytest.raises(OptionError, match="must declare the same choices each time"):
        space.build(architecture, SHAPE, CLASSES)


def test_logits_of_another_number_of_classes():
    space = space_of(lambda: Net(lambda: choice(a=convolution(8), b=convolution(8, 5))))
    with pytest.raises(OptionError, match=r"must return logits \(2, 7\) for 2 images and 7 classes, not \(2, 4\)"):
        space.build(space.decode([0]), SHAPE, 7)


def test_any_networks_fault_is_told_before_the_first_is_built_and_looked_for_once(monkeypatch):
    space = space_of(lambda: Net(lambda: nn.Sequential(choice(a=nn.Identity(), b=Random()), convolution(8))))
    with pytest.raises(OptionError, match="draws random numbers in eval mode"):
        space.build(space.decode([0]), SHAPE, CLASSES)
    checked = []
    monkeypatch.setattr("nasforge.choices.space.check_logits", lambda module, *images: checked.append(images))
    for images in ((SHAPE, CLASSES), (SHAPE, CLASSES), (SHAPE, 7)):
        torch.manual_seed(0)
        built = space.build(space.decode([0]), *images)
        torch.manual_seed(0)
        assert torch.equal(built.module.stem[1].weight, Net(lambda: nn.Sequential(convolution(8))).stem[0].weight)
    assert checked == [(SHAPE, CLASSES)] * 2 + [(SHAPE, 7)] * 2


def test_grey_images_for_a_module_that_reads_three_channels():
    space = space_of(lambda: Net(lambda: choice(a=convolution(8), b=convolution(8, 5))))
    with pytest.raises(OptionError, match=r"Net fails for images \(1, 8, 8\) at 'stem'.*expected input"):
        space.build(space.decode([0]), (1, 8, 8), CLASSES)


def test_parts_that_a_constructor_froze_stay_frozen():
    def frozen():
        return nn.Sequential(choice(a=convolution(8), b=convolution(8, 5)), nn.BatchNorm2d(8).eval())

    space = space_of(lambda: Net(frozen))
    network = space.build(space.decode([0]), SHAPE, CLASSES)
    supernet = space.supernet(SHAPE, CLASSES)
    assert [part.stem[1].training for part in (network.module, supernet.module)] == [False, False]
    assert network.module.head.training
    assert supernet.module.head.training
