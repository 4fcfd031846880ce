#!/usr/bin/env python3
"""make gpu-test: everywatt on a real NVIDIA GPU. Checks what must hold, and writes what the card does to
docs/measurements/gpu-CARD.md, with date and driver. Without a GPU it says so and ends with 0.

gpu_test.py EVERYWATT [INDEX [KEEP]]     INDEX: which GPU of doctor's; KEEP: a folder for bills and readings
"""
import csv
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

from page import write
from witness import Witness

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 6
SETTLING = 2.0  # s of a load's beginning that is left out where its own power is asked for: rise of clocks and of means over 1 s


@dataclass
class Measured:
    """A load under everywatt, and what the GPU's registers said meanwhile."""

    name: str
    bill: dict
    gpu: dict  # of the bill
    begin: float  # of the run, wall clock
    end: float
    said: dict  # by the load; {} of one that is no Python
    witness: Witness = field(repr=False, default=None)

    @property
    def watts(self):
        return self.gpu["measured_joules"] / self.bill["duration_seconds"]

    @property
    def counted(self):
        """Joules by the counter, read by the witness over the same time."""
        return self.witness.joules(self.begin, self.end)

    @property
    def steady(self):
        """The load's own time without its beginning."""
        return self.said.get("begin", self.begin) + SETTLING, self.said.get("end", self.end)

    def mean(self, key):
        """Of a quantity in the bill, None where it has none."""
        told = self.gpu["quantities"].get(key)
        return told and told.get("mean", told.get("total"))

    @property
    def joules_a_unit(self):
        return self.gpu["busy_joules"] / self.said["amount"]


