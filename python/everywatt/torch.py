"""PyTorch: ``everywatt.torch.watch(model, optimizer, loader)`` marks a training loop that stays as it is.

    watch = everywatt.torch.watch(model, optimizer, loader)
    for batch in loader:                # wait:data, samples; CPU time of its workers is input work
        loss = model(batch).sum()       # forward (inference where no gradients are kept)
        loss.backward()                 # backward, in it wait:gradients under DistributedDataParallel
        optimizer.step()                # optimizer, and a step

PyTorch 1.13 and later. All marks are made on the thread that calls, in microseconds. On a GPU that thread runs ahead of the
device: phases are then where work was handed over, and what the device took for each, by CUDA events and without waiting, are the
metrics ``device_seconds/forward`` and so on. ``sync=True`` waits for the device at each border instead: exact phases, a slower loop.
"""
import functools
import threading
import types
from typing import Any, Callable, Iterator, List, Optional

import torch

from ._device_time import DeviceTime
from ._flops import METHOD, TELLS_PASSES_APART, Counter, Work, flops
from ._loaders import loaders
from ._marks import count, count_samples, end_step, names, tag, waiting
from ._precision import Precision, batch_of, samples_of
from ._stages import Stages

__all__ = ["Watch", "flops", "watch"]

_STAGES = ("forward", "inference", "backward", "optimizer")
_FORWARD, _INFERENCE, _BACKWARD, _OPTIMIZER = (names[name] for name in _STAGES)
_DATA = names["data"]
_TEXT = dict(zip((_FORWARD, _INFERENCE, _BACKWARD, _OPTIMIZER), _STAGES))


def watch(model: torch.nn.Module, optimizer: Any = None, loader: Any = None, *, sync: bool = False, flops: bool = False) -> "Watch":
    """Marks what these three do from now on; see the module. ``flops``: counts floating-point operations, too: those of the
    first training step, by PyTorch's own formulas, times the size of each later one's input (the tag ``flops_method`` says so). From
    PyTorch 2.1 on what is computed again in the backward pass is told apart, so that the bill has model and hardware FLOPs.

    Returns a Watch; its ``close()`` takes all hooks away again, and so does leaving it as a ``with`` block.
    """
    return Watch(model, optimizer, loader, sync, flops)


