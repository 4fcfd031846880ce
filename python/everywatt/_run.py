"""``with everywatt.run() as bill:``; see the class."""
import os
import socket
import threading
import time
from typing import Any, List, Mapping, Optional

from . import _marks
from ._bill import Bill, PhaseBill, RunBill
from ._library import log
from ._meeting import Meeting, folder
from ._program import Meter, start_meter
from ._ranks import launcher, start_of

_one_at_a_time = threading.Lock()  # of two threads that begin together the second is within the first


class run:  # noqa: N801: used like a function
    """``with everywatt.run(name="fine-tuning", project="digits", tags={"lr": 1e-3}) as bill:`` measures the block.

    After it ``bill.total_joules`` and its fellows say what it took; the run stands in the ledger (``everywatt show``).

    *Alone*, a meter is started beside this process (``everywatt attach``, some tens of milliseconds) and ended with the block. It
    hears the marks of the block. It outlives the process, so that the bill is there also if the process is killed.

    *As one of several ranks on a node* (torchrun, srun, mpirun), all who call this share one meter around their common
    launcher, from the first that enters to the last that leaves, and all get the same bill, that of the node's whole job.
    Leaving does not wait for the others; asking the bill for a figure does. A rank that is killed is no longer waited for.

    *Inside* ``everywatt run`` (or inside another such block) it measures nothing anew: the block is a phase of that run, and the
    bill has that phase's joules and seconds, as the ledger knows them when it is asked (waiting for it, at most some seconds).
    They are of all times that this phase was entered, and preliminary until the run ends, when idle draw is known better. What a
    run's bill does not divide over phases (idle, uncertainty) is None, and ``to_dict()`` is the whole run's. Tags are the run's.

    With EVERYWATT_DISABLED=1, or where the program cannot be found (one warning), nothing happens and all figures are None.
    Nothing that goes wrong here is raised into the block.
    """

    def __init__(self, name: Optional[str] = None, project: Optional[str] = None, tags: Optional[Mapping[str, object]] = None,
                 model: Optional[str] = None) -> None:
        self._name, self._tags = name, dict(tags or {})
        self._flags: List[str] = []
        for flag, value in (("--name", name), ("--project", project), ("--model", model)):
            self._flags += [f"{flag}={value}"] if value else []
        self._flags += [f"--tag={key}={value}" for key, value in self._tags.items()]
        self._part: Any = None

    def __enter__(self) -> Bill:
        with _one_at_a_time:
            if os.environ.get("EVERYWATT_DISABLED") == "1":
                self._part = _Nothing()
            elif _is_heard(os.environ.get("EVERYWATT_SOCKET", "")):
                self._part = _Phase(self._name or "run", self._tags)
            else:
                self._part = _measured(self._flags)
        self._process = os.getpid()
        bill: Bill = self._part.bill
        return bill

    def __exit__(self, *_: object) -> None:
        if os.getpid() == self._process:  # a forked child that leaves the block by an exception ends nothing
            self._part.end()


def _is_heard(path: str) -> bool:
    """A variable can outlive its run: somebody must listen there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
        try:
            caller.connect(path)
        except OSError:
            return False
    return bool(path)


class _Nothing:
    bill = Bill()

    def end(self) -> None:
        pass


class _Phase:
    """A block inside a run."""

    def __init__(self, name: str, tags: Mapping[str, object]) -> None:
        for key, value in tags.items():
            _marks.tag(key, value)
        self.bill = PhaseBill(os.environ.get("EVERYWATT_RUN_ID"), name)
        self._phase = _marks.phase(name)
        self._phase.__enter__()

    def end(self) -> None:
        self._phase.__exit__()
        self.bill.close()


class _Measured:
    """A block with a meter of its own, or of all ranks."""

    def __init__(self, meter: Meter, meeting: Optional[Meeting]) -> None:
        self.bill = RunBill(meter, meeting)
        self._meter, self._meeting = meter, meeting
        self._around = {key: os.environ.get(key) for key in ("EVERYWATT_SOCKET", "EVERYWATT_RUN_ID")}
        # For children, and for blocks within this one.
        os.environ["EVERYWATT_SOCKET"], os.environ["EVERYWATT_RUN_ID"] = meter.socket, meter.run
        _marks.open(meter.socket)

    def end(self) -> None:
        for key, value in self._around.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
        _marks.close()
        self.bill.close()
        if self._meeting:
            self._meeting.leave()
            self._meeting.end_if_empty(self._meter)
        else:
            self._meter.stop()


def _measured(flags: List[str]) -> Any:
    try:
        around = launcher()
        meeting = Meeting.of(f"{around}-{start_of(around)}") if around else None
        measured = around or os.getpid()
        socket_path = str(folder() / f"{os.getpid()}-{time.monotonic_ns():x}.sock")

        def start() -> Optional[Meter]:
            return start_meter(measured, socket_path, flags)

        meter = meeting.join(start) if meeting else start()
        return _Measured(meter, meeting) if meter else _Nothing()
    except OSError as error:
        log.warning("everywatt: nothing is measured: %s", error)
        return _Nothing()
