"""The networks that a user's own module can be."""

from .space import ModuleSpace

__all__ = ["ModuleSpace"]