class Watch:
    def __init__(self, model: torch.nn.Module, optimizer: Any, loader: Any, sync: bool, counts_flops: bool) -> None:
        self._stages, self._precision = Stages(), Precision(model)
        self._device = DeviceTime(sync) if any(p.is_cuda for p in model.parameters()) else None
        self._counter = Counter() if counts_flops else None
        # On a GPU that runs behind its loop a phase is not where work is done: the step as a whole has it.
        self._counts_in_phases = self._device is None or sync
        self._uncounted: List[Work] = []
        self._begin = self._stages.begin if self._device is None else self._begin_on_device
        self._end = self._stages.end if self._device is None else self._end_on_device
        self._undo: List[Callable[[], None]] = [self._precision.close]
        self._wait: Optional[waiting] = None
        loaders.begin()
        self._undo.append(loaders.end)
        self._watch_passes(model)
        self._watch_gradients(model)
        if optimizer is not None:
            self._watch_optimizer(optimizer)
        if loader is not None:
            self._watch_loader(loader)

    @property
    def precision(self) -> Optional[str]:
        """In which the matrix products of the first step ran: "bf16", …; None before one."""
        return self._precision.name

    def close(self) -> None:
        """Nothing is marked any more."""
        self._end()
        if self._counter:
            self._counter.close()
        for undo in reversed(self._undo):
            undo()
        self._undo = []

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin_on_device(self, name: int) -> None:
        self._end_on_device()
        self._stages.begin(name)
        if self._device:
            self._device.begin(_TEXT[name])

    def _end_on_device(self) -> None:
        if self._device:
            self._device.end()
        self._stages.end()

    def _watch_passes(self, model: torch.nn.Module) -> None:
        begin, end, counter, is_grad_enabled = self._begin, self._end, self._counter, torch.is_grad_enabled
        real, waits = torch.autograd.backward, isinstance(model, torch.nn.parallel.DistributedDataParallel)
        is_open, is_backward = True, False

        # What a checkpoint computes again is part of the backward pass that asks for it.
        def before(_: Any, inputs: Any) -> None:
            if is_backward:
                return
            trains = is_grad_enabled()
            if counter and trains:
                counter.begin(batch_of(inputs))
            begin(_FORWARD if trains else _INFERENCE)

        def after(_: Any, __: Any, ___: Any) -> None:
            if is_backward:
                return
            if counter and is_grad_enabled():
                self._count_flops(counter.forward_ended())
            end()

        # Tensor.backward calls it, too. Hooks on tensors would run on the engine's threads, whose phases have no joules.
        @functools.wraps(real)
        def backward(*args: Any, **kwargs: Any) -> Any:
            nonlocal is_backward
            if is_backward or not is_open:  # of a part that was checkpointed: one more within
                return real(*args, **kwargs)
            is_backward = True
            begin(_BACKWARD)
            try:
                return self._counted(real, args, kwargs) if counter else real(*args, **kwargs)
            finally:
                is_backward = False
                if waits:
                    self._end_wait()
                end()
                if counter:
                    self._count_uncounted()

        def restore() -> None:
            nonlocal is_open
            is_open = False
            if torch.autograd.backward is backward:  # else somebody stands before it who calls it
                torch.autograd.backward = real

        torch.autograd.backward = backward
        self._undo += [model.register_forward_pre_hook(before).remove, model.register_forward_hook(after).remove, restore]

    def _watch_gradients(self, model: torch.nn.Module) -> None:
        """Under DistributedDataParallel: the first parameter's gradient is made last; from there on backward waits for the others."""
        if not isinstance(model, torch.nn.parallel.DistributedDataParallel):
            return

        def made(_: Any) -> None:
            if self._wait is None and threading.current_thread() is threading.main_thread():
                self._wait = waiting("gradients")
                self._wait.__enter__()

        first = next((p for p in model.parameters() if p.requires_grad), None)
        if first is not None:
            self._undo.append(first.register_hook(made).remove)

    def _end_wait(self) -> None:
        if self._wait:
            self._wait.__exit__()
        self._wait = None

    def _counted(self, real: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A backward pass of which the operations are counted, within its phase."""
        assert self._counter
        try:
            with self._counter.backward(bool(kwargs.get("create_graph", args[3] if len(args) > 3 else False))):
                return real(*args, **kwargs)
        finally:
            self._end_wait()
            self._count_flops(self._counter.backward_ended())

    def _count_flops(self, work: Optional[Work]) -> None:
        if work:
            self._uncounted.append(work)
        if self._counts_in_phases and TELLS_PASSES_APART:
            self._count_uncounted()

    def _count_uncounted(self) -> None:
        precision = self._precision.name or "fp32"
        for work in self._uncounted:
            if not work.model:  # its operations are of kinds that PyTorch has no formulas for
                continue
            count("flops", work.model, precision)
            if work.recomputed is not None:
                count("recomputed_flops", work.recomputed, precision)
            tag("flops_method", METHOD)
        self._uncounted = []

    def _watch_optimizer(self, optimizer: Any) -> None:
        real = optimizer.step
        begin, end, precision = self._begin, self._end, self._precision

        # A method of the optimizer, as learning-rate schedulers expect to find it.
        @functools.wraps(real)
        def stepped(_: Any, *args: Any, **kwargs: Any) -> Any:
            begin(_OPTIMIZER)
            try:
                return real(*args, **kwargs)
            finally:
                end()
                end_step()
                if not precision.is_settled:
                    precision.settle()

        def restore() -> None:
            optimizer.step = real

        optimizer.step = types.MethodType(stepped, optimizer)
        self._undo.append(restore)

    def _watch_loader(self, loader: Any) -> None:
        kind = type(loader)
        wait, end = self._stages.wait, self._stages.end

        def batches(this: Any) -> Iterator[Any]:
            iterator = kind.__iter__(this)
            while True:
                wait(_DATA)
                try:
                    batch = next(iterator)
                except StopIteration:
                    return
                finally:
                    end()
                count_samples(samples_of(batch))
                yield batch

        def restore() -> None:
            loader.__class__ = kind

        loader.__class__ = type(kind.__name__, (kind,), {"__iter__": batches, "__doc__": kind.__doc__})
        if getattr(loader, "batch_size", None):
            tag("batch_size", loader.batch_size)
        self._undo.append(restore)
