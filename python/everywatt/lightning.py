"""Lightning: ``Trainer(callbacks=[everywatt.lightning.EverywattCallback()])``, of the package lightning or pytorch-lightning.

Marks epochs and, within them, waits for data, forward (the module's training_step), backward and optimizer; steps, samples, the
precision in which it runs, and what the trainer logs. Validation, tests and predictions are phases of their names.
"""
from typing import Any, Optional

from . import _marks
from ._loaders import loaders
from ._precision import Precision, batch_of
from ._stages import Stages

try:
    from lightning.pytorch import Callback
except ImportError:
    from pytorch_lightning import Callback  # type: ignore[no-redef]


class EverywattCallback(Callback):  # type: ignore[misc]
    def __init__(self) -> None:
        self._stages = Stages()
        self._precision: Optional[Precision] = None
        self._outer: Optional[_marks.phase] = None
        self._steps = 0
        self._watches_loaders = False

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if not self._watches_loaders:
            loaders.begin()
        self._watches_loaders = True

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if self._watches_loaders:
            loaders.end()
        self._watches_loaders = False

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._precision = Precision(pl_module)
        self._steps = trainer.global_step
        _marks.tag("gradient_accumulation_steps", trainer.accumulate_grad_batches)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self._begin_outer("epoch")
        self._stages.wait(_marks.names["data"])

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._stages.begin(_marks.names["forward"])
        size = batch_of(batch).samples
        _marks.count("samples", size)
        if batch_idx == 0:
            _marks.tag("batch_size", size)

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        self._stages.begin(_marks.names["backward"])

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        self._stages.end()

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any, *_: Any) -> None:
        self._stages.begin(_marks.names["optimizer"])

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._stages.end()
        for _ in range(trainer.global_step - self._steps):  # none while gradients are accumulated
            _marks.step()
        if trainer.global_step > self._steps and self._precision:
            self._precision.settle()
        self._steps = trainer.global_step
        self._stages.wait(_marks.names["data"])

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._end_outer()
        for name, value in trainer.callback_metrics.items():
            _marks.metric(name, value, trainer.global_step)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._begin_inner(trainer, "eval")

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        self._stages.end()

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        self._begin_inner(trainer, "test")

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        self._stages.end()

    def on_predict_start(self, trainer: Any, pl_module: Any) -> None:
        self._begin_inner(trainer, "predict")

    def on_predict_end(self, trainer: Any, pl_module: Any) -> None:
        self._stages.end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._end_outer()
        self.teardown(trainer, pl_module, "exception")

    def _begin_inner(self, trainer: Any, name: str) -> None:
        self._stages.begin(_marks.names["sanity_check" if trainer.sanity_checking else name])

    def _begin_outer(self, name: str) -> None:
        self._end_outer()
        self._outer = _marks.phase(name)
        self._outer.__enter__()

    def _end_outer(self) -> None:
        self._stages.end()
        if self._outer:
            self._outer.__exit__()
            self._outer = None
