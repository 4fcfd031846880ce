"""Finds libeverywatt and calls it. Where it is not to be found, one line says so and its functions do nothing.

PyDLL keeps the interpreter's lock during a call: a mark is shorter than letting go of it. What a job calls in every step has a shorter
way to the same library where python/calls.c is built.
"""
import ctypes
import functools
import importlib.util
import logging
import os
import pathlib
from typing import Any, List, Optional

_HERE = pathlib.Path(__file__).resolve().parent
_FILE = "libeverywatt.so"
_CALLS = "everywatt_calls"
log = logging.getLogger("everywatt")

# As include/everywatt.h declares them: result, arguments. The types are wide enough for what Python hands over.
_NAME, _SPAN, _TEXT = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_char_p
_FUNCTIONS = {
    "open": (ctypes.c_int, _TEXT),
    "close": (None,),
    "current_state": (ctypes.c_int,),
    "state_text": (_TEXT, ctypes.c_int),
    "dropped": (ctypes.c_uint64,),
    "intern": (_NAME, _TEXT),
    "phase_begin": (_SPAN, _NAME),
    "phase_end": (None, _SPAN),
    "wait_begin": (_SPAN, _NAME),
    "wait_end": (None, _SPAN),
    "step": (None, ctypes.c_int64),
    "metric": (None, _NAME, ctypes.c_double, ctypes.c_int64),
    "tag": (None, _TEXT, _TEXT),
    "count": (None, ctypes.c_int, ctypes.c_uint64),
    "flops": (None, ctypes.c_int, ctypes.c_double),
    "recomputed_flops": (None, ctypes.c_int, ctypes.c_double),
}
_IN_EVERY_STEP = ("phase_begin", "phase_end", "wait_begin", "wait_end", "step", "count_samples")
SAMPLES = 1  # a unit of count
NOT_FOUND = -1  # a state that the library has not


class Library:
    """The functions of everywatt.h, without their prefix."""

    def __init__(self, path: str) -> None:
        loaded = ctypes.PyDLL(path)
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(loaded, "everywatt_" + name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        self.count_samples = functools.partial(self.count, SAMPLES)
        self.calls = _calls_beside(path)
        for name in _IN_EVERY_STEP if self.calls else ():
            setattr(self, name, getattr(self.calls, name))


def _calls_beside(path: str) -> Optional[Any]:
    """The module of python/calls.c, bound to the library at that path; None where there is none for this interpreter."""
    folder, _ = os.path.split(path)  # none: the system's library, beside which nothing is looked for
    file = pathlib.Path(folder) / f"{_CALLS}.abi3.so"
    spec = importlib.util.spec_from_file_location(_CALLS, file)
    if not folder or not file.exists() or spec is None or spec.loader is None:
        return None
    try:
        calls = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(calls)
        calls.bind(path)
        return calls
    except (ImportError, OSError):
        return None


class NoLibrary:
    """The same functions where there is no library."""

    def __init__(self, reason: str) -> None:
        text = f"marks go nowhere: {reason}".encode()
        answers = {"open": NOT_FOUND, "current_state": NOT_FOUND, "state_text": text}
        for name, (result, *_) in _FUNCTIONS.items():
            answer = answers.get(name, None if result is None else 0)
            setattr(self, name, lambda *_, answer=answer: answer)
        self.count_samples, self.calls = self.count, None


def _candidates() -> List[str]:
    """Where the library may be: what the user says, else beside this package, in this repository's build, on the system."""
    said = os.environ.get("EVERYWATT_LIBRARY")
    if said:
        return [said]
    files = [_HERE / _FILE, _HERE.parent.parent / "build" / "release" / "lib" / _FILE]
    return [str(file) for file in files if file.exists()] + [_FILE + ".0"]


def load() -> Any:
    """The first library that can be loaded, or one that does nothing."""
    if os.environ.get("EVERYWATT_DISABLED") == "1":
        return NoLibrary("EVERYWATT_DISABLED=1")
    reason = ""
    for path in _candidates():
        try:
            return Library(path)
        except (OSError, AttributeError) as error:  # not there, of another machine, or of another version
            reason = str(error)
    log.warning("everywatt: %s; marks go nowhere. Install libeverywatt, or set EVERYWATT_LIBRARY to its path.", reason)
    return NoLibrary(reason)
