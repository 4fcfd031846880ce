"""Boards that read wrong, put right by a meter that one trusts: on machines of the virtual lab, in real time."""
import datetime
import json
import random
import re
import subprocess

import pytest

from conftest import BINARY, seconds_of
from test_lab import LAB

# The lab's machine is another host each time; what is calibrated here is this one's.
HERE = ["env", "-u", "EVERYWATT_SYSFS", "-u", "EVERYWATT_PROCFS", str(BINARY)]
WATTS = [(100, 400, 250, 650)[second // 2 % 4] for second in range(40)]  # of each second
BOARD = """
[[gpu]]
name = "NVIDIA H100 80GB HBM3"
uuid = "{uuid}"
watts = {{ steps = [{steps}] }}
idle_watts = 80
utilisation = 1
counter = {counter}
average = {power}
instant = {power}
usage = {power}
[[gpu.process]]
pid = "job-child"
"""
HIGH, LOW = "{ gain = 1.08 }", "{ gain = 0.95, offset_watts = 5 }"
RIGHT, ALONE_HIGH = "{ gain = 1.0 }", "{ gain = 1.09 }"


def board(number, counter, power):
    steps = ", ".join(f"[{second}, {watts}]" for second, watts in enumerate(WATTS))
    return BOARD.format(uuid=f"GPU-{number:08x}-0000-4000-8000-000000000000", steps=steps, counter=counter, power=power)


def drawn_between(begin, end):
    """In joules; in seconds of the scenario."""
    return sum(watts * max(0, min(end, second + 1) - max(begin, second)) for second, watts in enumerate(WATTS))


class Bench:
    """Boards, a meter that is right about them, and the program."""

    def __init__(self, everywatt, folder, *boards):
        self.folder, self.environment = folder, everywatt.environment()
        self.scenario = folder / "scenario.toml"
        self.scenario.write_text("".join(board(number, *errors) for number, errors in enumerate(boards)))
        self.meter = folder / "wall.csv"

    def say(self, *words):
        done = subprocess.run([*HERE, *words], env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def on_lab(self, *words):
        return subprocess.run([str(LAB), "--truth", str(self.folder / "truth.json"), str(self.scenario), "--", *HERE, *words],
                              env=self.environment, capture_output=True, text=True, timeout=60, check=True).stdout

    def run(self, seconds):
        """The GPUs of its bill; the meter's table is of the same time."""
        self.on_lab("run", "--json", str(self.folder / "bill.json"), "--quiet", "--", "sleep", str(seconds))
        begun = json.loads((self.folder / "truth.json").read_text())["start"]["wall_ns"] / 1e9
        at = lambda second: datetime.datetime.fromtimestamp(begun + second, datetime.timezone.utc).isoformat()
        self.meter.write_text("timestamp,power_w\n" + "".join(
            f"{at(second + part / 20)},{WATTS[second]}\n" for second in range(seconds + 1) for part in range(20)))
        bill = json.loads((self.folder / "bill.json").read_text())
        begin = seconds_of(bill["started"]) - begun
        self.drawn = drawn_between(begin, begin + bill["duration_seconds"])
        return [device for device in bill["energy"]["devices"] if device["kind"] == "gpu"]

    def calibrate(self, gpus, *more):
        return [self.say("calibrate", "gain", "--device", gpu["id"], "--meter", str(self.meter), *more) for gpu in gpus]

    def doctor(self):
        return [device for device in json.loads(self.on_lab("doctor", "--json"))["devices"] if device["kind"] == "gpu"]

    def error(self, gpu):
        """Relative, of the last run."""
        return gpu["measured_joules"] / self.drawn - 1


def assert_right(bench, gpu):
    assert abs(bench.error(gpu)) <= 0.005, (bench.error(gpu), gpu)
    assert gpu["sensor"] == "nvml-counter" and gpu["method"] == "counter", gpu
    assert not {"counter-implausible", "sensor-disagreement"} & set(gpu["flags"]), gpu
    assert all(abs(check["ratio"] - 1) <= 0.02 for check in gpu["cross_checks"] if check["sensor"] == "nvml-average"), gpu


def test_boards_that_are_off_are_right_after_calibration_and_after_the_next(everywatt, tmp_path):
    """All sensors of a board err together: 8 % too much; gain 0.95 and 5 W too much; a counter alone that does."""
    bench = Bench(everywatt, tmp_path, (HIGH, HIGH), (LOW, LOW), (LOW, RIGHT))
    before = bench.run(16)
    assert bench.error(before[0]) > 0.07 and bench.error(before[1]) < -0.02 and bench.error(before[2]) < -0.02, before
    assert not any("calibrated" in gpu["flags"] for gpu in before)
    bench.calibrate(before)

    after = bench.run(20)
    for gpu in after[:2]:
        assert_right(bench, gpu)
    assert abs(bench.error(after[2])) <= 0.005, after[2]
    assert all("calibrated" in gpu["flags"] for gpu in after)

    bench.calibrate(after)
    bench.calibrate(after)  # of the same run twice: the same again
    again = bench.run(20)
    for gpu in again[:2]:
        assert_right(bench, gpu)
    assert abs(bench.error(again[2])) <= 0.005, again[2]


def test_calibrations_are_listed_and_said_and_forgotten(everywatt, tmp_path):
    bench = Bench(everywatt, tmp_path, (LOW, LOW), (RIGHT, RIGHT))
    assert bench.say("calibrate", "list").startswith("no calibration")
    low, right = bench.run(12)
    assert "± 12 %" in bench.on_lab("doctor")
    bench.calibrate([low], "--uncertainty", "0.004")

    row, = json.loads(bench.say("calibrate", "list", "--json"))["calibrations"]
    assert row["device"] == low["id"] and row["sensor"] == "nvml-counter"
    mean = sum(WATTS[:12]) / 12
    assert row["gain"] * (0.95 * mean + 5) + row["offset_watts"] == pytest.approx(mean, rel=0.02)
    assert row["relative_uncertainty"] >= 0.004 and "wall.csv" in row["source"]
    assert abs((datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(row["made"])).total_seconds()) < 60
    listed = " ".join(bench.say("calibrate", "list").split())
    assert low["id"] in listed and "nvml-counter" in listed and f"gain {row['gain']:.4f}, offset {row['offset_watts']:.2f} W" in listed and "wall.csv" in listed

    ours, other = bench.doctor()
    assert ours["calibration"] == row and ours["systematic_uncertainty"] == row["relative_uncertainty"]
    assert other["calibration"] is None and other["systematic_uncertainty"] == 0.06
    words = " ".join(bench.on_lab("doctor").split())
    assert re.search(r"calibrated \d{4}-\d\d-\d\d \d\d:\d\d against \S*wall\.csv, [\d.]+ s of run \w+: gain [\d.]+, offset -?[\d.]+ W", words), words

    assert low["id"] in bench.say("calibrate", "forget", low["id"])
    assert json.loads(bench.say("calibrate", "list", "--json"))["calibrations"] == []
    assert bench.doctor()[0]["calibration"] is None
    gone = subprocess.run([*HERE, "calibrate", "forget", right["id"]], env=bench.environment, capture_output=True, text=True, timeout=60, check=False)
    assert gone.returncode == 1 and right["id"] in gone.stderr and len(gone.stderr.strip().splitlines()) == 1


def test_doctor_says_how_well_the_sensors_of_a_board_agreed(everywatt, tmp_path):
    bench = Bench(everywatt, tmp_path, (RIGHT, RIGHT), (RIGHT, "{ gain = 1.03 }"), (ALONE_HIGH, RIGHT))
    gpus = bench.run(8)
    text = bench.on_lab("doctor")
    parts = re.split(r"gpu:GPU-\S+", text)[1:4]
    for gpu, part in zip(gpus, parts):
        words = " ".join(part.split())
        assert words.startswith("nvml-counter, counter, ± 12 % energy since the driver was loaded, renewed every 100 ms on Hopper as a rule, driver 550"), words
        ratio, = [check["ratio"] for check in gpu["cross_checks"] if check["sensor"] == "nvml-average"]
        told = re.search(r"(agreed with|differed from) nvml-average (within|by) ([\d.]+) %", words)
        assert told, words
        assert float(told[3]) == pytest.approx(100 * abs(ratio - 1), abs=0.51), (told[0], ratio)
        assert (told[1] == "agreed with") == (abs(ratio - 1) <= 0.05), (told[0], ratio)
    assert "differed from nvml-average by" in " ".join(parts[2].split())
    assert "agreed with nvml-average within" in " ".join(parts[0].split())


def test_doctor_says_that_the_last_run_did_not_believe_a_counter(everywatt, tmp_path):
    """An older run with which all was well says nothing of that."""
    low = "{ low_below_watts = 1000, low_factor = 0.57 }"
    Bench(everywatt, tmp_path, (RIGHT, RIGHT)).run(6)
    liar = Bench(everywatt, tmp_path, (low, RIGHT))
    gpu, = liar.run(11)
    assert gpu["sensor"] == "nvml-average" and "counter-implausible" in gpu["flags"], gpu
    words = " ".join(liar.on_lab("doctor").split())
    assert re.search(r"in the last run nvml-average was believed in its place: it was 4[1-5] % lower", words), words
    assert "agreed with" not in words
    row, = liar.doctor()
    assert row["sensor"] == "nvml-counter" and row["last_run_sensor"] == "nvml-average"


def table(path, watts):
    """Five readings a second, from midnight on."""
    path.write_text("time,power_w\n" + "".join(f"2026-03-01T00:{second // 60:02}:{second % 60:02}.{2 * part}Z,{watt}\n"
                                               for second, watt in enumerate(watts) for part in range(5)))
    return path


# What a board reads whose gain is 0.95 and whose offset 5 W, where so much is drawn; what is drawn, as a meter with its noise has it.
def against_a_meter(everywatt, folder, watts, noise=0):
    chance = random.Random(7)
    everywatt("import", "power-csv", table(folder / "board.csv", [0.95 * watt + 5 for watt in watts]))
    device, = everywatt.show()["energy"]["devices"]
    meter = table(folder / "meter.csv", [chance.gauss(watt, noise) for watt in watts])
    return everywatt("calibrate", "gain", "--device", device["id"], "--meter", meter), device["id"]


def test_a_narrow_range_of_load_shows_no_line_and_nothing_is_applied(everywatt, tmp_path):
    """Between 396 and 408 W any slope fits that a meter's noise makes; idle would be hundreds of watts off."""
    for noise in (0, 8):
        done, device = against_a_meter(everywatt, tmp_path, [400, 406, 396, 408] * 4, noise)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, (done.stderr, done.stdout)
        assert re.search(rf"{re.escape(device)} .*between 38\d W and 39\d W.* from idle to full", done.stderr), done.stderr
        assert not done.stdout


def test_a_line_that_is_not_sure_enough_is_refused_and_one_that_is_says_what_it_leaves_open(everywatt, tmp_path):
    levels = [level for level in (80, 400, 160, 300, 240, 360, 120, 420) for _ in range(3)]
    done, device = against_a_meter(everywatt, tmp_path, levels, noise=120)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, (done.stderr, done.stdout)
    assert re.search(rf"{re.escape(device)} .*± [\d.]+ W.* longer", done.stderr), done.stderr
    assert not done.stdout

    remaining = []
    for noise, times in ((0, 1), (4, 1), (4, 10)):
        done, device = against_a_meter(everywatt, tmp_path, levels * times, noise)
        assert done.returncode == 0, done.stderr
        gain, both = re.search(r"gain ([\d.]+), .*± ([\d.]+) % remains", done.stdout).groups()
        assert float(gain) == pytest.approx(1 / 0.95, abs=0.03)
        remaining.append(float(both) / 200)
    exact, short, long = remaining
    assert exact == pytest.approx(0.01, abs=0.001)  # the meter's own
    assert 0.02 < short < 0.08 and exact < long < 0.75 * short, remaining
