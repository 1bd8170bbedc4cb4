"""Eigenvalues in float64, of symmetric matrices, with a floor. A network that has none is degenerate, with a reason."""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = 1e-12
"""The smallest eigenvalue that counts as nonzero, as a share of the largest. Kernels are products of float32 numbers
with a relative error of 1e-7, and an eigenvalue of zero looks like the square of that error."""
STILL = 1e-10
"""How far the sum over a batch may move, as a share of the largest eigenvalue, and still count as fixed: on CIFAR-10,
gradients that cancel out add up to 1e-6 of themselves, and the square of that is left."""


class Degenerate(Exception):
    """The network has no such score. People see the reason beside the proxy's worst value."""


def eigenvalues(matrix: Tensor) -> Tensor:
    """The eigenvalues of the symmetric part of `matrix` (N, N): float64 (N,), ascending, on the CPU.

    Raises:
        Degenerate: an entry is not a finite number, or the solver does not converge.
    """
    whole = matrix.detach().to("cpu", torch.float64)
    if not torch.isfinite(whole).all():
        raise Degenerate("the matrix of its samples holds numbers that are not finite")
    try:
        values: Tensor = torch.linalg.eigvalsh((whole + whole.T) / 2)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # torch has it, its stubs do not
        raise Degenerate("the eigenvalues of its kernel do not converge") from None
    return values


def condition_number(kernel: Tensor) -> float:
    """Largest over smallest eigenvalue of a kernel (N, N), from 1 to 1 / FLOOR.

    Where no weight moves the sum over the batch, the samples differ in N - 1 directions, and the smallest eigenvalue is
    that of these directions: in a network that ends in BatchNorm, features add up to zero over a batch.

    Raises:
        Degenerate: the kernel is zero, or its smallest eigenvalue cannot be told from zero.
    """
    values = eigenvalues(kernel)
    largest = float(values[-1])
    if largest <= 0:
        raise Degenerate("the kernel is zero: no sample moves a weight")
    if float(kernel.sum()) <= STILL * largest * len(kernel):
        others = float(values.sum()) / (len(kernel) - 1)  # the mean of the others: neither the smallest nor the largest
        values = eigenvalues(kernel + others / len(kernel))
    smallest = float(values[0])
    if smallest <= FLOOR * largest:
        raise Degenerate(
            f"the kernel's smallest eigenvalue is below {FLOOR:g} of its largest: samples move weights alike"
        )
    return largest / smallest


def log_determinant(kernel: Tensor) -> float:
    """The logarithm of the determinant of a positive semidefinite kernel (N, N).

    Raises:
        Degenerate: the kernel is singular.
    """
    values = eigenvalues(kernel)
    if values[-1] <= 0 or values[0] <= FLOOR * values[-1]:
        raise Degenerate("its kernel is singular: samples cannot be told from each other")
    return float(values.log().sum())


def correlation(rows: Tensor) -> Tensor:
    """Pearson correlation of the rows of (N, D): float64 (N, N).

    Raises:
        Degenerate: a row is constant, or it holds a number that is not finite.
    """
    whole = rows.detach().to("cpu", torch.float64)
    centered = whole - whole.mean(dim=1, keepdim=True)
    lengths = centered.norm(dim=1, keepdim=True)
    if not torch.isfinite(lengths).all():
        raise Degenerate("gradients by its images are not finite")
    if (lengths == 0).any():
        raise Degenerate("an image leaves its logits unmoved")
    unit = centered / lengths
    product: Tensor = unit @ unit.T
    return product
