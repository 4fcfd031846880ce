"""GPUs: the program on machines of the virtual lab, in real time, beside the truth that the lab writes."""
import json
import subprocess
import time

import pytest

from conftest import BINARY, PYTHON, REPOSITORY, assert_books_balance
from test_lab import LAB, SCENARIOS

MARKS = {"PYTHONPATH": str(REPOSITORY / "python"), "EVERYWATT_LIBRARY": str(REPOSITORY / "build/release/lib/libeverywatt.so")}
KNOWN = {scenario.stem: scenario for scenario in SCENARIOS}


class Outcome:
    def __init__(self, folder, done, took):
        self.status, self.err, self.took = done.returncode, done.stderr, took
        self.bill = json.loads((folder / "bill.json").read_text())
        self.truth = json.loads((folder / "truth.json").read_text())["devices"]

    def gpus(self):
        return [device for device in self.bill["energy"]["devices"] if device["kind"] == "gpu"]

    def true_joules(self, device):
        return self.truth[device["id"]]["joules"]


@pytest.fixture
def on_lab(everywatt, tmp_path):
    def run(scenario, *command, env=None, flags=()):
        file = KNOWN.get(scenario)
        if not file:
            file = tmp_path / "scenario.toml"
            file.write_text(scenario)
        begun = time.monotonic()
        done = subprocess.run([str(LAB), "--truth", str(tmp_path / "truth.json"), str(file), "--", str(BINARY), "run", "--json",
                               str(tmp_path / "bill.json"), *flags, "--", *command],
                              env=everywatt.environment(env=env), capture_output=True, text=True, timeout=60, check=False)
        outcome = Outcome(tmp_path, done, time.monotonic() - begun)
        assert outcome.status == 0, done.stderr
        assert_books_balance(outcome.bill)
        return outcome
    return run


STEP = """
[[gpu]]
name = "NVIDIA H100 80GB HBM3"
watts = { steps = [[0, 80], [2, 500], [4, 80]] }
idle_watts = 80
utilisation = { steps = [[0, 0], [2, 1], [4, 0]] }
[[gpu.process]]
pid = "job-child"
"""


def test_a_load_is_measured_to_a_percent_and_divided_into_busy_and_idle(on_lab):
    outcome = on_lab(STEP, "sleep", "6")
    gpu, = outcome.gpus()
    assert gpu["method"] == "counter" and gpu["coverage"] > 0.95
    assert gpu["measured_joules"] == pytest.approx(outcome.true_joules(gpu), rel=0.02)
    assert gpu["busy_joules"] == pytest.approx(2 * 500, rel=0.15)  # utilisation is a sixth of a second old
    assert gpu["other_joules"] + gpu["unattributed_joules"] <= 0.05 * gpu["measured_joules"]  # before the first context was seen
    assert outcome.bill["environment"]["nvidia_driver"] == "550.54.15"


@pytest.mark.parametrize("name", ["h100", "v100", "sixteen", "h100_node", "twin", "shared"])
def test_every_device_lies_within_the_stated_uncertainty(on_lab, name):
    outcome = on_lab(name, "sleep", "5")
    assert outcome.gpus()
    for device in outcome.bill["energy"]["devices"]:
        if device["method"] not in ("counter", "integrated"):
            continue
        # The truth is of the lab's whole command: some tens of milliseconds more than the run.
        slack = 0.05 * outcome.true_joules(device)
        assert abs(device["measured_joules"] - outcome.true_joules(device)) <= device["uncertainty_joules"] + slack, device


def steps_on_an_a100(milliseconds):
    """A kernel is resident all the time; only power follows the steps, and the job says when they end."""
    return f"""
[[gpu]]
name = "NVIDIA A100-SXM4-40GB"
watts = {{ low = 60, high = 330, period_s = {milliseconds / 1e3}, duty = 0.6 }}
idle_watts = 55
utilisation = 1
counter = false
[[gpu.process]]
pid = "job-child"
"""


