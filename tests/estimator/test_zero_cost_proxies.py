"""Each proxy against numbers from elsewhere: closed forms, NumPy, published counts; and the network is left alone."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nasforge.randomness import isolated
from nasforge.registry.entry_points import build
from nasforge_plugins.estimator.zero_cost.activations import linear_regions, naswot, zen
from nasforge_plugins.estimator.zero_cost.gradients import synflow
from nasforge_plugins.estimator.zero_cost.probe import LOSSES, Probe
from nasforge_plugins.estimator.zero_cost.proxies import PROXIES
from nasforge_plugins.estimator.zero_cost.spectrum import Degenerate

K = 1e-5
IMAGES, PIXELS, HIDDEN, CLASSES = 12, 18, 20, 3


def measured(name, probe):
    return PROXIES[name].measure(probe)


@pytest.fixture
def images():
    return torch.randn(IMAGES, 2, 3, 3, generator=torch.Generator().manual_seed(1)).double()


@pytest.fixture
def labels():
    return torch.arange(IMAGES) % CLASSES


# Softmax regression: every gradient has a closed form


@pytest.fixture
def regression(images, labels):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, CLASSES)).double()
    return Probe(network, images, labels)


def regression_gradient(probe, weight):
    """By hand, (classes, pixels): mean of (softmax - one-hot) times the image; and the logits' gradient."""
    x, bias = probe.images.flatten(1).numpy(), probe.network[1].bias.detach().numpy()
    logits = x @ weight.T + bias
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    by_logits = (share - np.eye(CLASSES)[probe.labels.numpy()]) / len(x)
    return by_logits.T @ x, by_logits, logits


def test_scores_of_the_loss_gradient(regression):
    w = regression.network[1].weight.detach().numpy()
    g, by_logits, logits = regression_gradient(regression, w)
    assert measured("snip", regression) == pytest.approx(np.abs(w * g).sum(), rel=1e-9)
    assert measured("plain", regression) == pytest.approx((w * g).sum(), rel=1e-9)
    assert measured("grad_norm", regression) == pytest.approx(np.sqrt((g**2).sum()), rel=1e-9)
    per_channel = ((logits * by_logits) ** 2).mean(0) / 2
    assert measured("fisher", regression) == pytest.approx(PIXELS * per_channel.sum(), rel=1e-9)


def test_grasp_is_the_difference_quotient_of_the_gradient(regression):
    w = regression.network[1].weight.detach().numpy()
    g, _, _ = regression_gradient(regression, w)
    step = 1e-5
    there, back = (regression_gradient(regression, w + sign * step * g)[0] for sign in (1, -1))
    assert measured("grasp", regression) == pytest.approx(-(w * (there - back) / (2 * step)).sum(), rel=1e-6)


def test_fisher_sums_channels_over_the_map(images, labels):
    torch.manual_seed(0)
    convolution, classifier = nn.Conv2d(2, 4, 2, bias=False).double(), nn.Linear(4, CLASSES, bias=False).double()
    network = nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier)
    maps = convolution(images).detach().requires_grad_()
    logits = classifier(maps.mean((2, 3)))
    F.cross_entropy(logits, labels).backward()
    of_maps = ((maps * maps.grad).sum((2, 3)) ** 2).mean(0).sum() / 2 * 2 * 2 * 2
    by_logits = (logits.softmax(1) - F.one_hot(labels, CLASSES)) / IMAGES
    of_logits = ((logits * by_logits) ** 2).mean(0).sum() / 2 * 4
    assert measured("fisher", Probe(network, images, labels)) == pytest.approx((of_maps + of_logits).item(), rel=1e-9)


def test_the_loss_may_be_l1(regression):
    probe = Probe(regression.network, regression.images, regression.labels, LOSSES["l1"])
    w = regression.network[1].weight.detach().numpy()
    *_, logits = regression_gradient(regression, w)
    signs = np.sign(logits - np.eye(CLASSES)[probe.labels.numpy()]) / logits.size
    g = signs.T @ probe.images.flatten(1).numpy()
    assert measured("grad_norm", probe) == pytest.approx(np.sqrt((g**2).sum()), rel=1e-9)


# One hidden layer of ReLUs: Jacobians and patterns by NumPy


@pytest.fixture
def hidden(images, labels):
    torch.manual_seed(3)
    network = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, CLASSES)).double()
    return Probe(network, images, labels)


