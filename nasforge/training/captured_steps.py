"""Fits on one GPU whose forward and backward passes are replayed as CUDA graphs: as one, or in parts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor

from nasforge.devices.graphs import Captured, GraphMaker, graphs_on
from nasforge.devices.replay import Forward, Replayed
from nasforge.training.captured_losses import Losses

if TYPE_CHECKING:
    from nasforge.training.modules import FitModule

Function = TypeVar("Function", bound=Callable[..., Any])


def capturable(training_step: Function) -> Function:
    """Mark a `training_step` that does the same to the same tensors in every step of a fit, whatever their values.

    Then a GPU may replay it as a CUDA graph, in which Python no longer runs: it draws from no generator but torch's on
    the device, and a number of Python that it reads is what it was in the fit's first steps. What changes between steps
    must be a tensor that is changed in place, for example in `on_train_batch_start` or `on_train_epoch_start`. Hooks of
    modules and tensors do not run in a replay, and the next step overwrites the gradients of this one. A method that
    overrides a marked one needs a mark of its own.
    """
    training_step.capturable = CapturedFit  # type: ignore[attr-defined]
    return training_step


def capturable_in_parts(training_step: Function) -> Function:
    """Mark a `training_step` whose work varies, but whose result is a weighted sum of losses that recur in later steps.

    It takes each of them from `FitModule.replayed_loss`, so that a GPU may replay them one by one. A method that
    overrides a marked one needs a mark of its own.
    """
    training_step.capturable = CapturedParts  # type: ignore[attr-defined]
    return training_step


class CapturedParts(SingleDeviceStrategy):
    """Replays the functions and losses that the module passes to it, on whole batches.

    The first batches, and the short last batch of an epoch, are computed eagerly. The rest of a step is Lightning's. It
    is queued while the device computes, so any optimizer, schedule, clipping and callback works as in other fits.

    Args:
        device: where the fit computes.
        name: of the fit, for people.
        make_graph: makes graphs on that device.
    """

    def __init__(self, device: torch.device, name: str, make_graph: GraphMaker) -> None:
        super().__init__(device)
        self._make_graph, self._give_up = make_graph, partial(eager_instead, f"fit '{name}'")
        self._captured: dict[Callable[..., Any], Captured[Any]] = {}
        self._losses: Losses | None = None

    def replayed(self, function: Callable[..., Any], *inputs: Tensor) -> Any:
        """`function(*inputs)`, by a graph of the function's own after its first calls."""
        if function not in self._captured:
            self._captured[function] = Captured(function, self._make_graph(), self._give_up)
        return self._captured[function](*inputs)

    def replayed_loss(self, loss: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """`loss(*inputs)`, by a graph of the loss's own after its first calls; `backward` hands out its gradients."""
        if self._losses is None:
            self._losses = Losses(self._leaves, self._make_graph, self._give_up)
        return self._losses(loss, *inputs)

    def replaying(self, forward: Forward) -> Forward:
        """A forward pass for many mixes, with graphs that live as long as it does."""
        return Replayed(forward, self._make_graph, self._give_up)

    def backward(self, closure_loss: Tensor, optimizer: Any, *_: Any, **__: Any) -> Tensor:
        """Compute gradients, and hand out those that came with losses, between Lightning's hooks."""
        module = self._module
        self.precision_plugin.pre_backward(closure_loss, module)
        self._hand_out(closure_loss)
        return self.precision_plugin.post_backward(closure_loss, module)

    def teardown(self) -> None:
        """Free the memory of the graphs."""
        if self._losses is not None:
            self._losses.clear()
        self._captured, self._losses = {}, None
        super().teardown()

    def _hand_out(self, loss: Tensor) -> None:
        self._module.backward(loss)
        if self._losses is not None:
            self._losses.hand_out()

    def _leaves(self) -> list[Tensor]:
        return [leaf for leaf in self._module.leaves if leaf.requires_grad]

    @property
    def _module(self) -> FitModule:
        return cast("FitModule", self.lightning_module)


class CapturedFit(CapturedParts):
    """Replays the whole forward and backward pass of a step."""

    _gradients: Sequence[Tensor | None] = ()

    def training_step(self, *arguments: Any) -> Any:
        """The loss of a batch, whose gradients are computed as well."""
        batch, _ = arguments
        loss, self._gradients = self.replayed(self._forward_and_backward, *batch)
        for leaf in self._module.leaves:
            leaf.grad = None  # the last step's was the same memory, which holds new values: they must not become 0
        return loss

    def replayed_loss(self, loss: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        """`loss(*inputs)`, as a part of the step's own graph."""
        return loss(*inputs)

    def teardown(self) -> None:
        """Free the memory of the graphs."""
        self._gradients = ()
        super().teardown()

    def _forward_and_backward(self, *batch: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        module = self._module
        for leaf in module.leaves:
            leaf.grad = None  # so that the backward pass makes new ones, which are the graph's
        loss: Any = super().training_step(batch, 0)
        module.backward(loss)
        return loss.detach(), [leaf.grad for leaf in module.leaves]

    def _hand_out(self, loss: Tensor) -> None:
        for leaf, gradient in zip(self._module.leaves, self._gradients, strict=True):
            leaf.grad = gradient


def strategy_for(module: FitModule, name: str, device: str, ranks: int, graph: bool | str) -> dict[str, CapturedParts]:
    """The argument of Lightning's trainer that captures the steps of a fit; none if they are computed eagerly.

    Args:
        name: of the fit.
        device: where it computes, in torch's notation.
        ranks: the number of processes that share it.
        graph: the option `trainer.graph`.
    """
    make_graph = graphs_on(torch.device(device))
    if make_graph is None or graph is False:
        return {}
    if why := _why_eager(module, ranks):
        eager_instead(f"fit '{name}'", why)
        return {}
    return {"strategy": _mark(module)(torch.device(device), name, make_graph)}


def _why_eager(module: FitModule, ranks: int) -> str:
    if ranks > 1:
        return f"{ranks} processes share it"
    if module.accumulate > 1:
        return f"{module.accumulate} batches make a step"
    if _mark(module):
        return ""
    return module.differs or f"{type(module).__name__}.training_step is not marked as @capturable"


def _mark(module: FitModule) -> Any:
    """What captures the steps of the module; None without a mark."""
    return getattr(type(module).training_step, "capturable", None)


def replaying(forward: Forward, what: str, device: str, graph: bool | str) -> Forward:
    """Return a forward pass for many mixes, which a GPU captures and replays.

    Args:
        what: what asks for it, for people.
        device, graph: as for `strategy_for`.
    """
    make_graph = graphs_on(torch.device(device))
    if make_graph is None or graph is False:
        return forward
    return Replayed(forward, make_graph, partial(eager_instead, what))


@cache
def eager_instead(what: str, why: str) -> None:
    """Say once why something is no graph."""
    warnings.warn(
        f"{what} goes on without a CUDA graph, which is slower: {why}; trainer.graph=false does not try",
        stacklevel=1,
    )
