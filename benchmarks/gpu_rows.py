"""The rows of `gpu.py`: what is measured inside one process. Equality is checked before timing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from gpu_chains import chains_step
from gpu_kernels import PARTIAL, WHOLE, k1_kernels, k4_kernels
from gpu_retraining import retraining_step
from gpu_steps import PLAIN, Sizes
from gpu_supernet import generation, k1_step, k4_step, lightning_loop
from gpu_timing import Timing


@dataclass(frozen=True)
class Row:
    """One line of the table for each version.

    Attributes:
        versions: the first one is what the others are compared with.
        goals: by version, the ratio to reach.
    """

    name: str
    versions: tuple[str, ...]
    goals: Mapping[str, str]
    measure: Callable[[Sizes, torch.device], dict[str, Timing]]


STEP = (PLAIN, "eager", "graph")
FORMATS = ("", ", channels_last", ", channels_last, bf16")
RETRAINING = (PLAIN, *(f"eager{how}" for how in FORMATS), *(f"graph{how}" for how in FORMATS))
ROWS = [
    Row("training step, K=4, batch 256", STEP, {"graph": "≥ 5"}, k4_step),
    Row("training step, K=1, batch 64", STEP, {"graph": "≥ 5"}, k1_step),
    Row(
        "ES generation of 25 and the parent, K=4, batch 256",
        (*STEP, "graph, and its capture"),
        {"graph": "≥ 5, one wait each for the parent and the generation"},
        generation,
    ),
    Row(
        "retraining step, C=36, 20 cells, batch 96",
        RETRAINING,
        {"graph, channels_last": "≥ 3", "graph, channels_last, bf16": "≥ 4"},
        retraining_step,
    ),
    Row(
        "step of a fit, K=4, batch 256",
        ("bare step", "Lightning's loop"),
        {"Lightning's loop": "≥ 0.91 (1.1 times the bare step)"},
        lightning_loop,
    ),
    Row("step of TS-ENAS's supernet in a fit, batch 64", ("eager", "graph"), {}, chains_step),
    Row("replayed step by other kernels, K=4, batch 256", PARTIAL, {}, k4_kernels),
    Row("replayed step by other kernels, K=1, batch 64", WHOLE, {}, k1_kernels),
]