def by_hand(probe):
    """Patterns (images, units), and gradients of each logit by each image, (images, classes, pixels)."""
    first, second = (layer.weight.detach().numpy() for layer in (probe.network[1], probe.network[3]))
    on = probe.images.flatten(1).numpy() @ first.T + probe.network[1].bias.detach().numpy() > 0
    return on, np.einsum("nh,ch,hp->ncp", on.astype(float), second, first)


def test_jacob_cov(hidden):
    _, gradients = by_hand(hidden)
    values = np.linalg.eigvalsh(np.corrcoef(gradients.sum(1))).clip(0) + K
    assert measured("jacob_cov", hidden) == pytest.approx(-(np.log(values) + 1 / values).sum(), rel=1e-6)


def test_jacob_cov_of_a_linear_network_sees_one_direction(regression):
    expected = -((IMAGES - 1) * (math.log(K) + 1 / K) + math.log(IMAGES + K) + 1 / (IMAGES + K))
    assert measured("jacob_cov", regression) == pytest.approx(expected, rel=1e-6)


def test_epe_nas(hidden):
    _, gradients = by_hand(hidden)
    rows, labels = gradients.sum(1), hidden.labels.numpy()
    classes = [np.log(np.abs(np.corrcoef(rows[labels == c])) + K).sum() for c in range(CLASSES)]
    assert measured("epe_nas", hidden) == pytest.approx(np.abs(classes).sum(), rel=1e-9)


