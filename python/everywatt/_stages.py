"""One thing after the other: what frameworks tell by callbacks is a stretch that ends where the next begins."""
from typing import Any

from ._marks import begin_phase, begin_wait, calls, end_phase, end_wait


class _Stages:
    """At most one phase or wait is open at a time, however a framework's calls are left out or end in an exception.

    ``begin(name)``, ``wait(what)`` and ``end()`` take numbers of names (``_marks.names``). Between two steps of a loop nothing of this is
    in the processor's caches: these are functions over a few cells, which touch less of it than methods would.
    """

    __slots__ = ("begin", "end", "wait")

    def __init__(self) -> None:
        span, close = 0, end_phase

        def begin(name: int) -> None:
            nonlocal span, close
            if span:
                close(span)
            span, close = begin_phase(name), end_phase

        def wait(what: int) -> None:
            nonlocal span, close
            if span:
                close(span)
            span, close = begin_wait(what), end_wait

        def end() -> None:
            nonlocal span
            if span:
                close(span)
                span = 0

        self.begin, self.wait, self.end = begin, wait, end


Stages: Any = calls.Stages if calls else _Stages  # the same in C
