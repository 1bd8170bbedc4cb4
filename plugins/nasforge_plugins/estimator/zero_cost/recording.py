"""Records of the functions that a network calls while it runs. No module gets a hook, so none has to be removed.

Each class is a context. Inside it, every call of a torch function passes through it, whether a module or the network's
own code makes the call. Nothing of it is left outside, even after an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

RECTIFIERS: frozenset[Any] = frozenset(
    (F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu6, F.leaky_relu, F.leaky_relu_, F.prelu)
)
"""ReLU and its relatives: a unit is on where its output is above 0."""
_POOLS: frozenset[Any] = frozenset((F.adaptive_avg_pool2d, F.avg_pool2d, torch.mean, Tensor.mean))
Keywords = Mapping[str, Any] | None


class Recorder(TorchFunctionMode):
    """Passes each call through `call`, which makes the call."""

    def __torch_function__(
        self, function: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: Keywords = None
    ) -> Any:
        return self.call(function, args, kwargs or {})

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The value that the network gets."""
        return function(*args, **kwargs)


class Rectifiers(Recorder):
    """Records which units are on.

    Attributes:
        on: bool (B, units) for each call of a ReLU.
        reached: for each of these calls, whether a backward pass has reached it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.on: list[Tensor] = []
        self.reached: list[bool] = []

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The call itself; the signs of a ReLU are recorded."""
        out = function(*args, **kwargs)
        if function in RECTIFIERS:
            place = len(self.on)
            self.on.append((out.detach() > 0).flatten(1))
            self.reached.append(False)
            if out.requires_grad:
                out.register_hook(lambda gradient: self.reached.__setitem__(place, True))
        return out


@dataclass
class Call:
    """One call of a layer.

    Attributes:
        kind: `conv2d`, `linear`, or `batch_norm`.
        weight: the network's own parameter.
        x: its input; for `batch_norm`, normalized but not yet scaled.
        out: its output, or what a ReLU that worked in place made of it.
        how: stride, padding, dilation and groups of `conv2d`.
        gradient: with respect to its output before any change in place; None until a backward pass reaches it.
    """

    kind: str
    weight: Tensor
    x: Tensor
    out: Tensor
    how: tuple[Any, ...] = ()
    gradient: Tensor | None = None

    def meet(self, gradient: Tensor) -> None:
        """Keep the gradient of a backward pass."""
        self.gradient = gradient


class LayerCalls(Recorder):
    """Records calls of convolutions and linear layers, and of BatchNorms whose statistics are held constant.

    Args:
        weights: the parameters whose calls are recorded.
        hold_statistics: whether BatchNorm treats the mean and variance of its batch as constants, so that the gradient
            of a sample does not pass through another sample.
    """

    def __init__(self, weights: Iterable[Tensor], hold_statistics: bool = False) -> None:
        super().__init__()
        self._own = {id(weight) for weight in weights}
        self._hold = hold_statistics
        self.calls: list[Call] = []

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The call itself, except for BatchNorms that are held constant."""
        if function is F.batch_norm and self._hold:
            return self._normalized(*args, **kwargs)
        out = function(*args, **kwargs)
        kind = _LAYERS.get(function)
        if kind is not None:
            x, weight, how = kind(*args, **kwargs)
            self._keep("conv2d" if how else "linear", weight, x, out, how)
        return out

    def _keep(self, kind: str, weight: Tensor | None, x: Tensor, out: Tensor, how: tuple[Any, ...] = ()) -> None:
        if id(weight) in self._own and out.requires_grad:
            assert weight is not None  # None has the id of no parameter
            self.calls.append(Call(kind, weight, x.detach(), out.detach(), how))
            out.register_hook(self.calls[-1].meet)  # type: ignore[no-untyped-call]

    def _normalized(
        self,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        mean, variance = running_mean, running_var
        if training or mean is None or variance is None:
            variance, mean = batch_statistics(x)
        out = F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)
        plain = F.batch_norm(x.detach(), mean, variance, None, None, False, 0.0, eps)
        self._keep("batch_norm", weight, plain, out)
        return out


def batch_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Variance and mean (C,) of a batch (B, C, ...), as BatchNorm computes them."""
    return torch.var_mean(x.detach(), dim=[0, *range(2, x.ndim)], correction=0)


def _conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
    return input, weight, (stride, padding, dilation, groups)


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor, tuple[Any, ...]]:
    return input, weight, ()


_LAYERS: Mapping[Any, Callable[..., tuple[Tensor, Tensor, tuple[Any, ...]]]] = {F.conv2d: _conv2d, F.linear: _linear}


class WithoutNormalization(Recorder):
    """Makes BatchNorm return its input."""

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The call itself, except for BatchNorm."""
        if function is F.batch_norm:
            return args[0] if args else kwargs["input"]
        return function(*args, **kwargs)


class Features(Recorder):
    """Records the last map (B, C, H, W) that the network pools into features, and the variances of its BatchNorms.

    Attributes:
        last: None if nothing is pooled to one pixel.
        variances: for each BatchNorm, the mean over the channels of the variance of its batch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last: Tensor | None = None
        self.variances: list[Tensor] = []

    def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The call itself."""
        out = function(*args, **kwargs)
        x = args[0] if args else kwargs.get("input")
        if function is F.batch_norm and isinstance(x, Tensor):
            self.variances.append(batch_statistics(x)[0].mean())
        elif function in _POOLS and isinstance(x, Tensor) and x.ndim == 4 and out.shape[:2] == x.shape[:2]:
            self.last = x if out[0, 0].numel() == 1 else self.last
        return out


def layer_weights(network: nn.Module) -> list[Tensor]:
    """Trainable weights of the network's convolutions and linear layers, which the proxies call layers."""
    layers = (module for module in network.modules() if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)))
    return [layer.weight for layer in layers if layer.weight.requires_grad]
