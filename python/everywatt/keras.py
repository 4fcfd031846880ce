"""Keras 3: ``model.fit(…, callbacks=[everywatt.keras.EverywattCallback()])``, on whichever backend.

Marks epochs, in them steps of training and waits for data, and evaluation; what Keras logs are metrics. With
``steps_per_execution`` above 1 Keras calls once for several batches: a step is then one call. JAX and TensorFlow return before the
device is done; Keras waits when it reads the loss, which it does at each batch while callbacks ask for logs.
"""
from typing import Any, Dict, Optional

import keras

from . import _marks
from ._stages import Stages

_PRECISIONS = {"float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


class EverywattCallback(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self._stages = Stages()
        self._epoch: Optional[_marks.phase] = None

    def on_train_begin(self, logs: Optional[Dict[str, Any]] = None) -> None:
        computed = getattr(self.model.dtype_policy, "compute_dtype", "")
        _marks.tag("precision", _PRECISIONS.get(computed, computed))
        _marks.tag("keras_backend", keras.backend.backend())

    def on_epoch_begin(self, epoch: int, logs: Optional[Dict[str, Any]] = None) -> None:
        self._end()
        self._epoch = _marks.phase("epoch")
        self._epoch.__enter__()
        self._stages.wait(_marks.names["data"])

    def on_train_batch_begin(self, batch: int, logs: Optional[Dict[str, Any]] = None) -> None:
        self._stages.begin(_marks.names["step"])

    def on_train_batch_end(self, batch: int, logs: Optional[Dict[str, Any]] = None) -> None:
        self._stages.end()
        _marks.step()
        self._stages.wait(_marks.names["data"])

    def on_test_begin(self, logs: Optional[Dict[str, Any]] = None) -> None:
        self._stages.begin(_marks.names["eval"])

    def on_test_end(self, logs: Optional[Dict[str, Any]] = None) -> None:
        self._stages.end()

    def on_epoch_end(self, epoch: int, logs: Optional[Dict[str, Any]] = None) -> None:
        self._end()
        for name, value in (logs or {}).items():
            _marks.metric(name, value, epoch)

    def on_train_end(self, logs: Optional[Dict[str, Any]] = None) -> None:
        self._end()

    def _end(self) -> None:
        self._stages.end()
        if self._epoch:
            self._epoch.__exit__()
            self._epoch = None