def test_epe_nas_compares_classes_where_there_are_many(images):
    torch.manual_seed(3)
    network = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 101)).double()
    probe = Probe(network, images, torch.arange(IMAGES) // 4)
    _, gradients = by_hand(probe)
    rows = gradients.sum(1)
    values = [np.log(np.abs(np.corrcoef(rows[4 * c : 4 * c + 4])) + K).sum() / 4 for c in range(3)]
    expected = sum(abs(a - b) for a in values for b in values) / 3
    assert measured("epe_nas", probe) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("similarity", [False, True])
def test_gradient_image_correlation(hidden, similarity):
    _, gradients = by_hand(hidden)
    kernel = np.mean([np.corrcoef(gradients[:, c]) for c in range(CLASSES)], axis=0)
    if similarity:
        pixels = hidden.images.flatten(1).numpy()
        kernel = kernel * (4 - ((pixels[:, None] - pixels) ** 2).mean(2)) / 4
    hidden.image_similarity = similarity
    expected = abs(np.linalg.slogdet(kernel)[1])
    assert measured("gradient_image_correlation", hidden) == pytest.approx(expected, rel=1e-9)


# Networks that end in BatchNorm


class EndsInBatchNorm(nn.Module):
    """Its logits are means of normalized maps, so that their sum over a batch is the same for all images."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(2, 6, 2), nn.ReLU(), nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6))
        self.head = nn.Linear(6, CLASSES)

    def forward(self, images):
        return self.head(self.maps(images).mean((2, 3)))


@pytest.mark.parametrize("name", ["jacob_cov", "epe_nas", "gradient_image_correlation"])
def test_gradients_that_cancel_over_a_batch_are_those_of_each_image(name, images, labels):
    torch.manual_seed(3)
    network = EndsInBatchNorm().double()
    frozen = copy.deepcopy(network)
    with torch.no_grad():
        maps = frozen.maps[:3](images)
    norm = frozen.maps[3].eval()
    norm.running_mean, norm.running_var = maps.mean((0, 2, 3)), maps.var((0, 2, 3), correction=0)
    norm.train = lambda mode=True: norm  # the batch's statistics, as constants
    exact = measured(name, Probe(network, images, labels))
    assert exact == pytest.approx(measured(name, Probe(frozen, images, labels)), rel=1e-6)
    assert measured(name, Probe(network.float(), images.float(), labels)) == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("name", ["nasbench201", "darts", "reolon", "tsenas", "transnas_micro"])
def test_scores_do_not_depend_on_the_precision(name, labels):
    space, rng = build("space", {"name": name}), np.random.default_rng(0)
    noise = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        with isolated(0):
            network = space.build(space.sample(rng), (3, 8, 8), 4, channels=4, cells=max(3, space.least_cells))
        for proxy in ("jacob_cov", "epe_nas", "gradient_image_correlation"):
            single, double = (
                value_or_reason(proxy, Probe(copy.deepcopy(network).to(kind), noise.to(kind), labels[:8] % 4))
                for kind in (torch.float32, torch.float64)
            )
            assert single == (double if isinstance(double, str) else pytest.approx(double, rel=0.01)), proxy


def value_or_reason(name, probe):
    try:
        return measured(name, probe)
    except Degenerate as reason:
        return str(reason)


def test_naswot_and_activation_overlap(hidden):
    on, _ = by_hand(hidden)
    kernel = on @ on.T.astype(float) + (~on) @ (~on).T.astype(float)
    assert measured("naswot", hidden) == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-9)
    assert measured("activation_overlap", hidden) == pytest.approx(-np.linalg.slogdet(kernel)[1], rel=1e-9)


class DeadEnd(nn.Module):
    """A ReLU as a module, one as a function, and one that leads nowhere."""

    def __init__(self):
        super().__init__()
        self.layer, self.classifier = nn.Linear(PIXELS, HIDDEN), nn.Linear(HIDDEN, CLASSES)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, images):
        units = self.layer(images.flatten(1))
        F.relu(units[:, :5] + 1.0)
        return self.classifier(torch.relu(self.activation(units) - 0.1))


def test_only_relus_that_matter_count_for_naswot(images, labels):
    torch.manual_seed(3)
    probe = Probe(DeadEnd().double(), images, labels)
    units = probe.network.layer(images.flatten(1)).detach().numpy()
    patterns = [units[:, :5] > -1, units > 0, units > 0.1]
    overlap = [on @ on.T.astype(float) + (~on) @ (~on).T.astype(float) for on in patterns]
    assert measured("activation_overlap", probe) == pytest.approx(-np.linalg.slogdet(sum(overlap))[1], rel=1e-9)
    assert measured("naswot", probe) == pytest.approx(np.linalg.slogdet(sum(overlap[1:]))[1], rel=1e-9)


def test_linear_regions_of_two_kinks_on_a_line_are_three():
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[1.0], [1.0]]))
        network[1].bias.copy_(torch.tensor([0.0, -1.0]))
    line = torch.linspace(-3, 3, 50).view(-1, 1, 1, 1)
    assert linear_regions(Probe(network, line, torch.zeros(50).long())) == 3
    assert linear_regions(Probe(network, line[line > 0].view(-1, 1, 1, 1), torch.zeros(50).long())) == 2


# Weights alone


def test_synflow_of_two_linear_layers(images, labels):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, 4), nn.Linear(4, CLASSES, bias=False))
    first, bias, second = (parameter.detach().double().abs() for parameter in network.parameters())
    through_first = second.sum(0) @ first.sum(1)  # each weight's path product, summed over paths from an image of ones
    through_second = second.sum(0) @ (first.sum(1) + bias)
    expected = math.log(float(through_first + through_second))
    assert synflow(Probe(network, images.float(), labels)) == pytest.approx(expected, rel=1e-12)


def test_synflow_passes_batch_norm_by(images, labels):
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4, CLASSES))
    normalised = nn.Sequential(plain[0], nn.BatchNorm2d(4), *plain[1:])
    assert synflow(Probe(plain, images, labels)) == synflow(Probe(normalised, images, labels))


def test_zen_by_hand(images, labels):
    probe = Probe(nn.Sequential(nn.Conv2d(2, 4, 2), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1)), images.float(), labels)
    torch.manual_seed(5)
    found = zen(probe)
    torch.manual_seed(5)
    weight = torch.randn(4, 2, 2, 2).double()
    inputs = torch.randn(IMAGES, 2, 3, 3)
    moved = inputs + 0.01 * torch.randn(IMAGES, 2, 3, 3)
    maps, maps_moved = (F.conv2d(x.double(), weight).transpose(0, 1).flatten(1) for x in (inputs, moved))
    spread = [(m - m.mean(1, True)) / (m.var(1, correction=0, keepdim=True) + 1e-5).sqrt() for m in (maps, maps_moved)]
    distance = (spread[0] - spread[1]).abs().sum() / IMAGES
    expected = distance.log() + maps.var(1, correction=0).mean().sqrt().log()
    assert found == pytest.approx(float(expected), rel=1e-4)


def test_for_zen_a_batch_norm_of_zeros_scales_nothing(images, labels):
    class Idle(nn.Sequential):
        def forward(self, images):
            return super().forward(images) + idle(images[:, :2] * 0.0).sum()

    plain = nn.Sequential(nn.Conv2d(2, 4, 2), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    idle = nn.BatchNorm2d(2)
    scores = []
    for network in (plain, Idle(*plain)):
        torch.manual_seed(5)
        scores.append(zen(Probe(network, images.float(), labels)))
    assert scores[0] == scores[1]


@pytest.fixture(scope="module")
def space():
    return build("space", {"name": "nasbench201"})


def of_table(space, name):
    torch.manual_seed(0)
    network = space.build(space.read(name), (3, 32, 32), 10, channels=16, cells=5)
    return Probe(network, torch.zeros(2, 3, 32, 32), torch.tensor([0, 1]))


def test_sizes_are_those_that_the_benchmark_publishes(space):
    probe = of_table(space, "resnet")
    assert (measured("params", probe), measured("macs", probe)) == (559_386, 78_561_920)


def test_scores_of_weights_are_those_that_naslib_published(space, shared_data):
    with np.load(shared_data("nasbench201_zerocost.npz")) as published:
        names, index = published["proxy_names"].tolist(), published["setA_index"]
        for place in (0, 1, 2, 100, 200):
            probe = of_table(space, str(published["arch_str"][index[place]]))
            for name in ("l2_norm", "synflow"):
                value = published["setA_score"][0, place, names.index(name)]
                assert measured(name, probe) == pytest.approx(value, rel=0.02), (name, place)


# The network is left as it was


class Marked(nn.Module):
    """Everything that a careless proxy would change."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(4, 6, 3, groups=2)
        )
        self.frozen, self.classifier = nn.Linear(6, 6), nn.Linear(6, 10)
        self.frozen.weight.requires_grad_(False)
        self.broken = False

    def forward(self, images):
        maps = torch.relu(self.features(images)).mean((2, 3))
        if self.broken:
            raise ValueError("out of order")
        return self.classifier(self.frozen(maps))


