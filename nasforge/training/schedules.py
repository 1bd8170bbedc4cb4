"""The learning rate of each epoch."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from nasforge.registry.ranges import Schedule


def scheduler(
    optimizer: Optimizer, *, epochs: int, final: float = 0.0, schedule: Schedule = "cosine", warmup: int = 0
) -> LRScheduler:
    """Return the scheduler of a fit; it takes one step per epoch.

    Epoch e of the warm-up, counted from 1, has the share e / (`warmup` + 1) of the learning rate (Goyal et al. 2017,
    section 2.2). The first epoch after it has the whole learning rate.

    Args:
        epochs: of the fit, including the warm-up.
        final: the learning rate that a cosine or linear schedule approaches.
        warmup: number of epochs, less than `epochs`.
    """
    main: LRScheduler
    if schedule == "cosine":
        main = CosineAnnealingLR(optimizer, epochs - warmup, final)
    elif schedule == "linear":
        end = final / optimizer.defaults["lr"]
        main = LinearLR(optimizer, 1.0, end_factor=end, total_iters=epochs - warmup)
    else:
        main = ConstantLR(optimizer, 1.0)
    if not warmup:
        return main
    rising = LinearLR(optimizer, 1 / (warmup + 1), total_iters=warmup)
    return SequentialLR(optimizer, [rising, main], [warmup])
