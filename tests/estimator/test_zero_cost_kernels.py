"""The neural tangent kernels against torch.func and the plain loop, and the eigenvalues' floor."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev, replace_all_batch_norm_modules_

from nasforge.registry.entry_points import build
from nasforge_plugins.estimator.zero_cost.kernels import _per_sample, decoupled_ntk, ntk
from nasforge_plugins.estimator.zero_cost.probe import Probe
from nasforge_plugins.estimator.zero_cost.proxies import PROXIES
from nasforge_plugins.estimator.zero_cost.recording import LayerCalls
from nasforge_plugins.estimator.zero_cost.spectrum import (
    FLOOR,
    Degenerate,
    condition_number,
    correlation,
    eigenvalues,
    log_determinant,
)

CELLS = ("best_cifar10", "resnet", "all_skip", "all_conv_3x3")


@pytest.fixture(scope="module")
def images():
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def cell(name, shape=(3, 8, 8)):
    torch.manual_seed(0)
    space = build("space", {"name": "nasbench201"})
    return space.build(space.read(name), shape, 10, channels=3, cells=1).train()


class Odd(nn.Module):
    """Layers of every kind: strided, grouped, dilated, used twice, of another type, tied to a second use, bare."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.twice = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2, bias=False)
        self.same = nn.Conv2d(4, 4, (3, 1), padding="same")
        self.group = nn.GroupNorm(2, 4)
        self.tokens = nn.Linear(16, 5)
        self.tied = nn.Linear(20, 20, bias=False)
        self.scale = nn.Parameter(torch.full((20,), 1.5))
        self.unused = nn.Linear(2, 2)
        self.classifier = nn.Linear(20, 3)

    def forward(self, images):
        maps = torch.relu(self.norm(self.first(images)))
        maps = maps + self.twice(torch.relu(self.twice(maps)))
        maps = self.group(self.same(maps))
        features = self.tokens(maps.flatten(2)).flatten(1) * self.scale
        return self.classifier(torch.relu(self.tied(features) + features @ self.tied.weight.square()))


def odd():
    torch.manual_seed(0)
    return Odd().train()


def by_autograd(network, images):
    """The kernel of jacrev's Jacobian, all parameters but biases, in float64."""
    network = copy.deepcopy(network).double()
    if network.training:
        replace_all_batch_norm_modules_(network)  # which would update their running statistics in place
    named = {name: p.detach() for name, p in network.named_parameters() if not name.endswith("bias")}

    def totals(parameters):
        return functional_call(network, parameters, (images.double(),)).sum(1)

    rows = torch.cat([jacobian.flatten(1) for jacobian in jacrev(totals)(named).values()], dim=1)
    return rows @ rows.T


def by_the_loop(network, images):
    """TE-NAS: one backward pass for each sample."""
    logits, rows = network(images), []
    for index in range(len(images)):
        network.zero_grad()
        logits[index].sum().backward(retain_graph=True)
        used = [p.grad for name, p in network.named_parameters() if "weight" in name and p.grad is not None]
        rows.append(torch.cat([gradient.flatten() for gradient in used]).double())
    network.zero_grad()
    return torch.stack(rows) @ torch.stack(rows).T


