"""How much faster the neural tangent kernels are than TE-NAS's plain loop. Equality is checked before timing.

    python benchmarks/ntk_speed.py [--device cuda] [--repeats 5] [--threads 1] [--batch 72]

The setting is TE-NAS's on NAS-Bench-201: C=3, N=1, training mode, 32x32 images. The plain loop makes one backward pass
for each sample, as their code does. Each row interleaves the versions, so that a busy machine slows both, and gives the
median ratio with its range. Writes `benchmarks/results/ntk_speed.md`.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from nasforge.registry.entry_points import build
from nasforge_plugins.estimator.zero_cost.kernels import decoupled_ntk, ntk
from reporting import device_of, parser, write_of_device

CELLS = ("best_cifar10", "all_conv_3x3", "resnet")
TOLERANCE = 1e-4


def plain_loop(network: nn.Module, images: Tensor) -> Tensor:
    """One backward pass from the sum of each sample's logits, parameters named weight (Chen et al. 2021)."""
    logits = network(images)
    rows = []
    for index in range(len(images)):
        network.zero_grad()
        logits[index : index + 1].backward(torch.ones_like(logits[index : index + 1]), retain_graph=True)
        own = [w.grad.view(-1) for name, w in network.named_parameters() if "weight" in name and w.grad is not None]
        rows.append(torch.cat(own))
    network.zero_grad()
    gradients = torch.stack(rows).double()
    return (gradients @ gradients.T).cpu()


def held_constant(network: nn.Module, images: Tensor) -> nn.Module:
    """A copy whose BatchNorms are in eval mode, with this batch's statistics for running ones."""
    network = copy.deepcopy(network)

    def take(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        variance, mean = torch.var_mean(inputs[0], (0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.eval()

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(take) for norm in norms]
    with torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return network


def off(found: Tensor, expected: Tensor) -> float:
    """Relative Frobenius norm of the difference."""
    return float((found - expected).norm() / expected.norm())


def timed(make: Callable[[], Tensor], device: torch.device) -> tuple[Tensor, float]:
    """A kernel, and the seconds it took."""
    start = time.perf_counter()
    kernel = make()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return kernel, time.perf_counter() - start


def rows(cell: str, batch: int, repeats: int, device: torch.device) -> list[str]:
    torch.manual_seed(0)
    space = build("space", {"name": "nasbench201"})
    network = space.build(space.read(cell), (3, 32, 32), 10, channels=3, cells=1).train().to(device)
    images = torch.randn(batch, 3, 32, 32, device=device)
    constant = plain_loop(held_constant(network, images), images)
    versions: dict[str, Callable[[], Tensor]] = {
        "loop": lambda: plain_loop(network, images),
        "exact": lambda: ntk(network, images),
        "decoupled": lambda: decoupled_ntk(network, images),
    }
    loop = versions["loop"]()
    differences = {"exact": off(versions["exact"](), loop), "decoupled": off(versions["decoupled"](), constant)}
    if max(differences.values()) > TOLERANCE:
        raise SystemExit(f"{cell}: the kernels differ: {differences}")
    seconds = {name: [0.0] * repeats for name in versions}
    for repeat in range(repeats):
        for name, make in versions.items():
            seconds[name][repeat] = timed(make, device)[1]
    lines = []
    for name, difference in differences.items():
        ratios = sorted(slow / quick for slow, quick in zip(seconds["loop"], seconds[name], strict=True))
        medians = [statistics.median(seconds[version]) for version in ("loop", name)]
        ratio = f"**{statistics.median(ratios):.2f}** | {ratios[0]:.2f} to {ratios[-1]:.2f}"
        lines.append(f"| {cell} | {name} | {medians[0]:.3f} | {medians[1]:.3f} | {ratio} | {difference:.0e} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    options = parser(__doc__, device="cpu", repeats=5, threads=1, batch=72).parse_args()
    device, where = device_of(options.device, options.threads)
    about = (
        f"torch {torch.__version__}, {where}; `nasbench201`, C=3, N=1, batch {options.batch} of 32x32, fp32; "
        f"{options.repeats} interleaved repeats; median seconds, median ratio of pairs, its range. The loop is one "
        "backward pass for each sample. Kernels compared before timing (relative Frobenius norm of the difference): "
        "the exact one with the loop's, the decoupled one with the loop's on a network whose BatchNorms hold the "
        "batch's statistics constant."
    )
    lines = [
        "| cell | kernel | loop, s | this, s | ratio | range | difference |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(line for cell in CELLS for line in rows(cell, options.batch, options.repeats, device)),
    ]
    write_of_device("ntk_speed", device, "Neural tangent kernels against the plain loop", about, lines)


if __name__ == "__main__":
    main()
