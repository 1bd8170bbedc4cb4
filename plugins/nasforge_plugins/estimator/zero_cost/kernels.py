"""The neural tangent kernel of a batch: the inner products of its samples' gradients by the weights.

The gradient of a sample is that of the sum of its logits with respect to every trainable parameter except biases, in
training mode (TE-NAS, Chen et al. 2021, section 3.1.1, and its code). In that mode BatchNorm couples the samples: the
logits of one depend on all images of the batch. `ntk` is that kernel, `decoupled_ntk` the one without the coupling.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .convolutions import FastBackward
from .probe import Probe
from .recording import Call, LayerCalls
from .spectrum import Degenerate, condition_number

_BACKWARDS_AT_ONCE = 8
"""On an accelerator, which idles between the small kernels of a single pass. A CPU gains nothing."""


def ntk_condition(probe: Probe) -> float:
    """Largest over smallest eigenvalue of the neural tangent kernel: how evenly a network learns its samples. Min.

    TE-NAS (Chen et al. 2021, eq. 5), with samples coupled by BatchNorm.
    """
    return condition_number(ntk(probe.network, probe.images))


def ntk_condition_decoupled(probe: Probe) -> float:
    """`ntk_condition` with the statistics of BatchNorm held constant: cheap, with a single backward pass. Min."""
    return condition_number(decoupled_ntk(probe.network, probe.images))


def kernel_parameters(network: nn.Module) -> list[Tensor]:
    """All trainable parameters except those named bias; `Degenerate` if there are none."""
    named = network.named_parameters()
    weights: list[Tensor] = [
        parameter for name, parameter in named if parameter.requires_grad and "bias" not in name.rpartition(".")[2]
    ]
    if not weights:
        raise Degenerate("it has no weights to train")
    return weights


def ntk(network: nn.Module, images: Tensor, *, at_once: int | None = None) -> Tensor:
    """The exact kernel of a network in training mode, whose running statistics are updated: float64 (B, B).

    Args:
        images: (B, C, H, W).
        at_once: how many backward passes go into one batched call; None is one on a CPU and more elsewhere.

    Raises:
        Degenerate: it has no weights, or its logits depend on none of them.
    """
    parameters = kernel_parameters(network)
    at_once = at_once or (1 if images.device.type == "cpu" else _BACKWARDS_AT_ONCE)
    if at_once == 1:
        with FastBackward():
            totals = _totals(network, images)
        blocks = (torch.autograd.grad(total, parameters, retain_graph=True, allow_unused=True) for total in totals)
        return _gram(torch.stack([torch.cat([gradient.flatten() for gradient in _reached(block)]) for block in blocks]))
    totals = _totals(network, images)
    eye = torch.eye(len(images), device=images.device)
    batched = (
        torch.autograd.grad(totals, parameters, rows, True, allow_unused=True, is_grads_batched=True)
        for rows in torch.split(eye, at_once)
    )
    return _gram(torch.cat([torch.cat([gradient.flatten(1) for gradient in _reached(block)], 1) for block in batched]))


def decoupled_ntk(network: nn.Module, images: Tensor) -> Tensor:
    """The kernel with the batch statistics of BatchNorm treated as constants: float64 (B, B).

    The logits of a sample then depend on that sample alone. One backward pass from all logits leaves the part of each
    sample in each layer, and the gradients of the layer are small products of its inputs and these parts. Parameters of
    layers other than Conv2d, Linear and BatchNorm, and parameters whose products do not add up to the gradient of the
    whole batch, cost one backward pass per sample.

    Raises:
        Degenerate: as `ntk`.
    """
    parameters = kernel_parameters(network)
    with LayerCalls(parameters, hold_statistics=True) as record:
        totals = _totals(network, images)
    gradients = torch.autograd.grad(totals.sum(), parameters, retain_graph=True, allow_unused=True)
    _reached(gradients)
    parts: dict[int, list[Tensor]] = {}
    for call in record.calls:
        if (rows := _per_sample(call, len(images))) is not None:
            parts.setdefault(id(call.weight), []).append(rows)
    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)
    for parameter, whole in zip(parameters, gradients, strict=True):
        if whole is None:
            continue
        rows = torch.stack(parts[id(parameter)]).sum(0) if id(parameter) in parts else None
        if rows is None or not _adds_up(rows, whole):
            each = [torch.autograd.grad(total, parameter, retain_graph=True)[0].flatten() for total in totals]
            rows = torch.stack(each)
        kernel += _gram(rows)
    return kernel


def _reached(gradients: Iterable[Tensor | None]) -> list[Tensor]:
    reached = [gradient for gradient in gradients if gradient is not None]
    if not reached:
        raise Degenerate("no weight moves its logits")
    return reached


def _totals(network: nn.Module, images: Tensor) -> Tensor:
    """The sum of each sample's logits, (B,). The network gets a copy of the images, since it may work in place."""
    totals: Tensor = network(images.clone()).flatten(1).sum(1)
    if not totals.requires_grad:
        raise Degenerate("its logits have no gradient")
    return totals


def _gram(rows: Tensor) -> Tensor:
    """Inner products of rows (B, P), in float64 on the CPU."""
    kernel = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for part in torch.split(rows, 1 << 16, dim=1):
        wide = part.double() if part.device.type != "mps" else part.cpu().double()
        kernel += (wide @ wide.T).cpu()
    return kernel


def _adds_up(rows: Tensor, whole: Tensor) -> bool:
    """Whether the samples' gradients add up to the batch's: a weight may be used where no call was recorded."""
    return bool((rows.sum(0) - whole.flatten()).norm() <= 1e-3 * rows.norm())


def _per_sample(call: Call, batch: int) -> Tensor | None:
    """Gradients by the weight of one call, a row per sample (B, P); None if the call mixes samples."""
    gradient = call.gradient
    if gradient is None or len(call.x) != batch or any(isinstance(argument, str) for argument in call.how):
        return None
    return _PER_SAMPLE[call.kind](call, gradient)


def _of_batch_norm(call: Call, gradient: Tensor) -> Tensor:
    rows = call.x * gradient  # (B, C, ...)
    return rows.flatten(2).sum(2) if rows.ndim > 2 else rows


def _of_linear(call: Call, gradient: Tensor) -> Tensor:
    x, g = (tensor.reshape(len(tensor), -1, tensor.shape[-1]) for tensor in (call.x, gradient))  # (B, T, features)
    return (g.transpose(1, 2) @ x).flatten(1)


def _of_conv2d(call: Call, gradient: Tensor) -> Tensor:
    stride, padding, dilation, groups = call.how
    x, g, kernel = call.x, gradient.flatten(2), call.weight.shape[2:]  # g: (B, C_out, L)
    if kernel == (1, 1) and g.shape[2] == x.shape[2] * x.shape[3]:
        columns = x.flatten(2)
    else:
        columns = F.unfold(x, kernel, dilation, padding, stride)  # (B, C_in * k * k, L)
    columns = columns.reshape(len(x), groups, -1, g.shape[2])
    return (g.reshape(len(x), groups, -1, g.shape[2]) @ columns.transpose(2, 3)).flatten(1)


_PER_SAMPLE = {"conv2d": _of_conv2d, "linear": _of_linear, "batch_norm": _of_batch_norm}
