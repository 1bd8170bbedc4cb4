"""An ensemble of small fully connected networks, which are trained at the same time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .regressor import Regressor


class Ensemble:
    """Networks of equal size that differ in their initial weights; their disagreement is the uncertainty.

    Args:
        members: the number of networks.
        widths: features, then the number of neurons of each hidden layer.
        seed: of the initial weights.
    """

    def __init__(self, members: int, widths: Sequence[int], seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.weights, self.biases = [], []
        for inputs, outputs in zip(widths, [*widths[1:], 1], strict=True):
            weight = torch.randn(members, inputs, outputs, generator=generator) * (2 / inputs) ** 0.5  # He et al. 2015
            self.weights.append(weight.requires_grad_())
            self.biases.append(torch.zeros(members, 1, outputs, requires_grad=True))

    def train(self, features: np.ndarray, costs: np.ndarray, *, epochs: int, learning_rate: float) -> None:
        """Minimize the mean absolute error by Adam, with all architectures in one batch.

        Args:
            features: (architectures, features).
            costs: (architectures,).
        """
        self.center, self.scale = float(costs.mean()), float(costs.std()) or 1.0
        inputs, targets = torch.from_numpy(features), torch.from_numpy((costs - self.center) / self.scale).float()
        optimizer = torch.optim.Adam([*self.weights, *self.biases], lr=learning_rate, foreach=True)
        for _ in range(epochs):
            optimizer.zero_grad()
            (self._outputs(inputs) - targets).abs().mean(dim=1).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation (architectures,) of the members' predictions for features (architectures, features)."""
        with torch.no_grad():
            outputs = self.center + self.scale * self._outputs(torch.from_numpy(features))
        return outputs.mean(dim=0).numpy(), outputs.std(dim=0).numpy()

    def _outputs(self, features: Tensor) -> Tensor:
        """Predictions (members, architectures)."""
        hidden = features.expand(len(self.weights[0]), -1, -1)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = torch.baddbmm(bias, hidden, weight).relu()
        return torch.baddbmm(self.biases[-1], hidden, self.weights[-1]).squeeze(-1)


class MLP(Regressor):
    """The ensemble of fully connected networks of BANANAS (White, Neiswanger and Savani 2021)."""

    def train(self, features: np.ndarray, costs: np.ndarray) -> None:
        """See `Regressor`."""
        self._ensemble = Ensemble(5, [features.shape[1], 20, 20, 20], self.seed)
        self._ensemble.train(features.astype(np.float32), costs, epochs=200, learning_rate=0.01)

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Regressor`."""
        mean, deviation = self._ensemble.predict(features.astype(np.float32))
        return mean.astype(np.float64), deviation.astype(np.float64)
