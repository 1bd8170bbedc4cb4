"""Trials of kernels in child processes: what is right, what is wrong, and what kills."""

import sys

import pytest
import torch
from torch import nn

from nasforge.diagnosis.kernel_trials import LAYOUTS, LIBRARY, broken_operations, outcomes, worst_error


class OffByOnePercent(nn.Conv2d):
    def forward(self, x):
        exact = super().forward(x)
        return exact if x.dtype == torch.double else exact * 1.01


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_an_error_is_relative_to_double_precision(layout):
    x = torch.randn(2, 4, 8, 8)
    assert worst_error(nn.Conv2d(4, 4, 3), x, layout) < 1e-5
    assert worst_error(OffByOnePercent(4, 4, 3), x, layout) == pytest.approx(0.01, rel=1e-3)


def test_trials_go_on_behind_a_deadly_one():
    child = (
        "import os, sys\n"
        "for case in range(int(sys.argv[1]), 5):\n"
        "    if case in (1, 2): os.kill(os.getpid(), 6 if case == 1 else 11)\n"
        "    print(case / 10, flush=True)"
    )
    assert outcomes([sys.executable, "-c", child], 5) == [0.0, "SIGABRT", "SIGSEGV", 0.3, 0.4]


@pytest.mark.parametrize("instructions", ["AVX2", "DEFAULT"])
def test_every_operation_computes_rightly_here(instructions, monkeypatch):
    """DEFAULT is what oneDNN chooses on this processor; AVX2 is what it chooses on one without AVX-512."""
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", instructions)
    assert set(broken_operations()) <= {LIBRARY}


def test_the_doctor_names_what_is_broken_and_what_to_do(command, monkeypatch):
    faults = {"sep_conv_3x3": "is wrong by 5%", LIBRARY: "kills the process (SIGABRT)"}
    monkeypatch.setattr("nasforge.diagnosis.doctor.broken_operations", lambda: dict(faults))
    status, printed, _ = command("doctor")
    assert status == 0
    kernels = " ".join(printed.partition("Kernels")[2].partition("Extras")[0].split())
    assert "sep_conv_3x3 BROKEN: it is wrong by 5%" in kernels
    assert "ONEDNN_MAX_CPU_ISA=SSE41" in kernels
    assert "use nasforge.PointwiseConv2d instead" in kernels