def state(network):
    hooks = [len(module._forward_hooks) + len(module._backward_hooks) for module in network.modules()]
    modes = [module.training for module in network.modules()]
    return copy.deepcopy(network.state_dict()), modes, [p.requires_grad for p in network.parameters()], hooks


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", [name for name in PROXIES if name not in ("params", "macs")])
def test_a_network_is_left_as_it_was_also_by_an_error(name, training):
    torch.manual_seed(0)
    network = Marked().train(training)
    tensors, *marks = state(network)
    images, labels = torch.randn(12, 3, 8, 8), torch.arange(12) % 3
    assert math.isfinite(measured(name, Probe(network, images, labels)))
    if name != "l2_norm":  # which asks for no forward pass
        network.broken = True
        with pytest.raises(ValueError, match="out of order"):
            measured(name, Probe(network, images, labels))
    after, *marks_after = state(network)
    assert marks_after == marks
    assert all(torch.equal(after[key], tensors[key]) for key in tensors)
    assert all(parameter.grad is None for parameter in network.parameters())
    network.broken = False
    assert torch.relu(torch.zeros(1)).item() == 0.0  # nobody listens any more
    assert network.eval()(images).shape == (12, 10)


# What has no score says so


@pytest.mark.parametrize("name", ["snip", "grasp", "fisher", "grad_norm", "plain", "synflow", "l2_norm"])
def test_a_network_without_layers_has_no_score_of_them(name, images, labels):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(Degenerate, match="no convolution and no linear layer to train"):
        measured(name, Probe(network, images, labels % 2))


@pytest.mark.parametrize("name", ["naswot", "activation_overlap", "linear_regions"])
def test_a_network_without_relus_has_no_patterns(name, regression):
    with pytest.raises(Degenerate, match="it has no ReLU"):
        measured(name, regression)


class Detached(nn.Module):
    """Its logits have no gradient."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(PIXELS, CLASSES)

    def forward(self, images):
        return torch.relu(self.layer(images.flatten(1))).detach()


@pytest.mark.parametrize(
    "name",
    [
        n
        for n, p in PROXIES.items()
        if n not in ("params", "macs", "l2_norm", "zen", "activation_overlap", "linear_regions")
    ],
)
def test_a_network_without_gradient_has_no_score_of_it(name, images, labels):
    with pytest.raises(Degenerate, match=r"no gradient|do not depend on the images"):
        measured(name, Probe(Detached(), images.float(), labels))


def test_images_that_look_alike_have_no_determinant(hidden):
    same = Probe(hidden.network, hidden.images[:1].expand(IMAGES, -1, -1, -1), hidden.labels)
    with pytest.raises(Degenerate, match="samples cannot be told from each other"):
        naswot(same)


@pytest.mark.parametrize("name", ["jacob_cov", "epe_nas", "gradient_image_correlation"])
def test_gradients_that_are_no_numbers_are_named(name, hidden):
    with torch.no_grad():
        hidden.network[3].weight.fill_(torch.nan)
    with pytest.raises(Degenerate, match="not finite"):
        measured(name, hidden)
