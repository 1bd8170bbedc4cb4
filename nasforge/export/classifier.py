"""A trained network together with what it takes to classify an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from nasforge.errors import DataError
from nasforge.export.transform import AnyImage, Transform
from nasforge.space import Network


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained network, its transform and its classes.

    Attributes:
        network: in eval mode, in float32, on the CPU.
        transform: maps images to what the network reads.
        class_names: in the order of the logits.
    """

    network: Network = field(repr=False)
    transform: Transform
    class_names: tuple[str, ...]

    def predict(self, image: AnyImage) -> Mapping[str, float]:
        """Return the probability of each class, the most probable first.

        Args:
            image: a single image, in any form that `transform` takes.

        Raises:
            DataError: it is not an image, or more than one.
        """
        batch = self.transform(image)
        if len(batch) != 1:
            raise DataError(f"predict takes one image, not {len(batch)}; network(transform(images)) takes a batch")
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            probabilities = self.network(batch.to(device))[0].softmax(0).tolist()
        by_class = zip(self.class_names, probabilities, strict=True)
        return dict(sorted(by_class, key=lambda pair: -pair[1]))
