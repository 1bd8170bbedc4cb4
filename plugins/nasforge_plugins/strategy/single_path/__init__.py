"""Single-path one-shot search (Guo et al. 2020): train a supernet one architecture at a time, then search it."""

from nasforge_plugins.strategy.single_path.algorithm import EvolutionOptions, SinglePath
from nasforge_plugins.strategy.single_path.module import SinglePaths
from nasforge_plugins.strategy.single_path.paths import SAMPLINGS, fair, sandwich, uniform

__all__ = ["SAMPLINGS", "EvolutionOptions", "SinglePath", "SinglePaths", "fair", "sandwich", "uniform"]