STEPPING = """
import everywatt, time
begun, step, number = time.monotonic(), {seconds}, 0
while number * step < 9:
    number += 1
    time.sleep(max(0, begun + number * step - time.monotonic()))
    everywatt.step()
"""


@pytest.mark.parametrize("milliseconds, is_flagged", [(50, True), (100, True), (37, False)])
def test_marked_steps_in_step_with_a_part_time_sensor_are_flagged(on_lab, milliseconds, is_flagged):
    outcome = on_lab(steps_on_an_a100(milliseconds), PYTHON, "-c", STEPPING.format(seconds=milliseconds / 1e3), env=MARKS)
    gpu, = outcome.gpus()
    assert gpu["method"] == "integrated"
    flags = [flag for flag in gpu["flags"] if flag.startswith("aliasing:")]
    assert bool(flags) == is_flagged, gpu
    assert abs(gpu["measured_joules"] - outcome.true_joules(gpu)) <= gpu["uncertainty_joules"] + 0.05 * outcome.true_joules(gpu)
    if is_flagged:
        assert gpu["uncertainty_joules"] > 0.1 * gpu["measured_joules"]
        assert "the load repeats in step with it" in " ".join(outcome.err.split())


def test_a_gpu_without_a_counter_is_integrated_and_says_why(on_lab):
    gpu, = on_lab("kepler", "sleep", "4").gpus()
    assert gpu["method"] == "integrated" and gpu["measured_joules"] > 300


def test_a_die_that_reports_nothing_is_null_and_not_zero(on_lab):
    first, second = on_lab("twin", "sleep", "5").gpus()
    assert first["measured_joules"] == pytest.approx(400 * 5, rel=0.05)
    assert second["measured_joules"] is None and second["reason"]


MUTE = """
[[gpu]]
count = 2
name = "NVIDIA H100 80GB HBM3"
watts = 400
utilisation = 0.9
idle_watts = 70
[[gpu.process]]
pid = "job-child"
[[defect]]
kind = "answers"
status = "%s"
calls = ["field 191", "field 83", "field 186", "field 185", "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage"]
%s
"""


@pytest.mark.parametrize("status, words", [("no_permission", "no permission"), ("not_supported", "this GPU or driver does not have it")])
@pytest.mark.parametrize("which", ["gpu = 0", ""])
def test_a_gpu_of_which_nothing_tells_what_it_draws_is_on_the_bill_with_the_reason(on_lab, which, status, words):
    outcome = on_lab(MUTE % (status, which), "sleep", "3")
    first, second = outcome.gpus()
    for gpu in [first] if which else [first, second]:
        assert gpu["counted"] and gpu["measured_joules"] is None and gpu["method"] is None, gpu
        assert gpu["reason"] == f"neither its energy nor its power is told ({words})"
        assert gpu["quantities"]["sm_clock_mhz"]["mean"] > 0
    if which:
        assert second["measured_joules"] == pytest.approx(400 * 3, rel=0.05)
    said = " ".join(outcome.err.split())
    assert f"neither its energy nor its power is told ({words})" in said and "nothing works" not in json.dumps(outcome.bill)
    assert which or "idle draw of what the run kept" not in said


def test_doctor_names_a_gpu_of_which_nothing_tells_what_it_draws(everywatt, tmp_path):
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(MUTE % ("no_permission", "gpu = 0"))

    def doctor(*flags):
        return subprocess.run([str(LAB), str(scenario), "--", str(BINARY), "doctor", *flags], env=everywatt.environment(),
                              capture_output=True, text=True, timeout=60, check=True).stdout
    assert "nothing: neither its energy nor its power is told (no permission)" in " ".join(doctor().split())
    first, second = [device for device in json.loads(doctor("--json"))["devices"] if device["kind"] == "gpu"]
    assert first["sensor"] is None and first["reason"].endswith("(no permission)") and first["counted"]
    assert second["sensor"] == "nvml-counter" and second["reason"] is None


