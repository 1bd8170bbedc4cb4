"""Proxies that read gradients. "Layers" are convolutions and linear layers; BatchNorm is in training mode.

Where zero-cost-nas (Abdelfattah et al. 2021, "Zero-Cost Proxies for Lightweight NAS", section 3, and its code, which
NASLib took over) and a proxy's first paper differ, these follow zero-cost-nas, whose values are the published ones.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext

import torch
from torch import Tensor

from .probe import Probe, gradients_of
from .recording import WithoutNormalization, layer_weights
from .spectrum import Degenerate, correlation, eigenvalues

_SMALL = 1e-5
"""k of jacob_cov and epe_nas: added before a logarithm or a division."""


def grad_norm(probe: Probe) -> float:
    r"""Sum over layers of the loss gradient's Euclidean norm: $\sum_l \|\partial L / \partial W_l\|_2$. Max.

    Abdelfattah et al. 2021, section 3.1.
    """
    return sum(float(gradient.norm()) for gradient in probe.loss_pass.gradients)


def plain(probe: Probe) -> float:
    r"""$\sum w \, \partial L / \partial w$ over all layers' weights. Max.

    Mozer and Smolensky 1989, summed with its sign, as in zero-cost-nas.
    """
    loss_pass = probe.loss_pass
    return sum(float((w * g).sum()) for w, g in zip(loss_pass.weights, loss_pass.gradients, strict=True))


def snip(probe: Probe) -> float:
    r"""$\sum |w \, \partial L / \partial w|$ over all layers' weights. Max.

    SNIP (Lee et al. 2019, eq. 6) at a mask of ones, not normalized, as in zero-cost-nas.
    """
    loss_pass = probe.loss_pass
    return sum(float((w * g).abs().sum()) for w, g in zip(loss_pass.weights, loss_pass.gradients, strict=True))


def grasp(probe: Probe) -> float:
    r"""$-\sum w \, (H g)$, with g the loss gradient by the layers' weights and H the Hessian. Max.

    GraSP (Wang et al. 2020, eq. 8), with zero-cost-nas's sign, no temperature, and one batch for both passes.
    """
    weights = probe.weights
    loss = probe.loss(probe.logits(), probe.labels)
    if not loss.requires_grad:
        raise Degenerate("its logits have no gradient")
    first = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
    used = [(w, g) for w, g in zip(weights, first, strict=True) if g is not None]
    if not any(bool(g.any()) for _, g in used):
        raise Degenerate("no gradient reaches any of its layers")
    squares = torch.stack([(g.detach() * g).sum() for _, g in used]).sum()
    second = gradients_of(squares, [w for w, _ in used])
    return -sum(float((w.detach() * h).sum()) for (w, _), h in zip(used, second, strict=True) if h is not None)


def fisher(probe: Probe) -> float:
    r"""$\tfrac12$ mean over the batch of $(\sum_{hw} a \, \partial L / \partial a)^2$, a the output of a channel. Max.

    Fisher pruning (Theis et al. 2018, eq. 3; Turner et al. 2020 for channels). As in zero-cost-nas, the value of a
    channel counts once for each weight of its filter, and a is the output of the layer, before BatchNorm.
    """
    total = 0.0
    for call in probe.loss_pass.calls:
        assert call.gradient is not None  # the pass reached it
        saliency = call.out * call.gradient
        if call.kind == "linear":  # channels come last
            saliency = saliency.movedim(-1, 1)
        by_channel = saliency.flatten(2).sum(2) if saliency.ndim > 2 else saliency
        total += float(by_channel.square().mean(0).sum() / 2) * call.weight[0].numel()
    return total


def synflow(probe: Probe) -> float:
    r"""$\ln \sum |w \, \partial R / \partial w|$, R the sum of the logits of one image of ones, all weights $|w|$. Max.

    SynFlow (Tanaka et al. 2020, eq. 2), with BatchNorms bypassed and biases made positive too, in float64, as in
    zero-cost-nas; the logarithm is NASLib's. It reads no images.
    """
    if not layer_weights(probe.network):
        raise Degenerate("it has no convolution and no linear layer to train")
    place = "cpu" if probe.images.device.type == "mps" else probe.images.device  # which has no float64
    network = copy.deepcopy(probe.network).to(place, torch.float64)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    weights = layer_weights(network)
    with WithoutNormalization():
        total = network(torch.ones(1, *probe.images.shape[1:], dtype=torch.float64, device=place)).sum()
    flow = sum(
        float((w.detach() * g).abs().sum())
        for w, g in zip(weights, gradients_of(total, weights), strict=True)
        if g is not None
    )
    if flow <= 0:
        raise Degenerate("nothing flows through it")
    return float(torch.tensor(flow, dtype=torch.float64).log())


def l2_norm(probe: Probe) -> float:
    r"""Sum over layers of the Euclidean norm of the initial weights, $\sum_l \|W_l\|_2$. Max.

    Krishnakumar et al. 2022 (NAS-Bench-Suite-Zero), appendix. It reads no images.
    """
    return sum(float(weight.detach().norm()) for weight in probe.weights)


def jacob_cov(probe: Probe) -> float:
    r"""$-\sum_i [\ln(v_i + k) + 1/(v_i + k)]$, v the eigenvalues of the correlation of the images' Jacobians. Max.

    Mellor et al. 2020 (first version of "Neural Architecture Search without Training", section 4), k = 1e-5. A row is
    the gradient of the sum of all logits with respect to one image.
    """
    values = eigenvalues(correlation(probe.jacobian)).clamp(min=0.0) + _SMALL
    return -float((values.log() + 1 / values).sum())


def epe_nas(probe: Probe) -> float:
    r"""$\sum_c |\sum_{ij} \ln(|\rho_{ij}| + k)|$, $\rho$ the correlations between Jacobians of class c. Max.

    EPE-NAS (Lopes et al. 2021, section 3, eq. 4 to 6), k = 1e-5. With more than 100 classes, the value of each class is
    divided by its number of images, and the score is the sum of all differences over the number of classes.
    """
    every, many = correlation(probe.jacobian), probe.image_pass.logits.shape[1] > 100
    scores = []
    for label in torch.unique(probe.labels):
        members = (probe.labels == label).nonzero()[:, 0].cpu()
        score = (every[members][:, members].abs() + _SMALL).log().sum()
        scores.append(score / len(members) if many else score)
    values = torch.stack(scores)
    if many:
        return float((values[:, None] - values[None, :]).abs().sum() / len(values))
    return float(values.abs().sum())


def gradient_image_correlation(probe: Probe) -> float:
    r"""$|\ln|\det K||$, $K_{ij}$ the mean over logits c of the correlation of $\partial y_c / \partial x_i$ and
    $\partial y_c / \partial x_j$, times how alike the two images are: $1 - \overline{(x_i - x_j)^2} / 4$. Min.

    The third score of the NTK / linear-region GA (Reolon, Appendix A), made symmetric. Its code divides the columns by
    the diagonal, which the mean does here, and weights one triangle of K by four times as much, which makes K
    indefinite. It takes the channels of a cell's output map where this takes the network's logits.
    """
    images = probe.images.clone().requires_grad_()
    with probe.constant_statistics() if probe.cancels else nullcontext():
        totals = probe.logits(images).sum(0)
    kernel: Tensor | None = None
    for number, total in enumerate(totals):
        (rows,) = torch.autograd.grad(total, images, retain_graph=number + 1 < len(totals), allow_unused=True)
        if rows is None:
            raise Degenerate("its logits do not depend on the images")
        by_logit = correlation(rows.flatten(1))
        kernel = by_logit if kernel is None else kernel + by_logit
    assert kernel is not None  # a classifier has a logit
    kernel = kernel / len(totals)
    if probe.image_similarity:
        kernel = kernel * _similarity(probe.images)
    values = eigenvalues(kernel).abs()
    if values.min() <= _SMALL**2:
        raise Degenerate("its gradients by the images are alike")
    return abs(float(values.log().sum()))


def _similarity(images: Tensor) -> Tensor:
    r"""$1 - \overline{(x_i - x_j)^2} / 4$ of the pixels of two images, float64 (N, N)."""
    pixels = images.detach().to("cpu", torch.float64).flatten(1)
    differences = torch.cdist(pixels, pixels, compute_mode="donot_use_mm_for_euclid_dist").square() / pixels.shape[1]
    return 1 - differences / 4
