"""One thing after the other: what frameworks tell by callbacks is a stretch that ends where the next begins."""
from typing import Any, Callable, Optional

from ._marks import begin_phase, begin_wait, end_phase, end_wait, names


class Stages:
    """At most one phase or wait is open at a time, however a framework's calls are left out or end in an exception.

    Between two steps of a loop nothing of this is in the processor's caches: few calls, each to the library at once.
    """

    __slots__ = ("_close", "_span")

    def __init__(self) -> None:
        self._span: Optional[int] = None
        self._close: Callable[[Any], Any] = end_phase

    def begin(self, name: str) -> None:
        if self._span is not None:
            self._close(self._span)
        self._span, self._close = begin_phase(names[name]), end_phase

    def wait(self, what: str) -> None:
        if self._span is not None:
            self._close(self._span)
        self._span, self._close = begin_wait(names[what]), end_wait

    def end(self) -> None:
        if self._span is not None:
            self._close(self._span)
            self._span = None