def test_a_lost_gpu_leaves_a_gap_comes_back_and_touches_no_other(on_lab):
    outcome = on_lab("lost", "sleep", "6")
    lost, other = outcome.gpus()
    assert other["coverage"] > 0.95 and other["measured_joules"] == pytest.approx(300 * 6, rel=0.03)
    # The counter went on while nobody could read it.
    assert lost["measured_joules"] == pytest.approx(300 * 6, rel=0.05)
    assert 0.5 < lost["coverage"] < 0.75
    assert any(gap["device"] == lost["id"] for gap in outcome.bill["gaps"])
    assert "the GPU is lost" in " ".join(outcome.err.split())


def test_a_call_that_hangs_holds_up_neither_the_end_nor_the_other_gpu(on_lab):
    outcome = on_lab("hang", "sleep", "3")
    other, hung = outcome.gpus()
    assert outcome.bill["duration_seconds"] == pytest.approx(3, abs=0.2)
    assert other["coverage"] > 0.8 and other["measured_joules"] == pytest.approx(250 * 3, rel=0.05)
    assert hung["coverage"] < 0.75


def test_a_driver_that_is_loaded_anew_is_found_again(on_lab):
    gpu, = on_lab("reload", "sleep", "6").gpus()
    assert "counter-reset" in gpu["flags"]
    assert 0.6 * 1800 <= gpu["measured_joules"] <= 1800 * 1.02


@pytest.mark.parametrize("name, longest", [("slow_init", 3.4), ("init_never", 3.4)])
def test_a_library_that_starts_slowly_delays_neither_start_nor_end(on_lab, name, longest):
    outcome = on_lab(name, "sleep", "3")
    assert outcome.bill["duration_seconds"] == pytest.approx(3, abs=0.15) and outcome.took < longest + 1
    if name == "init_never":
        assert not outcome.gpus() and "nvml: its library had not started" in outcome.err
    else:
        gpu, = outcome.gpus()
        assert gpu["coverage"] > 0.7 and any(gap["device"] == gpu["id"] for gap in outcome.bill["gaps"])


@pytest.mark.parametrize("name, said", [("no_gpus", None), ("no_library", None), ("foreign_library", "not NVIDIA's"),
                                        ("version_mismatch", "different versions")])
def test_where_there_is_no_gpu_to_measure_the_rest_is(on_lab, name, said):
    outcome = on_lab(name, "sleep", "1.2")
    assert not outcome.gpus() and outcome.bill["energy"]["total_joules"] > 0
    if said:
        assert said in " ".join(outcome.err.split())


def test_what_a_driver_does_not_tell_is_not_somebody_elses(on_lab):
    outcome = on_lab("old_driver", "sleep", "4")
    gpu, = outcome.gpus()
    assert gpu["method"] == "integrated" and gpu["idle_joules"] is None
    assert gpu["unattributed_joules"] == pytest.approx(gpu["measured_joules"])
    assert "utilisation-unknown" in gpu["flags"]
    assert {each["id"]: each["busy"] for each in outcome.bill["compute"]["device_seconds"]}[gpu["id"]] is None
    reserved, = on_lab("old_driver", "sleep", "4", env={"CUDA_VISIBLE_DEVICES": "0"}).gpus()
    assert reserved["busy_joules"] >= 0.9 * reserved["measured_joules"]


# --- who is charged

ALONE = """
[node]
driver = "{driver}"
[[gpu]]
name = "{name}"
watts = 180
idle_watts = 40
utilisation = 0.6
[[gpu.process]]
pid = "job-child"
"""


# Lists of processes came in three forms, and drivers have those of their time.
@pytest.mark.parametrize("driver, name", [("418.226.00", "Tesla K40m"), ("418.226.00", "Tesla V100-SXM2-16GB"),
                                          ("470.82.01", "Tesla K40m"), ("470.82.01", "Tesla V100-SXM2-16GB"),
                                          ("535.54.03", "NVIDIA H100 80GB HBM3"), ("535.98", "NVIDIA H100 80GB HBM3")])
def test_a_job_alone_on_a_gpu_is_charged_for_it_under_drivers_of_all_ages(on_lab, driver, name):
    gpu, = on_lab(ALONE.format(driver=driver, name=name), "sleep", "4").gpus()
    assert gpu["other_joules"] + gpu["unattributed_joules"] <= 0.08 * gpu["measured_joules"]
    assert gpu["quantities"]["memory_used_bytes"]["max"] >= 2**30


