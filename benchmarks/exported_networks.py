"""Exported networks against the networks that they came from: the same logits, as fast, and what 8 bits cost.

    python benchmarks/exported_networks.py logits [--random 20]
    python benchmarks/exported_networks.py speed [--repeats 15] [--threads 2]
    python benchmarks/exported_networks.py int8 [--epochs 15]

`logits` exports every published architecture and random ones of every space, with random weights, and compares the
largest difference of logits with the largest logit. `speed` interleaves the versions, so that a busy machine slows
all. `int8` trains a network of each of three spaces on digits, quantizes it with 512 training images, and tells its
accuracy on test images that neither training nor quantization has seen. Each writes a file in `benchmarks/results/`.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

import nasforge
from nasforge import Architecture, Classifier, Exporter, FoundNetwork, Transform
from nasforge.export.found import found_in
from nasforge.registry.entry_points import build, registry
from reporting import parser, write

SHAPE = (3, 32, 32)
FORMATS = ("python", "onnx", "torch")
SPACES: Mapping[str, dict[str, int]] = {
    "reolon": {},
    "nasbench201": {"cells": 1},
    "darts": {"channels": 16, "cells": 5},
    "tsenas": {},
}
"""Sizes of the networks in `logits`; the space's own where none are given."""
TIMED = {"darts": "DARTS_V2", "nasbench201": "best_cifar10", "reolon": "example"}
"""Published architectures in `speed`, in the sizes in which they were evaluated."""


def found(space: str, architecture: Architecture, **sizes: int) -> FoundNetwork:
    """A network with random weights, and running statistics that are not those of a new BatchNorm."""
    torch.manual_seed(0)
    network = registry("space")[space]().build(architecture, SHAPE, 10, **sizes).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    names = tuple(map(str, range(10)))
    return FoundNetwork(
        name="found",
        classifier=Classifier(network, Transform(SHAPE, (0.5,) * 3, (0.25,) * 3), names),
        title=f"An architecture of the space {space} with random weights.",
        facts={},
        calibration=lambda: torch.empty(0),
        test=lambda: (),
        trained=False,
    )


def errors(network: FoundNetwork, chosen: Mapping[str, Exporter]) -> dict[str, float]:
    """The largest difference of logits in each format, for one image and for five."""
    with tempfile.TemporaryDirectory() as folder:
        for exporter in chosen.values():
            exporter.write(network, Path(folder))
        return {name: exporter.check(Path(folder), network) for name, exporter in chosen.items()}


