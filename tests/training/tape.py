"""A stand-in for a CUDA graph on a CPU: it freezes what a graph freezes, and repeats the rest on the same tensors.

It shows that a captured step reads whatever changes from tensors in place. It cannot show how a GPU computes.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape:
    """Records each operator with its tensors and numbers; a replay computes them again, into the same results.

    A replay destroys the results of tapes that share memory with it.
    """

    def __init__(self, beside=None):
        self.calls, self.replays = [], 0
        self.sharing = beside.sharing if beside else []
        self.sharing.append(self)

    def warm_up(self, call):
        return call()

    def capture(self, call):
        with Recording(self.calls):
            return call()

    @torch.no_grad()
    def replay(self):
        self.replays += 1
        for other in self.sharing:
            if other is not self:
                other.destroy()
        if self.replays == 1:  # recording has computed it, as a GPU does not
            return
        for func, args, kwargs, results in self.calls:
            again = tree_leaves(func(*args, **kwargs))
            for result, new, returned in zip(results, again, returns(func, again), strict=True):
                if returned.alias_info is None and isinstance(result, torch.Tensor):
                    result.copy_(new)

    def destroy(self):
        for func, _, _, results in self.calls:
            for result, returned in zip(results, returns(func, results), strict=True):
                if returned.alias_info is None and isinstance(result, torch.Tensor) and result.is_floating_point():
                    result.fill_(torch.nan)


class Recording(TorchDispatchMode):
    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        results = func(*args, **kwargs or {})
        flat = tree_leaves(results)
        if not all(
            returned.alias_info is not None and not returned.alias_info.is_write for returned in returns(func, flat)
        ):
            self.calls.append((func, args, kwargs or {}, flat))  # a view is the same memory, and needs no work
        return results


def returns(func, results):
    """The schema's description of each result; a list of tensors is one of them."""
    described = func._schema.returns
    return described if len(described) == len(results) else [described[0]] * len(results)
