"""Ranges that many options share.

They reach far beyond any experiment: a value outside is a typing error, and the message gives the range.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Count = Annotated[int, Field(ge=1, le=1_000_000)]
CountOrZero = Annotated[int, Field(ge=0, le=1_000_000)]
Population = Annotated[int, Field(ge=2, le=10_000)]
Cells = Annotated[int, Field(ge=1, le=200)]
"""Depth of a network."""
Channels = Annotated[int, Field(ge=1, le=65_536)]
"""Width of a network; `nasforge.memory` checks whether it fits."""
BatchSize = Annotated[int, Field(ge=2, le=1_000_000)]
"""Images per batch; BatchNorm cannot train on one."""
Workers = Annotated[int, Field(ge=0, le=256)]
"""Processes that read images."""
Fraction = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, lt=1)]
"""Of dropping something; 1 would drop everything."""
LearningRate = Annotated[float, Field(gt=0, le=100)]
FinalLearningRate = Annotated[float, Field(ge=0, le=100)]
Schedule = Literal["cosine", "linear", "constant"]
"""Course of the learning rate from epoch to epoch."""
Momentum = Annotated[float, Field(ge=0, lt=1)]
WeightDecay = Annotated[float, Field(ge=0, le=1)]
Clip = Annotated[float, Field(ge=1e-6, le=1_000_000)]
"""Gradient norm."""
Factor = Annotated[float, Field(ge=0, le=1_000)]
"""Weight of a term in a loss or a fitness."""
Concentration = Annotated[float, Field(ge=0, le=100)]
"""Alpha of a symmetric Beta distribution; 0 draws nothing."""
