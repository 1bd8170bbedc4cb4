"""How much faster the supernet of `space=darts` is than one written plainly. Equality is checked before timing.

    python benchmarks/supernet_speed.py [--device cuda] [--repeats 5] [--threads 2] [--batch 32]

Run from the root of a checkout with nasforge installed. Each row interleaves the two versions, so that a busy machine
slows both, and gives the median ratio with its range. Writes `benchmarks/results/supernet_speed.md`.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasforge.training.captured_steps import replaying
from nasforge_plugins.space.darts import DARTS
from plain_darts import PlainSupernet, copy_weights
from reporting import device_of, parser, write_of_device

INDIVIDUALS = 25
Fed = tuple[dict[str, Tensor], ...]
"""The mix; for the plain one softmaxed alphas, and normalized betas if there are any."""


class Versions:
    """The fast and the plain supernet with equal weights, and what they are fed beside the images."""

    def __init__(
        self,
        partial: int,
        include_none: bool,
        batch: int,
        device: torch.device,
        edge_normalization: bool = False,
        *,
        channels: int = 16,
        cells: int = 8,
        side: int = 32,
    ) -> None:
        torch.manual_seed(0)
        space = DARTS(channels=channels, cells=cells, partial_channels=partial, include_none=include_none)
        candidates = ("none",) * include_none + space.operations
        self.space, self.fast = space, space.supernet((3, side, side), 10).to(device)
        self.plain = PlainSupernet(candidates, channels=channels, cells=cells, partial=partial).to(device)
        copy_weights(self.fast, self.plain)
        self.images = torch.randn(batch, 3, side, side, device=device)
        self.labels = torch.randint(10, (batch,), device=device)
        self.weights, self.mixes = [], []
        for _ in range(INDIVIDUALS):
            alphas = {cell: torch.randn(shape, device=device) for cell, shape in self.fast.alpha_shapes.items()}
            softmaxed = {cell: values.softmax(-1) for cell, values in alphas.items()}
            betas = {cell: torch.randn(len(rows), device=device) for cell, rows in alphas.items()}
            if edge_normalization:
                per_node = {cell: _per_node(values) for cell, values in betas.items()}
                self.weights.append((softmaxed, per_node))
                self.mixes.append((space.mix(alphas, betas),))
            else:
                self.weights.append((softmaxed,))
                self.mixes.append((space.mix(alphas),))
        self.check()

    def check(self) -> None:
        """Compare logits in double precision, in which the kernels of a GPU do not differ by TF32."""
        check_equal(self.plain, self.fast, self.images, self.weights[0], self.mixes[0])

    def step(self, network: nn.Module, mix: Fed) -> Callable[[], None]:
        optimizer = torch.optim.SGD(network.parameters(), 1e-3, momentum=0.9, weight_decay=3e-4)

        def run() -> None:
            optimizer.zero_grad()
            F.cross_entropy(network(self.images, *mix), self.labels).backward()
            optimizer.step()

        return run

    def forwards(self, network: Callable[..., Tensor], mixes: list[Fed]) -> Callable[[], None]:
        @torch.no_grad()
        def run() -> None:
            for mix in mixes:
                network(self.images, *mix)

        return run


@torch.no_grad()
def check_equal(plain: nn.Module, fast: nn.Module, images: Tensor, weights: Fed = (), mix: Fed = ()) -> None:
    """Raise an `AssertionError` if the two networks give different logits for a few of the images."""
    few = images[:8].double()
    slow, quick = (
        copy.deepcopy(network).double()(few, *({cell: rows.double() for cell, rows in part.items()} for part in fed))
        for network, fed in ((plain, weights), (fast, mix))
    )
    torch.testing.assert_close(quick, slow, rtol=1e-6, atol=1e-6 * slow.abs().max().item())


def _per_node(betas: Tensor) -> Tensor:
    return torch.cat([part.softmax(0) for part in torch.split(betas, [2, 3, 4, 5])])


def seconds(run: Callable[[], None], device: torch.device) -> float:
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def row(name: str, plain: Callable[[], None], fast: Callable[[], None], repeats: int, device: torch.device) -> str:
    seconds(plain, device), seconds(fast, device)  # the first call chooses kernels
    pairs = [(seconds(plain, device), seconds(fast, device)) for _ in range(repeats)]
    ratios = sorted(slow / quick for slow, quick in pairs)
    slow, quick = (statistics.median(times) for times in zip(*pairs, strict=True))
    span = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
    line = f"| {name} | {slow:.3f} | {quick:.3f} | **{statistics.median(ratios):.2f}** | {span} |"
    print(line, flush=True)
    return line


def measure(batch: int, repeats: int, device: torch.device) -> list[str]:
    rows = []
    whole = Versions(1, True, batch, device)
    steps = whole.step(whole.plain, whole.weights[0]), whole.step(whole.fast, whole.mixes[0])
    rows.append(row("training step, K=1, with `none`, BatchNorm after pools (DARTS)", *steps, repeats, device))
    once = whole.forwards(whole.plain, whole.weights[:1]), whole.forwards(whole.fast, whole.mixes[:1])
    rows.append(row("forward without gradients, K=1", *once, repeats, device))
    part = Versions(4, False, batch, device)
    steps = part.step(part.plain, part.weights[0]), part.step(part.fast, part.mixes[0])
    rows.append(row("training step, K=4", *steps, repeats, device))
    once = part.forwards(part.plain, part.weights[:1]), part.forwards(part.fast, part.mixes[:1])
    rows.append(row("forward without gradients, K=4", *once, repeats, device))
    beta = Versions(4, True, batch, device, edge_normalization=True)
    steps = beta.step(beta.plain, beta.weights[0]), beta.step(beta.fast, beta.mixes[0])
    rows.append(row("training step, K=4, with `none` and beta (PC-DARTS)", *steps, repeats, device))
    part.plain.eval(), part.fast.eval()
    replayed = replaying(part.fast, "the generation", str(device), graph="auto")
    generation = part.forwards(part.plain, part.weights), part.forwards(replayed, part.mixes)
    rows.append(row(f"ES generation, {INDIVIDUALS} forwards in eval mode, K=4", *generation, 1, device))
    return rows


def main() -> None:
    options = parser(__doc__, device="cpu", repeats=5, threads=2, batch=32).parse_args()
    device, where = device_of(options.device, options.threads)
    about = (
        f"torch {torch.__version__}, {where}; C=16, L=8, batch {options.batch} of 32x32, fp32; {options.repeats} "
        "interleaved repeats (of the generation one); median seconds, median ratio of pairs, its range. Outputs "
        "compared before timing."
    )
    lines = [
        "| row | plain, s | fast, s | ratio | range |",
        "| --- | --- | --- | --- | --- |",
        *measure(options.batch, options.repeats, device),
    ]
    write_of_device("supernet_speed", device, "The supernet of `space=darts` against a plain one", about, lines)


if __name__ == "__main__":
    main()
