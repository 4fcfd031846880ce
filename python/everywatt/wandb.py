"""Weights & Biases: what a run took stands beside its loss. Through the SDK of the user's own environment, offline as online.

    with everywatt.run() as bill, everywatt.wandb.follow(wandb_run):
        train()
    everywatt.wandb.log(bill, wandb_run)
"""
import os
import threading
from typing import Any, Dict, Optional

import wandb

from ._bill import Bill, LedgerBill

_SUMS = ("total_joules", "busy_joules", "idle_joules", "uncertainty_joules", "total_uncertainty_joules", "measured_joules",
         "measured_fraction")


def log(bill: Bill, run: Any = None) -> None:
    """Writes a bill into a W&B run, the current one if none is given: figures into its summary as ``energy/…``, what was measured and how
    into its config under ``everywatt``. What is not known is left out."""
    run = run or wandb.run
    if run is None:
        raise ValueError("everywatt.wandb.log: no W&B run is active: call wandb.init first, or pass the run")
    document = bill.to_dict()
    if not document:
        return
    figures = _figures(document)
    run.log(figures, commit=False)
    run.summary.update(figures)
    energy = document["energy"]
    run.config.update({"everywatt": {
        "run_id": bill.run_id, "boundary": energy["boundary"], "tags": document["tags"],
        "devices": {device["id"]: device["method"] for device in energy["devices"] if device["counted"]}}}, allow_val_change=True)


class follow:  # noqa: N801: used like a function
    """``with everywatt.wandb.follow(run):`` adds ``energy/…`` so far to the rows that the job logs, every ``seconds``.

    Adds to the job's rows and makes none of its own, so that the job's steps stay what they are. Without a meter around it, nothing.
    """

    def __init__(self, run: Any = None, seconds: float = 15.0) -> None:
        self._run, self._seconds = run or wandb.run, seconds
        self._stop = threading.Event()
        self._thread: Optional[threading.Thread] = None

    def __enter__(self) -> None:
        run_id = os.environ.get("EVERYWATT_RUN_ID")
        if self._run is None or not run_id or os.environ.get("EVERYWATT_DISABLED") == "1":
            return
        self._thread = threading.Thread(target=self._follow, args=(run_id,), name="everywatt.wandb", daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _follow(self, run_id: str) -> None:
        bill = LedgerBill(run_id)
        while not self._stop.wait(self._seconds):
            document = bill.to_dict()
            if document:
                self._run.log(_figures(document), commit=False)


def _figures(document: Dict[str, Any]) -> Dict[str, Any]:
    """Numbers only, their units at the end of their names."""
    figures = {f"energy/{key}": document["energy"][key] for key in _SUMS}
    figures["energy/duration_seconds"] = document["duration_seconds"]
    figures.update({f"energy/{key}": value for key, value in document["work"].items() if key.startswith("joules_per_")})
    figures.update({f"energy/phase/{phase['path']}_joules": phase["energy_joules"] for phase in document["phases"] if phase["path"]})
    return {key: value for key, value in figures.items() if value is not None}
