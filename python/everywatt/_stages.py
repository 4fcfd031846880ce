"""One thing after the other: what frameworks tell by callbacks is a stretch that ends where the next begins."""
from typing import Any, Optional

from ._marks import phase, waiting


class Stages:
    """At most one phase or wait is open at a time, however a framework's calls are left out or end in an exception."""

    def __init__(self) -> None:
        self._open: Optional[Any] = None

    def begin(self, name: str) -> None:
        self._enter(phase(name))

    def wait(self, what: str) -> None:
        self._enter(waiting(what))

    def end(self) -> None:
        if self._open is not None:
            self._open.__exit__()
            self._open = None

    def _enter(self, stage: Any) -> None:
        self.end()
        stage.__enter__()
        self._open = stage
