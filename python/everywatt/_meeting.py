"""Where the ranks of one job meet: the first starts the meter, the last ends it, whoever dies is no longer there.

Two byte locks of the kernel's on one file (fcntl: they go with the process, however it ends, and no forked child inherits them):
byte 0 is held while the state is looked at or changed, byte 1 is shared by all who are inside. The state beside it names the meter.
"""
import fcntl
import json
import os
import pathlib
import stat
import tempfile
from contextlib import contextmanager
from typing import Callable, Dict, Iterator, Optional

from ._program import Meter

_DOOR, _ROOM = 0, 1


def folder() -> pathlib.Path:
    """For files of this user's processes: short, since a socket's path has at most 107 bytes."""
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    base = own if own and os.access(own, os.W_OK) else tempfile.gettempdir()
    place = pathlib.Path(base) / f"everywatt-{os.getuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{place} is not a folder of this user: remove it, or set XDG_RUNTIME_DIR")
    return place


class Meeting:
    _known_here: Dict[str, "Meeting"] = {}

    @classmethod
    def of(cls, key: str) -> "Meeting":
        """One object a key: a process that closes one of two descriptors loses the locks of both."""
        return cls._known_here.setdefault(key, cls(folder() / key))

    def __init__(self, path: pathlib.Path) -> None:
        self._lock, self._state = path.with_suffix(".lock"), path.with_suffix(".json")
        self._file = -1
        self._is_inside = False

    def join(self, start: Callable[[], Optional[Meter]]) -> Optional[Meter]:
        """The meter that runs, or the one that `start` makes now."""
        with self._door():
            meter = self._known() or start()
            if meter:
                fcntl.lockf(self._file, fcntl.LOCK_SH, 1, _ROOM)
                self._is_inside = True
                self._state.write_text(json.dumps(meter))
            return meter

    def leave(self) -> None:
        self._is_inside = False
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _ROOM)

    def end_if_empty(self, meter: Meter) -> None:
        """Stops the meter if nobody is inside any more."""
        if self._is_inside:  # of a later block: the kernel would not tell us from ourselves
            return
        with self._door():
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _ROOM)
            except OSError:
                return
            if self._known() == meter:
                meter.stop()
                self._state.unlink()
                self._lock.unlink()
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _ROOM)

    def _known(self) -> Optional[Meter]:
        try:
            meter = Meter(*json.loads(self._state.read_text()))
        except (OSError, ValueError, TypeError):  # none, or one that was killed while it wrote
            return None
        return meter if meter.is_running() else None

    @contextmanager
    def _door(self) -> Iterator[None]:
        self._open()
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _DOOR)

    def _open(self) -> None:
        """Held on the file that stands at the path: the last one out removes it, and the next makes another."""
        while True:
            if self._file < 0:
                self._file = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _DOOR)
            try:
                if os.path.samestat(os.fstat(self._file), os.stat(self._lock)):
                    return
            except FileNotFoundError:
                pass
            os.close(self._file)  # and with it its locks: nobody who is inside loses its file
            self._file = -1
