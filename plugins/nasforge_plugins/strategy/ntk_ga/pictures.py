"""The pictures of a search: each score over the generations (Fig. 5), the population in the space of three scores
(Fig. 6), and the last population beside well-known networks (Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torchvision import models

from nasforge import Architecture, Evaluation, Network, OptionError, Run, SearchSpace, Shape, WiderSpace, rng_of, words
from nasforge_plugins.shared.generations import Generation, fitness_over_generations
from nasforge_plugins.shared.score_space import scores_in_space

NAMES = {"resnet18": "ResNet-18", "vgg11": "VGG-11"}
LEAST_SIDE = {"vgg11": 32}
"""The smallest image, in pixels, of networks that shrink their maps too far for smaller ones."""


def keep_pictures(run: Run, populations: Sequence[Sequence[Architecture]], random: int) -> None:
    """Draw what the report shows. Networks with a flagged score are left out.

    Args:
        random: how many random architectures the last population is shown beside, together with well-known networks;
            0 draws no such picture. Nor is it drawn for fewer than three scores, or for estimators that look scores up.
    """
    measured = {evaluation.architecture: evaluation for evaluation in run.evaluations if _scored(evaluation)}
    generations = [
        Generation("", tuple(measured[member] for member in population if member in measured))
        for population in populations
    ]
    if not any(generation.population for generation in generations):
        return
    for objective in run.objectives:
        caption = f"The population's {words(objective)} over the generations"
        run.keep(f"{objective.metric}.svg", fitness_over_generations(generations, objective), caption)
    if len(run.objectives) > 2:
        svg = scores_in_space(generations, run.objectives)
        run.keep("scores.svg", svg, "The population in three scores, each scaled from its best to its worst")
        if random and all(estimator.builds for estimator in run.estimators):
            _keep_landmarks(run, generations[-1:], random)


def _keep_landmarks(run: Run, last: Sequence[Generation], random: int) -> None:
    others = landmarks(run, random)
    try:
        svg = scores_in_space(last, run.objectives, others)
    except ValueError as error:
        run.notes.append(f"the last population is not shown beside known networks: {error}")
    else:
        run.keep("landmarks.svg", svg, "The last population beside known networks and random architectures")


def landmarks(run: Run, random: int) -> dict[str, Sequence[Evaluation]]:
    """Evaluations of well-known networks, each by its name, and of `random` random architectures.

    They are computed once in a run's life and do not count as the search's. A network that cannot be scored is left
    out, and a note says why.
    """
    space = KnownNetworks(run.space)
    known = {label: Architecture.of("torchvision", {"name": name}, label) for name, label in NAMES.items()}
    rng = rng_of(run.seed, "landmarks")
    drawn = list(dict.fromkeys(run.space.sample(rng) for _ in range(random)))
    scored = run.score([*known.values(), *drawn], *run.estimators, space=space)
    shown: dict[str, Sequence[Evaluation]] = {}
    for label, evaluation in zip(known, scored, strict=False):
        if _scored(evaluation):
            shown[label] = [evaluation]
        else:
            run.notes.append(
                f"{label} is not among the networks that the scores are compared with: {evaluation.reason}"
            )
    return {**shown, "random architectures": scored[len(known) :]}


def _scored(evaluation: Evaluation) -> bool:
    """Whether all its scores could be measured."""
    return evaluation.ok and not evaluation.reason


class KnownNetworks(WiderSpace):
    """A space that also builds well-known networks, at their own width and depth."""

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space, "torchvision")

    def build_other(
        self, architecture: Architecture, input_shape: Shape, classes: int, *, channels: int | None, cells: int | None
    ) -> Network:
        """The network of that name.

        Raises:
            OptionError: the network takes no images of that shape.
        """
        channels_in, height, width = input_shape
        least = LEAST_SIDE.get(architecture["name"], 1)
        if channels_in not in (1, 3) or min(height, width) < least:
            raise OptionError(
                f"it takes images of 1 or 3 channels, from {least} x {least} pixels on; these have {channels_in} and "
                f"{height} x {width}"
            )
        return TorchvisionNetwork(architecture["name"], classes)


class TorchvisionNetwork(Network):
    """A torchvision network without pretrained weights, for images of 1 or 3 channels.

    VGG-11 is its convolutions, a global average pool and one linear layer, as is usual for small images: the published
    head alone has a hundred million weights.
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
