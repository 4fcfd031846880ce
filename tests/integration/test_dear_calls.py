"""A GPU whose driver takes milliseconds for a reading: it is read less often, and the bill is as right."""
import json
import struct
import subprocess

import pytest

from conftest import BINARY, Everywatt
from lab_runs import LAB, run_on_lab
from test_lab import SCENARIOS

FIRMWARE = next(scenario for scenario in SCENARIOS if scenario.stem == "h100_firmware")
SECONDS = 15


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A run, and how often it made each call."""
    folder = tmp_path_factory.mktemp("dear")
    counts = folder / "counts"
    counts.mkdir()
    run = run_on_lab(folder / "run", FIRMWARE, "sleep", str(SECONDS), env={"EVERYWATT_LAB_COUNT": str(counts)})
    assert run.status == 0, run.err
    calls = {}
    for file in counts.iterdir():
        for name, times in struct.iter_unpack("56sQ", file.read_bytes()):
            if name[0]:
                calls[name.rstrip(b"\0").decode()] = calls.get(name.rstrip(b"\0").decode(), 0) + times
    return run, calls


def test_what_is_dear_is_read_once_a_second(measured):
    _, calls = measured
    # Besides: the counter when it is looked for and when renewals are, at 0, 0.5, 1.5, 4.5 and 13.5 s.
    assert SECONDS * 0.8 <= calls["field 191"] <= SECONDS + 6 + 5 * 22
    assert SECONDS * 0.8 <= calls["nvmlDeviceGetSamples"] <= SECONDS + 8
    assert calls["nvmlDeviceGetProcessUtilization"] <= 8  # one process holds a context: what was done it did
    assert calls["field 185"] > 8 * SECONDS, "power costs little"


def test_the_bill_is_as_right(measured):
    run, _ = measured
    gpu, = run.gpus
    truth = next(iter(run.truth().values()))
    assert gpu["measured_joules"] == pytest.approx(truth["joules"], rel=0.01)
    accounts = truth["accounts"]
    assert gpu["busy_joules"] == pytest.approx(accounts["active_joules"], rel=0.05)
    assert gpu["idle_joules"] == pytest.approx(accounts["idle_joules"], rel=0.15)
    assert gpu["other_joules"] + gpu["unattributed_joules"] == pytest.approx(0, abs=0.01 * truth["joules"])
    assert gpu["coverage"] > 0.98


def test_bytes_over_the_bus_do_not_go_round_unseen(measured):
    run, _ = measured
    received = run.gpus[0]["quantities"]["pcie_received_bytes"]
    assert received["total"] == pytest.approx(5.9e10 * received["observed_seconds"], rel=0.01)
    assert received["observed_seconds"] == pytest.approx(run.bill["duration_seconds"], abs=1.2)


def test_doctor_says_how_often_it_is_read(tmp_path):
    out = subprocess.run([str(LAB), str(FIRMWARE), "--", str(BINARY), "doctor", "--json"], env=Everywatt(tmp_path).environment(), capture_output=True,
                         text=True, timeout=60, check=True).stdout
    gpu, = [device for device in json.loads(out)["devices"] if device["kind"] == "gpu"]
    assert "read every 1.0 s, since it takes 3." in gpu["provenance"]
