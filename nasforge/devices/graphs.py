"""A function on tensors that a GPU repeats without the CPU: recorded once as a CUDA graph, then replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor

from nasforge.devices.host_requests import HostRequests

Result = TypeVar("Result")
WARM_UP = 3
"""Calls that are computed eagerly first, so that libraries choose their kernels and optimizers make their state."""


class Graph(Protocol):
    """Records what one call does on a device, and repeats it on the same tensors."""

    def warm_up(self, call: Callable[[], Result]) -> Result:
        """Compute `call()`, in the surroundings of a later recording."""

    def capture(self, call: Callable[[], Result]) -> Result:
        """Record `call()` without a need to compute it; `replay` gives the tensors of the result their values."""

    def replay(self) -> None:
        """Repeat what was recorded."""


class GraphMaker(Protocol):
    """Makes graphs on one device."""

    def __call__(self, beside: Any = None) -> Graph:
        """Return a graph with its own memory pool, or sharing that of the graph `beside`.

        Graphs that share memory need little more than the largest of them: only their results lie side by side. A
        replay of one may overwrite the results of the others.
        """
        ...


class CUDAGraph:
    """A `torch.cuda.CUDAGraph` with a stream, on which it warms up and records; see `GraphMaker`."""

    def __init__(self, device: torch.device, beside: CUDAGraph | None = None) -> None:
        self._device = device
        self._stream: Any = beside._stream if beside else torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool: Any = beside._pool if beside else torch.cuda.graph_pool_handle()
        self._graph = torch.cuda.CUDAGraph()

    def warm_up(self, call: Callable[[], Result]) -> Result:
        """Compute `call()` on the graph's stream, after all that was queued before and before all that follows."""
        others = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(others)
        with torch.cuda.stream(self._stream):
            result = call()
        others.wait_stream(self._stream)
        return result

    def capture(self, call: Callable[[], Result]) -> Result:
        """Record `call()`. It is not computed, and its tensors keep their addresses."""
        with (
            torch.cuda.stream(torch.cuda.current_stream(self._device)),  # a failed capture leaves another one current
            _own_workspaces(),
            # Other threads may allocate or copy meanwhile.
            torch.cuda.graph(self._graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"),
        ):
            return call()

    def replay(self) -> None:
        """Queue the recorded work on the current stream."""
        self._graph.replay()


def graphs_on(device: torch.device) -> GraphMaker | None:
    """What makes a graph for the device; None if it can record none."""
    return partial(CUDAGraph, device) if device.type == "cuda" else None


class Captured(Generic[Result]):
    """Calls a function of tensors, which becomes a graph after `WARM_UP` calls.

    The function must do the same to the same tensors in every call: Python runs it while it is recorded, and never
    again. Inputs of other shapes than those of the first call, such as an epoch's last batch, are computed eagerly. The
    tensors of a result hold their values until the next call, or until a graph that shares its memory is replayed.

    Args:
        function: what to capture.
        graph: records it.
        give_up: is told why the function cannot be captured; from then on every call is eager.
        inputs: the tensors that the graph reads, to which inputs are copied; by default, copies of the first call's.
    """

    def __init__(
        self,
        function: Callable[..., Result],
        graph: Graph,
        give_up: Callable[[str], object],
        inputs: tuple[Tensor, ...] = (),
    ) -> None:
        self._function, self._give_up = function, give_up
        self._graph: Graph | None = graph
        self._inputs = inputs
        self._calls = 0
        self._result: Result | None = None

    def __call__(self, *inputs: Tensor) -> Result:
        """Return the function's result."""
        self._inputs = self._inputs or tuple(tensor.clone() for tensor in inputs)
        if self._graph is None or shapes_of(inputs) != shapes_of(self._inputs):
            return self._function(*inputs)
        for own, tensor in zip(self._inputs, inputs, strict=True):
            own.copy_(tensor)
        self._calls += 1
        if self._calls <= WARM_UP:
            return self._warmed_up(self._graph)
        if self._result is None:
            why = self._record(self._graph)
            if why:
                self._end(why)
                return self._call()
        self._graph.replay()
        return cast("Result", self._result)

    def _warmed_up(self, graph: Graph) -> Result:
        if self._calls < WARM_UP:
            return graph.warm_up(self._call)
        with HostRequests(self._inputs[0].device) as requests:
            result = graph.warm_up(self._call)
        if requests.found:
            self._end(f"{requests.found[0]} makes the device wait for the host")
        return result

    def _record(self, graph: Graph) -> str:
        """Capture the function; return why that is not possible, without the error, which would keep its tensors."""
        try:
            self._result = graph.capture(self._call)
        except RuntimeError as error:  # one for each reason of CUDA's
            return _cause(error)
        return ""

    def _call(self) -> Result:
        with _no_cached_casts():
            return self._function(*self._inputs)

    def _end(self, why: str) -> None:
        self._graph = None
        self._give_up(why)


@contextmanager
def _own_workspaces() -> Iterator[None]:
    """Let cuBLAS take its workspaces from the graph's pool: others could be freed while the graph uses them."""
    torch._C._cuda_clearCublasWorkspaces()
    try:
        yield
    finally:
        torch._C._cuda_clearCublasWorkspaces()


@contextmanager
def _no_cached_casts() -> Iterator[None]:
    """Let autocast cast a weight whenever it is used: a graph could contain a cast that was made before, and so never
    see the weight change."""
    before = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(before)


def shapes_of(tensors: tuple[Tensor, ...]) -> list[tuple[torch.Size, torch.dtype]]:
    """What must be equal for a graph to serve other tensors."""
    return [(tensor.shape, tensor.dtype) for tensor in tensors]


def _cause(error: BaseException) -> str:
    """The first line of the error that came first: the end of a failed recording raises another one."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'without a message'}"