def test_a_shared_gpu_is_divided_by_what_each_process_does(on_lab):
    outcome = on_lab("shared", "sleep", "6")
    gpu, = outcome.gpus()
    truth = outcome.truth[gpu["id"]]["processes"]
    ours = truth["job-child"] / sum(truth.values())
    active = gpu["busy_joules"] + gpu["other_joules"]
    assert gpu["busy_joules"] / active == pytest.approx(ours, abs=0.1)


def test_a_job_that_uses_no_gpu_is_charged_none(on_lab):
    scenario = STEP.replace('pid = "job-child"', "pid = 4711")
    gpu, = on_lab(scenario, "sleep", "3").gpus()
    assert gpu["total_joules"] == 0 and gpu["other_joules"] > 0
    gpu, = on_lab('[[gpu]]\nname = "NVIDIA H100 80GB HBM3"\nwatts = 80\nidle_watts = 80\nutilisation = 0\n', "sleep", "2").gpus()
    assert gpu["total_joules"] == 0 and gpu["unattributed_joules"] == pytest.approx(gpu["measured_joules"], rel=0.01)


def test_of_eight_gpus_the_two_that_a_variable_names_are_charged(on_lab):
    node = '[[gpu]]\ncount = 8\nname = "NVIDIA H100 80GB HBM3"\nwatts = 80\nidle_watts = 80\n'
    gpus = on_lab(node, "sleep", "3", env={"CUDA_VISIBLE_DEVICES": "0,5"}).gpus()
    charged = [index for index, gpu in enumerate(gpus) if gpu["total_joules"] > 0]
    assert charged == [0, 5]
    assert gpus[5]["idle_joules"] == pytest.approx(80 * 3, rel=0.05)
    assert gpus[1]["unattributed_joules"] == pytest.approx(80 * 3, rel=0.05)


def test_doctor_says_what_each_watt_means(everywatt):
    done = subprocess.run([str(LAB), str(KNOWN["a100"]), "--", str(BINARY), "doctor"], env=everywatt.environment(),
                          capture_output=True, text=True, timeout=60, check=True)
    words = " ".join(done.stdout.split())
    assert "nvml-counter, counter" in words and "renewed every 100 ms on Ampere" in words
    machine = json.loads(subprocess.run([str(LAB), str(KNOWN["kepler"]), "--", str(BINARY), "doctor", "--json"],
                                        env=everywatt.environment(), capture_output=True, text=True, timeout=60, check=True).stdout)
    gpu, = [device for device in machine["devices"] if device["kind"] == "gpu"]
    assert "follows power by 50 ms, renewed every 100 ms on Kepler" in gpu["provenance"]
    assert any("energy counter" in row["what"] for row in machine["excluded"])


def test_calibrate_learns_what_an_idle_gpu_draws(everywatt, tmp_path):
    scenario = tmp_path / "idle.toml"
    scenario.write_text('[[gpu]]\nname = "NVIDIA H100 80GB HBM3"\nwatts = 71\nidle_watts = 71\nutilisation = 0\n')
    done = subprocess.run([str(LAB), str(scenario), "--", str(BINARY), "calibrate", "floors", "--seconds", "4"],
                          env=everywatt.environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    line, = [line for line in done.stdout.splitlines() if line.startswith("gpu:")]
    assert 70 <= float(line.split()[1]) <= 72, line


def test_calibrate_tells_how_often_a_gpus_sensors_are_renewed(everywatt):
    done = subprocess.run([str(LAB), str(KNOWN["h100"]), "--", str(BINARY), "calibrate", "periods", "--seconds", "1.5"],
                          env=everywatt.environment(), capture_output=True, text=True, timeout=60, check=True)
    counter, = [line for line in done.stdout.splitlines() if "nvml-counter" in line]
    assert "every 100 ms" in counter or "every 99" in counter or "every 101" in counter, done.stdout
