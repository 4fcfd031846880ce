"""Hugging Face's Trainer: ``Trainer(…, callbacks=[everywatt.transformers.EverywattCallback()])``.

Marks epochs, and within them what everywatt.torch.watch marks: data, forward, backward, optimizer, steps, samples, precision.
Evaluation is the phase ``eval``; what the Trainer logs are metrics; its own estimate of floating-point operations
(``total_flos``: 6 a parameter and token) is counted at the end, and the tag ``flops_method`` says so.
"""
from typing import Any, Optional

from transformers import TrainerCallback

from . import _marks, torch

FLOPS_METHOD = "Trainer's total_flos"


class EverywattCallback(TrainerCallback):  # type: ignore[misc]
    def __init__(self, sync: bool = False) -> None:
        self._sync = sync
        self._watch: Optional[torch.Watch] = None
        self._epoch: Optional[_marks.phase] = None
        self._eval: Optional[_marks.phase] = None
        self._flops_before = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **have: Any) -> None:
        self._end()
        self._flops_before = state.total_flos
        _marks.tag("batch_size", args.per_device_train_batch_size)
        _marks.tag("gradient_accumulation_steps", args.gradient_accumulation_steps)
        self._watch = torch.watch(have["model"], have.get("optimizer"), have.get("train_dataloader"), sync=self._sync)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._epoch = _marks.phase("epoch")
        self._epoch.__enter__()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._epoch:
            self._epoch.__exit__()
            self._epoch = None

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The first sign of an evaluation that the Trainer gives comes when its first batch is done."""
        if self._eval is None:
            self._eval = _marks.phase("eval")
            self._eval.__enter__()

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._eval:
            self._eval.__exit__()
            self._eval = None

    on_predict = on_evaluate

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        for name, value in (logs or {}).items():
            if isinstance(value, (int, float)) and name not in ("total_flos", "epoch"):
                _marks.metric(name, value, state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        amount = state.total_flos - self._flops_before
        if amount > 0:
            precision = self._watch.precision if self._watch else None
            _marks.count("flops", amount, precision or "fp32")
            _marks.tag("flops_method", FLOPS_METHOD)
        self._end()

    def _end(self) -> None:
        for stage in (self._eval, self._epoch):
            if stage:
                stage.__exit__()
        self._eval = self._epoch = None
        if self._watch:
            self._watch.close()
            self._watch = None
