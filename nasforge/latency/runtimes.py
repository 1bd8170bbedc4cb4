"""What computes the forward passes that are timed: PyTorch, or ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import torch
from torch import Tensor

from nasforge.errors import OptionError, reason
from nasforge.registry.quieting import quiet
from nasforge.space import Network

ForwardPass = Callable[[], object]
IMAGES = "images"


@dataclass(frozen=True)
class Runtime:
    """A way to compute forward passes.

    Attributes:
        title: its name for people.
        prepare: returns what computes one forward pass of a network for these images, with so many CPU threads.
        packages: what it needs besides nasforge's own.
    """

    title: str
    prepare: Callable[[Network, Tensor, int], ForwardPass]
    packages: Sequence[str] = ()

    @property
    def installed(self) -> bool:
        """Whether its packages are there."""
        return all(find_spec(package) for package in self.packages)


def _in_torch(network: Network, images: Tensor, threads: int) -> ForwardPass:
    return partial(network, images)


def _in_onnxruntime(network: Network, images: Tensor, threads: int) -> ForwardPass:
    import onnxruntime

    try:
        with quiet():
            program = torch.onnx.export(network, (images,), dynamo=True, verbose=False, input_names=[IMAGES])
    except Exception as error:  # of torch's exporter, which has its own kinds of error
        raise OptionError(f"runtime=onnxruntime: a network cannot be written as ONNX: {reason(error)}") from error
    assert program is not None  # which torch returns if it does not write a file
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return partial(session.run, None, {IMAGES: images.numpy()})


RUNTIMES: Mapping[str, Runtime] = {
    "torch": Runtime("PyTorch", _in_torch),
    "onnxruntime": Runtime("ONNX Runtime", _in_onnxruntime, ("onnx", "onnxruntime", "onnxscript")),
}


def check_runtime(name: str) -> None:
    """Raise an `OptionError` if the packages of a runtime are not installed."""
    if not RUNTIMES[name].installed:
        raise OptionError(f"runtime={name} needs packages that are not installed: pip install 'nasforge[onnx]'")