def logits(random: int) -> None:
    about = (
        "The largest difference of logits between what was exported and the network, relative to the largest logit, "
        f"over all architectures of a row, for one image and for five of {SHAPE[1]} x {SHAPE[2]} pixels, in float32; "
        "more than 1e-05 is refused. Networks of darts have 16 channels and 5 cells, of nasbench201 a cell a stage."
    )
    chosen = {name: build("exporter", {"name": name}) for name in FORMATS}
    lines = [f"| space | architectures | {' | '.join(FORMATS)} |", "| --- " * (2 + len(FORMATS)) + "|"]
    for name, sizes in SPACES.items():
        space, rng = registry("space")[name](), np.random.default_rng(0)
        groups = {"published": list(space.presets.values()), "random": [space.sample(rng) for _ in range(random)]}
        for group, architectures in groups.items():
            rows = []
            for architecture in architectures:
                began = time.perf_counter()
                rows.append(errors(found(name, architecture, **sizes), chosen))
                print(f"{name} {group} {len(rows)}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
            if rows:
                largest = " | ".join(f"{max(row[kind] for row in rows):.0e}" for kind in FORMATS)
                lines.append(f"| {name} | {len(rows)} {group} | {largest} |")
                write("exported_logits", "Exported networks: logits", about, lines)  # as far as it is


def versions(network: FoundNetwork, folder: Path, threads: int, pixels: Tensor) -> dict[str, Callable[[], Any]]:
    """Ways to compute the logits of the same images."""
    images = network.classifier.transform(pixels)
    onnx, program = build("exporter", {"name": "onnx"}), build("exporter", {"name": "torch"})
    paths = [exporter.write(network, folder)[0] for exporter in (onnx, program)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(paths[0], options, providers=["CPUExecutionProvider"])
    module = torch.export.load(paths[1]).module()
    folded = FoundNetwork(**{**vars_of(network), "fold": True}).module
    return {
        "inside nasforge": lambda: network.classifier.network(images),
        "python": lambda: network.module(images),
        "python --fold": lambda: folded(images),
        "torch": lambda: module(pixels),
        "onnx": lambda: session.run(None, {"images": pixels.numpy()}),
    }


def vars_of(network: FoundNetwork) -> dict[str, Any]:
    return {name: getattr(network, name) for name in FoundNetwork.__dataclass_fields__}


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@torch.inference_mode()
def speed_rows(repeats: int, threads: int) -> Iterator[str]:
    for space, preset in TIMED.items():
        network = found(space, registry("space")[space]().presets[preset])
        for count in (1, 64):
            with tempfile.TemporaryDirectory() as folder, torch.inference_mode(False):
                ways = versions(network, Path(folder), threads, network.pixels(count))
            times: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(2 + repeats):
                for name, work in ways.items():
                    times[name].append(timed(work))
            own = times["inside nasforge"][2:]
            ratios = [
                statistics.median(other / mine for other, mine in zip(times[name][2:], own, strict=True))
                for name in ways
            ]
            yield f"| {preset} | {count} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |"


def speed(repeats: int, threads: int) -> None:
    torch.set_num_threads(threads)
    names = ("inside nasforge", "python", "python --fold", "torch", "onnx")
    lines = [f"| architecture | images | {' | '.join(names)} |", "| --- " * (2 + len(names)) + "|"]
    about = (
        f"Time of a forward pass, inside nasforge = 1 (median of {repeats} interleaved passes after 2 to warm up), on "
        f"{threads} threads, for images of {SHAPE[1]} x {SHAPE[2]} pixels; torch {torch.__version__}, ONNX Runtime "
        f"{onnxruntime.__version__}. DARTS_V2 has 36 channels and 20 cells, best_cifar10 16 channels and 5 cells a "
        "stage. torch and onnx also normalize the pixels."
    )
    write("exported_speed", "Exported networks: speed", about, [*lines, *speed_rows(repeats, threads)])


def int8(epochs: int) -> None:
    exporter = build("exporter", {"name": "onnx", "int8": True})
    lines = ["| space | what ONNX Runtime computes with 8-bit integers |", "| --- | --- |"]
    for space in ("darts", "nasbench201", "reolon"):
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / "run"
            words = ["estimator=zero_cost", "estimator.zero_cost.proxies=[synflow]", "data=digits"]
            training = {"seeds": 1, "random": 0, "epochs": epochs}
            budget = {"evaluations": 4}
            nasforge.search(
                "random_search", space, run_dir=folder, quiet=True, retrain=training, budget=budget, overrides=words
            )
            network = found_in(nasforge.load(folder))
            exporter.write(network, folder)
            exporter.check(folder, network)
            lines.append(f"| {space} | {exporter.notes(folder, network)[0].removeprefix('8-bit integers: ')} |")
    about = (
        f"The best of four random architectures by synflow, trained on digits for {epochs} epochs; ranges of "
        "activations come from 512 training images. Accuracies are on the test images."
    )
    write("exported_int8", "Exported networks: 8-bit integers", about, lines)


def main() -> None:
    kinds = {"logits": logits, "speed": speed, "int8": int8}
    options = parser(__doc__, random=20, repeats=15, threads=2, epochs=15)
    options.add_argument("kind", choices=kinds)
    given = options.parse_args()
    if given.kind == "logits":
        logits(given.random)
    elif given.kind == "speed":
        speed(given.repeats, given.threads)
    else:
        int8(given.epochs)


if __name__ == "__main__":
    main()
