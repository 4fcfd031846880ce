"""How long a GPU took for each phase, by CUDA events in its stream: asked for when they have passed, never waited for."""
import collections
from typing import Any, Deque, Dict, Optional, Tuple

import torch

from ._marks import metric


class DeviceTime:
    def __init__(self, sync: bool) -> None:
        self._sync = sync
        self._open: Optional[Tuple[str, Any]] = None
        self._pending: Deque[Tuple[str, Any, Any]] = collections.deque()
        self._seconds: Dict[str, float] = {}

    def begin(self, name: str) -> None:
        if self._sync:
            torch.cuda.synchronize()
        self._open = (name, self._now())

    def end(self) -> None:
        if not self._open:
            return
        name, begin = self._open
        self._open = None
        self._pending.append((name, begin, self._now()))
        if self._sync:
            torch.cuda.synchronize()
        self._settle()

    @staticmethod
    def _now() -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _settle(self) -> None:
        """In the order of the stream: the first that has not passed ends the look."""
        while self._pending and self._pending[0][2].query():
            name, begin, end = self._pending.popleft()
            self._seconds[name] = self._seconds.get(name, 0.0) + begin.elapsed_time(end) / 1e3
            metric(f"device_seconds/{name}", self._seconds[name])
