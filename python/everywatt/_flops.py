"""Floating-point operations of a training step as PyTorch counts them: a multiply-add is two, element by element work is left out.

PyTorch 2.1 and later has FlopCounterMode (torch/utils/flop_counter.py), which knows backward passes. Before, the profiler has
formulas for the forward of matrix products and convolutions (torch/csrc/profiler/util.cpp): backward products are products
again, and a convolution's backward is twice its forward, for its input and its weight.
"""
import contextlib
from typing import Any, Iterator, List, Optional

import torch

from ._precision import Batch

try:
    from torch.utils.flop_counter import FlopCounterMode
except ImportError:
    FlopCounterMode = None

METHOD = ("FlopCounterMode" if FlopCounterMode else "profiler formulas") + " of the first step, times input size"
_PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
_CONVOLUTIONS = ("aten::conv1d", "aten::conv2d", "aten::conv3d")


@contextlib.contextmanager
def counted(total: List[float]) -> Iterator[None]:
    """Adds to ``total`` what was computed in the block."""
    if FlopCounterMode:
        with FlopCounterMode(display=False) as counter:
            yield
        total.append(float(counter.get_total_flops()))
        return
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], with_flops=True, record_shapes=True) as profile:
        yield
    found = profile.key_averages()
    total.append(float(sum(e.flops for e in found if e.key in _PRODUCTS) + 3 * sum(e.flops for e in found if e.key in _CONVOLUTIONS)))


def flops(model: torch.nn.Module, example: Any) -> float:
    """Operations of one forward and backward pass over an example: a tensor, or a tuple or mapping of arguments.

    Computes it once, in the mode in which the model is; gradients are as they were afterwards.
    """
    kept = [(p, p.grad) for p in model.parameters()]
    total: List[float] = []
    try:
        for parameter, _ in kept:
            parameter.grad = None
        with torch.enable_grad(), counted(total):
            _sum_of(_call(model, example)).backward()
    finally:
        for parameter, gradient in kept:
            parameter.grad = gradient
    return sum(total)


def _call(model: torch.nn.Module, example: Any) -> Any:
    if isinstance(example, torch.Tensor):
        return model(example)
    return model(**example) if hasattr(example, "keys") else model(*example)


def _sum_of(output: Any) -> torch.Tensor:
    """Of all that can be derived: any scalar has the same backward passes."""
    if isinstance(output, torch.Tensor):
        return output.float().sum() if output.requires_grad else torch.zeros((), requires_grad=True)
    parts = output.values() if hasattr(output, "values") else output
    return torch.stack([_sum_of(part) for part in parts if isinstance(part, (torch.Tensor, tuple, list))]).sum()


class Counter:
    """Counts the first forward and backward pass, and answers for later ones by the size of their input."""

    def __init__(self) -> None:
        self._total: List[float] = []
        self._count: Optional[Any] = None
        self._first = self._now = Batch(0, 0)
        self._pending = False

    def begin(self, batch: Batch) -> None:
        """Before a forward pass that will be trained on."""
        self._now, self._pending = batch, True
        if not self._total and self._count is None:
            self._first = batch
            self._count = counted(self._total)
            self._count.__enter__()

    def end(self) -> float:
        """After its backward pass: its operations."""
        if self._count is not None:
            self._count.__exit__(None, None, None)
            self._count = None
        if not self._pending or not self._total:
            return 0.0
        self._pending = False
        size = self._now.elements / self._first.elements if self._first.elements else 1.0
        return self._total[0] * size
