"""Runs on machines of the virtual lab, several at once, each beside the truth of its own time."""
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import subprocess
import time

from conftest import BINARY, Everywatt, seconds_of

LAB = pathlib.Path(os.environ.get("EVERYWATT_LAB_BIN", BINARY.parent / "everywatt-lab")).resolve()
AT_ONCE = 8  # a job that sleeps costs next to nothing


def truth_between(scenario, begin, end):
    """What the devices of a scenario truly used between two of its seconds."""
    done = subprocess.run([str(LAB), "--between", f"{begin:.6f}", f"{end:.6f}", str(scenario)], capture_output=True,
                          text=True, timeout=60, check=True)
    return json.loads(done.stdout)["devices"]


@dataclasses.dataclass
class LabRun:
    """One `everywatt run` on one machine of the lab."""
    status: int
    err: str
    bill: dict
    scenario: pathlib.Path
    file: dict  # the truth file: of the lab's whole command

    @property
    def begin(self):
        """Of the run, in seconds of the scenario."""
        return self.in_scenario(self.bill["started"])

    @property
    def end(self):
        return self.begin + self.bill["duration_seconds"]

    def in_scenario(self, iso):
        return seconds_of(iso) - self.file["start"]["wall_ns"] / 1e9

    def truth(self, begin=None, end=None):
        """By device: of the run's own time, or of a part of it."""
        return truth_between(self.scenario, self.begin if begin is None else begin, self.end if end is None else end)

    @property
    def devices(self):
        return self.bill["energy"]["devices"]

    @property
    def gpus(self):
        return [device for device in self.devices if device["kind"] == "gpu"]

    @property
    def said(self):
        """All that was said to the user, in one line."""
        return " ".join(self.err.split() + self.bill["notices"])


def wait_for_second(part):
    """Until the clock by which windows of a second are cut stands at this part of one."""
    time.sleep((part - time.monotonic()) % 1)


def run_on_lab(folder, scenario, *command, env=None, begin=None):
    """`scenario` is a file or its text; the bill is what `show --json` says of the run.
    `begin`: at which part of a second."""
    folder.mkdir()
    everywatt = Everywatt(folder)
    file = scenario
    if isinstance(scenario, str):
        file = folder / "scenario.toml"
        file.write_text(scenario, encoding="utf-8")
    truth = folder / "truth.json"
    if begin is not None:
        wait_for_second(begin)
    done = subprocess.run([str(LAB), "--truth", str(truth), str(file), "--", str(BINARY), "run", "--", *command],
                          env=everywatt.environment(env=env), capture_output=True, text=True, timeout=120, check=False)
    bill = everywatt.show() if everywatt.database.exists() else None
    return LabRun(done.returncode, done.stderr, bill, file, json.loads(truth.read_text()) if truth.exists() else None)


def run_all(folder, machines):
    """By name: the LabRun of each `(scenario, seconds)` or `(scenario, seconds, begin)`."""
    longest_first = sorted(machines.items(), key=lambda machine: -machine[1][1])
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        begun = {name: pool.submit(run_on_lab, folder / name, scenario, "sleep", str(seconds), begin=next(iter(begin), None))
                 for name, (scenario, seconds, *begin) in longest_first}
    return {name: run.result() for name, run in begun.items()}


def gaps_of(run, row):
    """In seconds of the scenario, none within another."""
    spans = []
    for gap in sorted((g for g in run.bill["gaps"] if g["device"] == row["id"]), key=lambda g: g["start"]):
        assert gap["reason"]
        begin = run.in_scenario(gap["start"])
        end = min(begin + gap["seconds"], run.end)
        if spans:
            begin = max(begin, spans[-1][1])
        if begin < end:
            spans.append((begin, end))
    return spans


# Of a GPU's energy: boards of the lab count truly. Work is told a sixth of a second at a time, and where a look fails
# by more: on a busy machine what a run draws before its first look is a quarter of a second. Nobody holds the GPU until
# a look saw the job's context; of those a busy machine has had some 0.4 s late.
DIVIDED_TO, EDGE, UNHELD = 0.03, 0.25, 0.6


def assert_charged(run, row, truth):
    """Each job is alone on its GPU: all is its own, but for what nobody can tell."""
    if row["measured_joules"] is None:
        return
    assert row["other_joules"] == 0, row
    if "utilisation-unknown" in row["flags"]:
        return
    whole = truth[row["id"]]
    idle_watts = whole["idle_joules"] / run.bill["duration_seconds"]
    edge = EDGE * idle_watts
    assert row["unattributed_joules"] <= UNHELD * idle_watts, row
    # A mean over a second that was not read to its end shows half of what was drawn in it.
    late = 0.5 if row["method"] == "integrated" else 0
    unseen = sum(truth_between(run.scenario, begin - late, end)[row["id"]]["accounts"]["active_joules"] for begin, end in gaps_of(run, row))
    busy, slack = whole["accounts"]["active_joules"], DIVIDED_TO * whole["joules"] + edge
    assert busy - unseen - slack <= row["busy_joules"] <= busy + slack, (row, whole)
    # What is measured is the truth within its own bounds: and so is what is left of it, the idle draw.
    assert row["total_joules"] >= row["measured_joules"] - UNHELD * idle_watts, row


LATE = 0.5  # seconds; the hang would make it two


def assert_on_time(run, machine):
    life = (run.file["end"]["monotonic_ns"] - run.file["start"]["monotonic_ns"]) / 1e9
    assert run.status == 0, run.err
    assert 0 <= run.begin < LATE
    assert machine.seconds <= run.bill["duration_seconds"] < machine.seconds + LATE
    assert life - run.end < LATE


def assert_true(run, row, truth):
    """Null with a reason; else all that was there while it was seen, and nothing more than there was."""
    joules = truth[row["id"]]["joules"]
    if row["measured_joules"] is None:
        assert row["reason"] and row["total_joules"] is None, row
        return
    assert row["measured_joules"] > 0 or joules == 0, row
    gaps = gaps_of(run, row)
    unseen = sum(truth_between(run.scenario, *gap)[row["id"]]["joules"] for gap in gaps)
    tenth = 0.1 * joules / run.bill["duration_seconds"]  # a gap begins and ends between two readings
    assert joules - unseen - len(gaps) * tenth - row["uncertainty_joules"] <= row["measured_joules"], (row, joules, gaps)
    assert row["measured_joules"] <= joules + row["uncertainty_joules"], (row, joules, gaps)
    if row["coverage"] < 0.9:
        assert gaps, row
