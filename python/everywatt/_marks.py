"""What a job says of itself; see the package's own text."""
import functools
import inspect
from typing import Any, Callable, Dict, Iterable, Optional, Set, TypeVar, Union, overload

from ._library import SAMPLES, load, log

_library = load()
# Bound once: a look-up less in each mark.
begin_phase, end_phase = _library.phase_begin, _library.phase_end
begin_wait, end_wait = _library.wait_begin, _library.wait_end
count_samples, calls = _library.count_samples, _library.calls

_UNITS = {"tokens": 0, "samples": SAMPLES, "bytes": 2}
_PRECISIONS = {"fp64": 0, "fp32": 1, "tf32": 2, "fp16": 3, "bf16": 4, "fp8": 5, "int8": 6, "fp4": 7}
_UNKNOWN = 255  # no unit and no precision: the library counts the mark as dropped

end_step = functools.partial(_library.step, -1)

_told: Set[str] = set()  # unknown words that were warned of

Function = TypeVar("Function", bound=Callable[..., Any])


def _bytes(text: object) -> bytes:
    return str(text).encode("utf-8", "surrogateescape")


class _Names(Dict[object, int]):
    """Text to the library's number for it, asked for once."""

    def __missing__(self, text: object) -> int:
        number: int = _library.intern(_bytes(text))
        if number:  # else there is no room for more names, and none here either
            self[text] = number
        return number


names = _Names()


class phase:  # noqa: N801: used like a function
    """``with everywatt.phase("eval"):`` is a stretch of work on this thread, within those that are open on it.

    Costs less than half a microsecond, both ends together. Each object is for one use.
    """

    __slots__ = ("_name", "_span")

    def __init__(self, name: str) -> None:
        self._name = names[name]

    def __enter__(self) -> None:
        self._span = begin_phase(self._name)

    def __exit__(self, *_: object) -> None:
        end_phase(self._span)


class waiting:  # noqa: N801
    """``with everywatt.waiting("allreduce"):`` says that this thread waits for others, or for data, and for what.

    A name with a word such as data, batch, load or read is a wait for input (docs/guide/bottlenecks.md has them all).
    """

    __slots__ = ("_name", "_span")

    def __init__(self, what: str) -> None:
        self._name = names[what]

    def __enter__(self) -> None:
        self._span = begin_wait(self._name)

    def __exit__(self, *_: object) -> None:
        end_wait(self._span)


@overload
def measure(function: Function) -> Function: ...
@overload
def measure(function: str) -> Callable[[Function], Function]: ...
def measure(function: Union[Function, str]) -> Any:
    """``@everywatt.measure`` makes each call of a function a phase with its name, ``@everywatt.measure("name")`` with another.

    Of a generator the phase lasts from its first item to its end, of a coroutine until it returns; phases of coroutines that
    take turns on one thread overlap.
    """
    if isinstance(function, str):
        return lambda real: _measured(real, function)
    return _measured(function, function.__qualname__)


def _measured(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    async def coroutine(*args: Any, **kwargs: Any) -> Any:
        with phase(name):
            return await function(*args, **kwargs)

    def generator(*args: Any, **kwargs: Any) -> Any:
        with phase(name):
            return (yield from function(*args, **kwargs))

    def plain(*args: Any, **kwargs: Any) -> Any:
        with phase(name):
            return function(*args, **kwargs)

    wrapper: Callable[..., Any] = plain
    if inspect.iscoroutinefunction(function):
        wrapper = coroutine
    elif inspect.isgeneratorfunction(function):
        wrapper = generator
    return functools.wraps(function)(wrapper)


def step(number: Optional[int] = None) -> None:
    """A training step ended here. ``number`` is its number, from 0; without it, one more than the one before."""
    _library.step(-1 if number is None else int(number))


def metric(name: str, value: float, step: Optional[int] = None) -> None:
    """A figure of the job's own, in its own unit (which the name should say), of the step it belongs to.

    NaN and infinities are kept. A tensor is turned into a number, which waits for the GPU it is on.
    """
    _library.metric(names[name], float(value), -1 if step is None else int(step))


def tag(key: str, value: object) -> None:
    """A fact about the run as text, of which the first 1,024 bytes count; the last one said of a key holds."""
    _library.tag(_bytes(key), _bytes(value))


def input_workers(pids: Iterable[int]) -> None:
    """These descendants of this process prepare its input; said anew, in place of those named before.

    While they live their CPU time counts as input work of the phases that this process is in. Workers of PyTorch's DataLoader are
    named by everywatt.torch.watch and the callbacks for Trainer and Lightning. Numbers beyond 1,024 bytes of text are left out.
    """
    _library.tag(b"input_workers", " ".join(str(int(pid)) for pid in pids).encode())


def count(what: str, amount: float, precision: str = "fp32") -> None:
    """So many more were done since the last call; amounts add up.

    ``what`` is "tokens", "samples" or "bytes" (whole numbers), or "flops": floating-point operations of the task (model FLOPs), a
    multiply-add being two, done in ``precision``: "fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8" or "fp4". "recomputed_flops" are
    those done a second time to save memory; hardware FLOPs are both together, and not known where this is never said (0 says: none).
    """
    if what == "flops":
        _library.flops(_known(_PRECISIONS, precision), float(amount))
    elif what == "recomputed_flops":
        _library.recomputed_flops(_known(_PRECISIONS, precision), float(amount))
    elif 0 <= amount < 2**64:
        _library.count(_known(_UNITS, what), int(amount))
    else:
        _library.count(_UNKNOWN, 0)


def _known(words: Dict[str, int], word: str) -> int:
    if word not in words and word not in _told:
        _told.add(word)
        log.warning("everywatt: '%s' is not counted; known are %s.", word, ", ".join(words))
    return words.get(word, _UNKNOWN)


def open(socket_path: Optional[str] = None) -> bool:  # noqa: A001: everywatt.open
    """Gets ready for marks now instead of at the first one (about 0.1 ms); whether marks are kept.

    ``socket_path`` is where a supervisor listens; without it, what EVERYWATT_SOCKET says.
    """
    return bool(_library.open(None if socket_path is None else _bytes(socket_path)) == 0)


def close() -> None:
    """No marks follow until ``open``. Not needed at the end of a program."""
    _library.close()


def state() -> str:
    """Whether marks are kept, and why not, in a line."""
    return str(_library.state_text(_library.current_state()), "utf-8")


def dropped() -> int:
    """Marks of this process that were not recorded since its first one."""
    return int(_library.dropped())