class Bench:
    """Runs loads under everywatt on one GPU, in a ledger of their own."""

    def __init__(self, binary, folder):
        self.binary, self.folder, self.gpu = binary, folder, None
        library = pathlib.Path(binary).parent.parent / "lib/libeverywatt.so"
        paths = [str(HERE.parent.parent / "python"), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.env = os.environ | {"HOME": str(folder), "EVERYWATT_DB": str(folder / "everywatt.db"), "EVERYWATT_LIBRARY": str(library),
                                 "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}

    def say(self, *arguments):
        done = subprocess.run([self.binary, *arguments], env=self.env, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            sys.exit(f"gpu_test: everywatt {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def choose(self, gpu):
        self.gpu = gpu
        self.env["CUDA_VISIBLE_DEVICES"] = self.uuid

    @property
    def uuid(self):
        return self.gpu["id"].removeprefix("gpu:")

    def file(self, name, kind):
        return self.folder / f"{name.replace(' ', '-').replace(',', '')}.{kind}"

    def start(self, name, *command):
        place = self.file(name, "json")
        process = subprocess.Popen([self.binary, "run", "--quiet", "--name", name, "--json", str(place), "--", *command], env=self.env,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return place, process

    def finish(self, name, started, witness=None):
        place, process = started
        out, err = process.communicate(timeout=300)
        if process.returncode != 0:
            raise RuntimeError(f"{name} ended with {process.returncode}: {' / '.join(err.strip().splitlines()[-2:])}")
        bill = json.loads(place.read_text())
        gpu = next(device for device in bill["energy"]["devices"] if device["id"] == self.gpu["id"])
        begin = _wall(bill["started"])
        return Measured(name, bill, gpu, begin, begin + bill["duration_seconds"], json.loads(out) if out.strip() else {}, witness)

    def run_alone(self, name, *command):
        """Without the witness, which holds up the driver's other calls."""
        return self.finish(name, self.start(name, *command))

    def run(self, name, *command):
        with Witness(self.uuid) as witness:
            time.sleep(0.5)  # a renewal before the run, and one after it
            measured = self.finish(name, self.start(name, *command), witness)
            time.sleep(0.5)
        self.keep(name, witness)
        return measured

    def load(self, name, *words):
        return self.run(name, sys.executable, str(HERE / "loads.py"), *map(str, words))

    def keep(self, name, witness):
        with open(self.file(name, "csv"), "w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("seconds", *witness.readings))
            for together in zip(*filter(None, witness.readings.values())):
                rows.writerow((f"{together[0][0]:.4f}", *(value for _, value in together)))


def _wall(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def has_torch():
    done = subprocess.run([sys.executable, "-c", "import torch; assert torch.cuda.is_available()"], capture_output=True, check=False)
    return done.returncode == 0


def measure(bench, checks):
    """All loads, by name; what fails to run is a failed check."""
    found = {}

    def attempt(name, work):
        begun = time.monotonic()
        try:
            found[name] = work()
        except (RuntimeError, ValueError, KeyError, StopIteration, subprocess.TimeoutExpired) as error:
            checks.append((f"{name}: runs", False, f"{type(error).__name__}: {error}"))
        print(f"   {name}: {time.monotonic() - begun:.1f} s", flush=True)

    attempt("no context", lambda: bench.run("no context", "sleep", str(SECONDS)))
    attempt("idle, with a context", lambda: bench.load("idle, with a context", "idle", SECONDS))
    for turn in ("compute", "compute, again"):
        attempt(turn, lambda turn=turn: bench.load(turn, "compute", SECONDS))
    attempt("memory", lambda: bench.load("memory", "memory", SECONDS))
    attempt("copies to the GPU", lambda: bench.load("copies to the GPU", "copy", SECONDS))
    for on in (25, 75):
        for shift in (0, 25, 50, 75):
            name = f"{on} of 100 ms, from {shift} ms on"
            attempt(name, lambda on=on, shift=shift, name=name: bench.load(name, "pulses", 5, on / 1e3, 0.1 - on / 1e3, shift / 1e3))
    if has_torch():
        for turn in ("matmul", "matmul, again", "matmul, once more"):
            attempt(turn, lambda turn=turn: bench.load(turn, "matmul", SECONDS))
        attempt("training", lambda: bench.run("training", sys.executable, str(HERE / "train.py"), str(SECONDS)))
    for period in (100, 130):
        attempt(f"together, {period} ms", lambda period=period: together(bench, period / 1e3))
    alone = [sys.executable, str(HERE / "loads.py"), "compute", "20"]
    attempt("compute, no witness", lambda: bench.run_alone("compute, no witness", *alone))
    return found


def together(bench, period):
    """Two runs that share the GPU, and a process of nobody's: at work for 60, 20 and 20 ms of each period, in turn."""
    words = [sys.executable, str(HERE / "loads.py"), "pulses"]

    def turn(on, shift):
        return map(str, (on, period - on, shift))

    foreign = subprocess.Popen([*words, "12", *turn(0.02, 0)], env=bench.env, stdout=subprocess.DEVNULL)
    started = {name: bench.start(name, *words, "10", *turn(on, shift)) for name, on, shift in
               ((f"60 of {period * 1e3:.0f} ms", 0.06, 0.02), (f"20 of {period * 1e3:.0f} ms", 0.02, 0.08))}
    measured = {name: bench.finish(name, each) for name, each in started.items()}
    foreign.wait()
    return measured


def main():
    binary, index = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(os.path.abspath(binary), pathlib.Path(place))
        machine = json.loads(bench.say("doctor", "--json"))
        gpus = [device for device in machine["devices"] if device["kind"] == "gpu"]
        if not gpus:
            why = [source["why"] for source in machine["sources"] if source["name"] == "nvml"]
            print(f"gpu_test: no NVIDIA GPU here ({why[0] if why and why[0] else 'none is found'}): nothing was tested")
            return 0
        bench.choose(gpus[index])
        (bench.folder / "doctor.json").write_text(json.dumps(machine))
        told = {"doctor": bench.say("doctor"), "periods": bench.say("calibrate", "periods", "--seconds", "3")}
        for name, text in told.items():
            (bench.folder / f"{name}.txt").write_text(text)
        checks = []
        found = measure(bench, checks)
        if len(sys.argv) > 3:
            (bench.folder / "said.json").write_text(json.dumps({name: run.said for name, run in found.items() if isinstance(run, Measured)}))
            for file in bench.folder.iterdir():
                if file.is_file():
                    shutil.copy(file, sys.argv[3])
        page = write(bench.gpu, machine, told, found, checks)
        print(f"gpu_test: written to {page}")
        for what, holds, figure in checks:
            print(f"   {'holds' if holds else 'FAILED'}: {what}: {figure}")
        return 0 if all(holds for _, holds, _ in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
