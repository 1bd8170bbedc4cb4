"""Where well-known networks and random architectures stand in the scores of a search (the seed's Figure 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torchvision import models

from nasforge import Architecture, Evaluation, Network, OptionError, Run, SearchSpace, Shape, WiderSpace, rng_of

NAMES = {"resnet18": "ResNet-18", "vgg11": "VGG-11"}
LEAST_SIDE = {"vgg11": 32}
"""In pixels, of networks whose maps would shrink to nothing."""


class Torchvisions(Network):
    """A torchvision network without pretrained weights, for images of 1 or 3 channels.

    VGG-11 is its convolutions, pooled, and one linear layer, as is usual for small images: the published head alone has
    a hundred million weights.
    """

    def __init__(self, name: str, classes: int) -> None:
        super().__init__()
        if name == "vgg11":
            pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))
            self.network: nn.Module = nn.Sequential(models.vgg11(num_classes=classes).features, *pooled)
        else:
            self.network = models.get_model(name, weights=None, num_classes=classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 1 or 3, H, W)."""
        logits: Tensor = self.network(images.expand(-1, 3, -1, -1))
        return logits


class KnownNetworks(WiderSpace):
    """A space that also builds well-known networks; width and depth are theirs."""

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space, "torchvision")

    def build_other(
        self, architecture: Architecture, input_shape: Shape, classes: int, *, channels: int | None, cells: int | None
    ) -> Network:
        """The network of that name.

        Raises:
            OptionError: it takes no images of that shape.
        """
        channels_in, height, width = input_shape
        least = LEAST_SIDE.get(architecture["name"], 1)
        if channels_in not in (1, 3) or min(height, width) < least:
            raise OptionError(
                f"it takes images of 1 or 3 channels, from {least} x {least} pixels on; these have {channels_in} and "
                f"{height} x {width}"
            )
        return Torchvisions(architecture["name"], classes)


def landmarks(run: Run, random: int) -> dict[str, Sequence[Evaluation]]:
    """Evaluations of known networks, each by its name, and of random architectures; computed once in a run's life.

    What cannot be scored is left out, and a note says why.
    """
    space = KnownNetworks(run.space)
    known = {said: Architecture.of("torchvision", {"name": name}, said) for name, said in NAMES.items()}
    rng = rng_of(run.seed, "landmarks")
    drawn = list(dict.fromkeys(run.space.sample(rng) for _ in range(random)))
    scored = _merged([run.score([*known.values(), *drawn], one, space=space) for one in run.estimators])
    found: dict[str, Sequence[Evaluation]] = {}
    for said, architecture in known.items():
        one = scored[architecture]
        if one.ok and not one.reason:
            found[said] = [one]
        else:
            run.notes.append(f"{said} is not among the networks that the scores are compared with: {one.reason}")
    return {**found, "random architectures": [scored[one] for one in drawn]}


def _merged(parts: Sequence[Sequence[Evaluation]]) -> Mapping[Architecture, Evaluation]:
    """One evaluation an architecture, with the metrics of all estimators; the first broken one, if any is."""
    merged = {}
    for several in zip(*parts, strict=True):
        broken = next((one for one in several if not one.ok or one.reason), None)
        metrics = {name: value for one in several for name, value in one.metrics.items()}
        first = several[0].architecture
        merged[first] = broken or Evaluation(first, metrics)
    return merged
