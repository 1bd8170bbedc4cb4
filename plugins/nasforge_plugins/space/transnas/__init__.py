"""The two search spaces of TransNAS-Bench-101."""

from .macro import TransNASMacro
from .micro import TransNASMicro

__all__ = ["TransNASMacro", "TransNASMicro"]
