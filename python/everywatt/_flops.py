"""Floating-point operations of a training step as PyTorch counts them: a multiply-add is two, element by element work is left out.

PyTorch 2.1 and later has FlopCounterMode (torch/utils/flop_counter.py), which sees each operation as it is dispatched. What it counts was
done: here it is told apart what was done a second time to save memory, which is no work of the task. Attention counts in full, causal or not.

Before, the profiler has formulas for the forward of matrix products and convolutions (torch/csrc/profiler/util.cpp): backward products
are products again, and a convolution's backward is twice its forward, for its input and its weight. It tells nothing apart.
"""
import contextlib
from typing import Any, Dict, Iterator, NamedTuple, Optional, Tuple

import torch

from ._precision import Batch

try:
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode
except ImportError:
    FlopCounterMode = None
    TorchDispatchMode = object

TELLS_PASSES_APART = FlopCounterMode is not None
METHOD = ("FlopCounterMode" if FlopCounterMode else "profiler formulas") + " of the first step, times input size"
_PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
_CONVOLUTIONS = ("aten::conv1d", "aten::conv2d", "aten::conv3d")


class Work(NamedTuple):
    model: float  # of the task
    recomputed: Optional[float]  # beside it, done a second time; None: not told

    def times(self, size: float) -> "Work":
        return Work(size * self.model, None if self.recomputed is None else size * self.recomputed)

    def since(self, earlier: "Work") -> "Work":
        told = self.recomputed is not None and earlier.recomputed is not None
        return Work(self.model - earlier.model, self.recomputed - earlier.recomputed if told else None)  # type: ignore[operator]


class _ByDispatch(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self._counter = FlopCounterMode(display=False, custom_mapping=_attention_on_processors())
        self._again: Optional[float] = 0.0
        self._is_backward = False

    def __enter__(self) -> "_ByDispatch":
        self._counter.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._counter.__exit__(*error)

    def __torch_dispatch__(self, function: Any, types: Any, args: Tuple[Any, ...] = (), kwargs: Optional[Dict[str, Any]] = None) -> Any:
        before = self._counter.get_total_flops()
        result = function(*args, **(kwargs or {}))
        if self._is_backward and self._again is not None:
            self._again += _done_again(function, args, self._counter.get_total_flops() - before)
        return result

    @contextlib.contextmanager
    def backward(self, creates_graph: bool) -> Iterator[None]:
        """Around a backward pass. One that makes a graph of its own looks like a forward pass: nothing is told apart then."""
        self._is_backward = True
        if creates_graph:
            self._again = None
        try:
            yield
        finally:
            self._is_backward = False

    def so_far(self) -> Work:
        total = float(self._counter.get_total_flops())
        return Work(total - (self._again or 0.0), self._again)


class _ByProfiler:
    def __init__(self) -> None:
        self._profile = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], with_flops=True, record_shapes=True)
        self._total = 0.0

    def __enter__(self) -> "_ByProfiler":
        self._profile.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._profile.__exit__(*error)
        found = self._profile.key_averages()
        self._total = float(sum(e.flops for e in found if e.key in _PRODUCTS) + 3 * sum(e.flops for e in found if e.key in _CONVOLUTIONS))

    def backward(self, creates_graph: bool) -> Any:
        return contextlib.nullcontext()

    def so_far(self) -> Work:
        return Work(self._total, None)


_Tally: Any = _ByDispatch if FlopCounterMode else _ByProfiler


def _done_again(function: Any, args: Tuple[Any, ...], counted: int) -> float:
    """Of what was counted for an operation of a backward pass, in which gradients are off but while a checkpoint computes its forward again.

    Attention kernels compute the scores again: one of the five products that FlopCounterMode counts for them, of which QKᵀ, dQ and dK have
    the size of a query and dV and dP that of a value.
    """
    if torch.is_grad_enabled():
        return float(counted)
    name = function.name()
    if "attention" not in name or not name.endswith("_backward"):
        return 0.0
    query, value = args[1].shape[-1], args[3].shape[-1]
    return counted * query / (3 * query + 2 * value)


def _attention_on_processors() -> Dict[Any, Any]:
    """The kernels that scaled_dot_product_attention takes on processors, which not every PyTorch has formulas for: those of the others."""

    def products(query: Any, key: Any, value: Any, of_query: int, of_value: int) -> int:
        batch, heads, queries, size = _shape(query)
        return int(2 * batch * heads * queries * _shape(key)[-2] * (of_query * size + of_value * _shape(value)[-1]))

    def forward(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        return products(query, key, value, 1, 1)

    def backward(_: Any, query: Any, key: Any, value: Any, *__: Any, **___: Any) -> int:
        return products(query, key, value, 3, 2)

    name = "_scaled_dot_product_flash_attention_for_cpu"
    formulas = ((name, forward), (name + "_backward", backward))
    return {getattr(torch.ops.aten, name): formula for name, formula in formulas if hasattr(torch.ops.aten, name)}


def _shape(tensor: Any) -> Any:
    return getattr(tensor, "shape", tensor)


def flops(model: torch.nn.Module, example: Any) -> float:
    """Operations of one forward and backward pass over an example (a tensor, or a tuple or mapping of arguments): model FLOPs.

    Computes it once, in the mode in which the model is; gradients are as they were afterwards.
    """
    kept = [(p, p.grad) for p in model.parameters()]
    tally = _Tally()
    try:
        for parameter, _ in kept:
            parameter.grad = None
        with torch.enable_grad(), tally:
            loss = _sum_of(_call(model, example))
            with tally.backward(False):
                loss.backward()
    finally:
        for parameter, gradient in kept:
            parameter.grad = gradient
    return float(tally.so_far().model)


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
        self._tally: Any = None
        self._forward: Optional[Work] = None
        self._backward: Optional[Work] = None
        self._first = self._now = Batch(0, 0)
        self._before = Work(0.0, 0.0)

    def begin(self, batch: Batch) -> None:
        """Before a forward pass that will be trained on."""
        self._now = batch
        if self._backward is not None:
            return
        if self._tally is None:
            self._first = batch
            self._tally = _Tally()
            self._tally.__enter__()
        self._before = self._tally.so_far()

    def forward_ended(self) -> Optional[Work]:
        """What it took; None: the end of the backward pass will say."""
        if self._tally is not None and TELLS_PASSES_APART:
            now = self._tally.so_far()
            self._forward = Work(now.since(self._before).model, None)  # what is computed again is told by the pass that does so
            self._before = now
        return self._forward.times(self._size()) if self._forward is not None else None

    def backward(self, creates_graph: bool) -> Any:
        """Around the backward pass that follows."""
        return self._tally.backward(creates_graph) if self._tally is not None else contextlib.nullcontext()

    def backward_ended(self) -> Optional[Work]:
        """What it took, or both passes where the forward pass said nothing; None: there was none to count."""
        if self._tally is not None:
            before, tally = self._before, self._tally
            self.close()
            self._backward = tally.so_far().since(before)
        return self._backward.times(self._size()) if self._backward is not None else None

    def close(self) -> None:
        if self._tally is not None:
            self._tally.__exit__(None, None, None)
            self._tally = None

    def _size(self) -> float:
        return self._now.elements / self._first.elements if self._first.elements else 1.0
