"""Which processes are loader workers: those that PyTorch's DataLoaders start while somebody wants to know."""
import functools
import threading
import weakref
from typing import Any, Callable, Optional

from torch.utils.data import dataloader

from ._marks import input_workers


class _Loaders:
    """DataLoader's iterator over workers, whose start is told while at least one asks for it."""

    def __init__(self) -> None:
        self._begun: Any = weakref.WeakSet()
        self._wanted = 0
        self._real: Optional[Callable[..., None]] = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        kind: Any = dataloader._MultiProcessingDataLoaderIter
        with self._lock:
            self._wanted += 1
            if self._wanted > 1:
                return
            real = self._real = kind.__init__

            @functools.wraps(real)
            def begun(iterator: Any, *args: Any, **kwargs: Any) -> None:
                real(iterator, *args, **kwargs)
                self._begun.add(iterator)
                self._tell()

            kind.__init__ = begun

    def end(self) -> None:
        kind: Any = dataloader._MultiProcessingDataLoaderIter
        with self._lock:
            self._wanted -= 1
            if self._wanted == 0:
                kind.__init__ = self._real

    def _tell(self) -> None:
        """Those that have ended meanwhile are found to be gone by who is told."""
        workers = [worker for iterator in list(self._begun) for worker in getattr(iterator, "_workers", [])]
        input_workers([worker.pid for worker in workers if worker.pid])


loaders = _Loaders()