def held_constant(network, images):
    """The network in eval mode, whose running statistics are those of this batch."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(_own_statistics)
            module.eval()
    network(images)
    return network.eval()


def _own_statistics(module, inputs):
    if not module._forward_hooks:  # once: later calls keep these
        module.running_mean.copy_(inputs[0].detach().mean((0, 2, 3)))
        module.running_var.copy_(inputs[0].detach().var((0, 2, 3), correction=0))
        module.register_forward_hook(lambda *_: None)


def off(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("name", CELLS)
def test_the_exact_kernel_is_that_of_the_plain_loop(name):
    network, images = cell(name, (3, 32, 32)), torch.randn(12, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    expected = by_the_loop(network, images)
    assert off(ntk(network, images), expected) < 1e-5
    assert off(ntk(network, images, at_once=5), expected) < 1e-5


@pytest.mark.parametrize("make", [odd, *(lambda name=name: cell(name) for name in CELLS)], ids=["odd", *CELLS])
def test_the_exact_kernel_is_autograds(make, images):
    network = make()
    assert off(ntk(network, images), by_autograd(network, images)) < 1e-4
    assert off(ntk(network.double(), images.double(), at_once=4), by_autograd(network, images)) < 1e-12


@pytest.mark.parametrize("make", [odd, *(lambda name=name: cell(name) for name in CELLS)], ids=["odd", *CELLS])
def test_the_decoupled_kernel_is_autograds_with_statistics_held_constant(make, images):
    network = make().double()
    expected = by_autograd(held_constant(network, images.double()), images)
    assert off(decoupled_ntk(network, images.double()), expected) < 1e-9
    assert off(decoupled_ntk(network.float(), images), expected) < 1e-4


class InPlace(nn.Sequential):
    """Works in place wherever autograd lets it, on its input too."""

    def __init__(self, inplace):
        relu = nn.ReLU(inplace=inplace)
        middle = (nn.Conv2d(3, 4, 3), relu, nn.Conv2d(4, 4, 3, bias=False), nn.BatchNorm2d(4), relu)
        super().__init__(relu, *middle, nn.Flatten(), nn.Linear(64, 8), relu, nn.Linear(8, 3))


def test_layers_that_work_in_place_change_nothing(images):
    plain, in_place = InPlace(False), InPlace(True)
    in_place.load_state_dict(plain.state_dict())
    kept, labels = images.clone(), torch.arange(6) % 3
    for name, proxy in PROXIES.items():
        scores = []
        for network in (plain, in_place):
            torch.manual_seed(0)
            try:
                scores.append(proxy.measure(Probe(network, images, labels)))
            except Degenerate as reason:
                scores.append(str(reason))
        assert scores[0] == pytest.approx(scores[1], rel=1e-5), name
    assert torch.equal(images, kept)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
        nn.Conv2d(4, 4, (3, 1), padding=(2, 0), dilation=(2, 1), groups=4, bias=False),
        nn.Conv2d(4, 6, 1),
        nn.Conv2d(4, 6, 1, stride=2, padding=1),
        nn.Linear(8, 5),
    ],
    ids=str,
)
def test_products_of_a_layer_are_its_gradients_for_each_sample(layer):
    """Not by way of the slow loop, which `decoupled_ntk` takes where they are not."""
    layer = copy.deepcopy(layer).double()
    x = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    with LayerCalls([layer.weight]) as record:
        totals = layer(x).square().flatten(1).sum(1)
    totals.sum().backward()
    rows = [torch.autograd.grad(layer(image[None]).square().sum(), layer.weight)[0].flatten() for image in x]
    assert torch.allclose(_per_sample(record.calls[0], 3), torch.stack(rows), rtol=1e-10, atol=1e-12)


def test_batch_norm_does_couple_samples(images):
    network = cell("resnet")
    assert off(decoupled_ntk(network, images), ntk(network, images)) > 0.1


def test_without_batch_norm_both_kernels_are_one(images):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    assert off(decoupled_ntk(network, images), ntk(network, images)) < 1e-6


def test_a_linear_layers_kernel_is_the_inner_product_of_its_inputs(images):
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    x = images.flatten(1).double()
    for kernel in (ntk(network, images), decoupled_ntk(network, images)):
        assert off(kernel, 5 * x @ x.T) < 1e-6


@pytest.mark.parametrize("kernel", [ntk, decoupled_ntk])
def test_what_has_no_kernel_says_so(kernel, images):
    with pytest.raises(Degenerate, match="no weights to train"):
        kernel(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), images)
    network = cell("resnet")
    network.forward = lambda images: torch.zeros(len(images), 10)
    with pytest.raises(Degenerate, match="its logits have no gradient"):
        kernel(network, images)


# Eigenvalues


def test_conditions_and_determinants_are_numpys():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((6, 40))
    kernel = rows @ rows.T
    assert condition_number(torch.from_numpy(kernel)) == pytest.approx(np.linalg.cond(kernel), rel=1e-9)
    assert log_determinant(torch.from_numpy(kernel)) == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-9)
    assert correlation(torch.from_numpy(rows)).numpy() == pytest.approx(np.corrcoef(rows), abs=1e-12)
    lopsided = kernel + np.triu(np.ones((6, 6)), 1)
    expected = np.linalg.eigvalsh((lopsided + lopsided.T) / 2)
    assert eigenvalues(torch.from_numpy(lopsided)).numpy() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        (torch.zeros(3, 3), "the kernel is zero"),
        (torch.ones(3, 3), "smallest eigenvalue is below 1e-12 of its largest"),
        (torch.diag(torch.tensor([1.0, FLOOR / 2], dtype=torch.float64)), "smallest eigenvalue"),
        (torch.full((3, 3), torch.nan), "not finite"),
        (torch.full((3, 3), torch.inf), "not finite"),
    ],
)
def test_kernels_without_a_condition_number(kernel, reason):
    with pytest.raises(Degenerate, match=reason):
        condition_number(kernel)


def test_the_largest_condition_number_is_below_the_worst():
    assert 1 < condition_number(torch.diag(torch.tensor([1.0, 2 * FLOOR], dtype=torch.float64))) < 1 / FLOOR


@pytest.mark.parametrize("samples", [2, 6])
def test_networks_that_end_in_batch_norm_are_judged_by_what_can_move(images, samples):
    """Features add up to zero over a batch: NumPy's condition in the N - 1 other directions."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 12, 3), nn.BatchNorm2d(12)]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5))
    kernel = ntk(network, images[:samples])
    assert float(kernel.sum()) == pytest.approx(0, abs=1e-10 * float(kernel.diagonal().sum()))
    rest = np.linalg.qr(np.c_[np.ones(samples), np.eye(samples)[:, 1:]])[0][:, 1:]
    expected = np.linalg.cond(rest.T @ kernel.numpy() @ rest)
    assert condition_number(kernel) == pytest.approx(expected, rel=1e-6)


def test_rows_without_a_correlation():
    with pytest.raises(Degenerate, match="unmoved"):
        correlation(torch.tensor([[1.0, 2.0], [3.0, 3.0]]))
