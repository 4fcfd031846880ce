"""What a block took: figures read from the ledger when they are asked for."""
import datetime
import json
import time
from typing import Any, Dict, List, Optional

from ._meeting import Meeting
from ._program import Meter, ask

_PATIENCE = 5.0  # seconds in which a supervisor that commits once a second must have written down what it heard
_STEP = 0.02


class Bill:
    """What ``with everywatt.run() as bill:`` measured. None is not known, and never 0; this one knows nothing."""

    run_id: Optional[str] = None

    def to_dict(self) -> Dict[str, Any]:
        """The run's bill as `everywatt show --json` has it (docs/formats/bill.md); {} where there is none."""
        return {}

    @property
    def total_joules(self) -> Optional[float]:
        """What is charged to the block: drawn by its own work, and by nobody's on what it had reserved."""
        return self._energy("total_joules")

    @property
    def energy_joules(self) -> Optional[float]:
        """The same as total_joules."""
        return self.total_joules

    @property
    def idle_joules(self) -> Optional[float]:
        """The part of total_joules that nobody's work drew."""
        return self._energy("idle_joules")

    @property
    def uncertainty_joules(self) -> Optional[float]:
        """Half the width of the 95 % interval of what was measured: of the devices, others' work included."""
        return self._energy("uncertainty_joules")

    @property
    def total_uncertainty_joules(self) -> Optional[float]:
        """The same of total_joules."""
        return self._energy("total_uncertainty_joules")

    @property
    def duration_seconds(self) -> Optional[float]:
        return self.to_dict().get("duration_seconds")

    def _energy(self, key: str) -> Optional[float]:
        found: Optional[float] = self.to_dict().get("energy", {}).get(key)
        return found

    def __repr__(self) -> str:
        def said(value: Optional[float], unit: str) -> str:
            return "?" if value is None else f"{value:.4g} {unit}"

        return f"<everywatt bill of {self.run_id}: {said(self.total_joules, 'J')} in {said(self.duration_seconds, 's')}>"


class LedgerBill(Bill):
    """Of a run in the ledger. Within the block it says how things stand; after it, what stays."""

    def __init__(self, run_id: Optional[str]) -> None:
        self.run_id = run_id
        self._final: Optional[Dict[str, Any]] = None
        self._is_closed = False

    def close(self) -> None:
        self._is_closed = True

    def to_dict(self) -> Dict[str, Any]:
        if self._final is not None:
            return self._final
        if not self._is_closed:
            return self._read()
        self._wait()
        self._final = self._read()
        return self._final

    def _wait(self) -> None:
        """Until the ledger knows the whole block."""

    def _read(self) -> Dict[str, Any]:
        text = ask("show", "--json", self.run_id) if self.run_id else None
        read: Dict[str, Any] = json.loads(text) if text else {}
        return read


class RunBill(LedgerBill):
    """Of a run of its own, which one meter measured for all who met."""

    def __init__(self, meter: Meter, meeting: Optional[Meeting]) -> None:
        super().__init__(meter.run)
        self._meter, self._meeting = meter, meeting

    def _wait(self) -> None:
        while self._meter.is_running():
            if self._meeting:  # the last of the others may have been killed
                self._meeting.end_if_empty(self._meter)
            time.sleep(_STEP)


class PhaseBill(LedgerBill):
    """Of a block inside a run: all phases of this name, those within one another once."""

    def __init__(self, run_id: Optional[str], name: str) -> None:
        super().__init__(run_id)
        self._name, self._closed_at = name, 0.0

    def close(self) -> None:
        self._closed_at = time.time()
        super().close()

    @property
    def total_joules(self) -> Optional[float]:
        return self._sum("energy_joules")

    @property
    def duration_seconds(self) -> Optional[float]:
        return self._sum("duration_seconds")

    def _energy(self, key: str) -> Optional[float]:
        return None  # a run's bill does not divide it over phases

    def _sum(self, key: str) -> Optional[float]:
        phases = self._phases()
        return sum(phase[key] for phase in phases) if phases else None

    def _phases(self) -> List[Dict[str, Any]]:
        def is_ours(path: str) -> bool:
            return path == self._name or path.endswith("/" + self._name)

        def is_within(path: str) -> bool:
            parts = path.split("/")
            return any(is_ours("/".join(parts[:depth])) for depth in range(1, len(parts)))

        return [phase for phase in self.to_dict().get("phases", []) if is_ours(phase["path"]) and not is_within(phase["path"])]

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            bill = self._read()
            if bill.get("status") != "running" or _seen_until(bill) >= self._closed_at:
                return
            time.sleep(10 * _STEP)


def _seen_until(bill: Dict[str, Any]) -> float:
    started = datetime.datetime.fromisoformat(bill["started"].replace("Z", "+00:00"))
    return started.timestamp() + float(bill["duration_seconds"])
