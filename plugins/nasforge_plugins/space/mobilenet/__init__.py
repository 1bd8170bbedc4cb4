"""Networks of inverted residual blocks."""

from .space import MobileNet

__all__ = ["MobileNet"]
