"""The virtual lab: programs that know NVIDIA's library run on the stand-in unchanged
and find what the scenario says (docs/formats/lab.md). They come from PyPI, once, into
build/venv-lab."""
import json
import os
import pathlib
import subprocess
import time

import pytest

from conftest import BINARY, REPOSITORY
from venvs import programs

LAB = pathlib.Path(os.environ.get("EVERYWATT_LAB_BIN", BINARY.parent / "everywatt-lab")).resolve()
SCENARIOS = sorted((REPOSITORY / "tests/lab/scenarios").glob("*.toml"))
PACKAGES = ["nvidia-ml-py==13.615.71", "nvitop==1.7.2", "zeus==0.16.0"]

STEADY = """
[[package]]
watts = 90
utilisation = 0.5
dram_watts = 10

[[gpu]]
name = "NVIDIA H100 80GB HBM3"
uuid = "GPU-12345678-9abc-def0-1234-56789abcdef0"
watts = 300
idle_watts = 100
utilisation = 0.75
memory_utilisation = 0.25
temperature = 55
memory_temperature = 66
pcie = { sent = 1.024e9, received = 5.12e8 }
nvlink = { sent = 1.048576e9, received = 1.048576e9 }
held_back = { power_cap = 0.5 }
counter = { start = 1000000 }
[[gpu.process]]
pid = "job"
memory_mib = 2048

[[gpu]]
name = "NVIDIA GH200 120GB"
watts = 200
module = { watts = 450 }
"""


@pytest.fixture(scope="session")
def venv():
    """The programs under test."""
    return programs("lab", PACKAGES)


class Lab:
    def __init__(self, folder):
        self.folder = folder
        self.truth_file = folder / "truth.json"

    def start(self, scenario, *command, **more):
        file = scenario
        if isinstance(scenario, str):
            file = self.folder / "scenario.toml"
            file.write_text(scenario, encoding="utf-8")
        return subprocess.Popen([LAB, "--truth", self.truth_file, file, "--", *command], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **more)

    def __call__(self, scenario, *command, **more):
        """The finished process."""
        process = self.start(scenario, *command, **more)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def answer(self, scenario, *command):
        """What the command printed as JSON."""
        done = self(scenario, *command)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def truth(self):
        return json.loads(self.truth_file.read_text(encoding="utf-8"))


@pytest.fixture
def lab(tmp_path):
    if not LAB.exists():
        pytest.fail(f"no {LAB}: build the target everywatt-lab")
    return Lab(tmp_path)


READ_ALL = """
import json, os, time
from pynvml import *
nvmlInit()
gpu, grace = (nvmlDeviceGetHandleByIndex(i) for i in range(2))
before, begin = nvmlDeviceGetTotalEnergyConsumption(gpu), time.monotonic()
sample = [nvmlGpmSampleAlloc() for _ in range(2)]
nvmlGpmSampleGet(gpu, sample[0])
time.sleep(1.5)
nvmlGpmSampleGet(gpu, sample[1])
request = c_nvmlGpmMetricsGet_t()
request.version, request.numMetrics = NVML_GPM_METRICS_GET_VERSION, 3
request.sample1, request.sample2 = sample
for i, metric in enumerate([NVML_GPM_METRIC_SM_UTIL, NVML_GPM_METRIC_PCIE_TX_PER_SEC, NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC]):
    request.metrics[i].metricId = metric
nvmlGpmMetricsGet(request)
fields = nvmlDeviceGetFieldValues(gpu, [NVML_FI_DEV_POWER_INSTANT, NVML_FI_DEV_POWER_AVERAGE, NVML_FI_DEV_ENERGY,
                                        NVML_FI_DEV_MEMORY_TEMP, NVML_FI_DEV_PERF_POLICY_POWER, 99])
scopes = nvmlDeviceGetFieldValues(grace, [(NVML_FI_DEV_POWER_INSTANT, s) for s in range(3)])
sample_type, samples = nvmlDeviceGetSamples(gpu, NVML_TOTAL_POWER_SAMPLES, 0)
process = nvmlDeviceGetComputeRunningProcesses(gpu)[0]
sm = nvmlDeviceGetProcessUtilization(gpu, 0)[-1]
memory = nvmlDeviceGetMemoryInfo(gpu, version=nvmlMemory_v2)
rates = nvmlDeviceGetUtilizationRates(gpu)
print(json.dumps({
    "count": nvmlDeviceGetCount(), "driver": nvmlSystemGetDriverVersion(), "cuda": nvmlSystemGetCudaDriverVersion(),
    "name": nvmlDeviceGetName(gpu), "uuid": nvmlDeviceGetUUID(gpu), "architecture": nvmlDeviceGetArchitecture(gpu),
    "capability": nvmlDeviceGetCudaComputeCapability(gpu), "bus": nvmlDeviceGetPciInfo(gpu).busId,
    "minor": nvmlDeviceGetMinorNumber(grace), "power": nvmlDeviceGetPowerUsage(gpu), "limit": nvmlDeviceGetEnforcedPowerLimit(gpu),
    "joules": (nvmlDeviceGetTotalEnergyConsumption(gpu) - before) / 1e3, "seconds": time.monotonic() - begin,
    "fields": [f.value.ullVal if f.valueType == NVML_VALUE_TYPE_UNSIGNED_LONG_LONG else f.value.uiVal for f in fields],
    "statuses": [f.nvmlReturn for f in fields], "age": time.time() - fields[0].timestamp / 1e6,
    "scopes": [(f.nvmlReturn, f.value.uiVal) for f in scopes],
    "samples": [sample_type, samples[-1].sampleValue.uiVal, len(samples)],
    "process": [process.pid == os.getpid(), process.usedGpuMemory, sm.pid == os.getpid(), sm.smUtil, sm.memUtil],
    "memory": [memory.total, memory.used], "rates": [rates.gpu, rates.memory],
    "temperature": nvmlDeviceGetTemperature(gpu, NVML_TEMPERATURE_GPU), "pstate": nvmlDeviceGetPerformanceState(gpu),
    "clock": nvmlDeviceGetClockInfo(gpu, NVML_CLOCK_SM), "reasons": nvmlDeviceGetCurrentClocksEventReasons(gpu),
    "mig": nvmlDeviceGetMigMode(gpu), "gpm": [request.metrics[i].value for i in range(3)],
    "by_uuid": nvmlDeviceGetIndex(nvmlDeviceGetHandleByUUID(nvmlDeviceGetUUID(grace)))}))
nvmlShutdown()
"""


def test_nvidia_ml_py_reads_every_quantity(lab, venv):
    seen = lab.answer(STEADY, venv / "python", "-c", READ_ALL)
    assert (seen["count"], seen["driver"], seen["cuda"]) == (2, "550.54.15", 12040)
    assert seen["name"] == "NVIDIA H100 80GB HBM3"
    assert seen["uuid"] == "GPU-12345678-9abc-def0-1234-56789abcdef0"
    assert (seen["architecture"], seen["capability"]) == (9, [9, 0])
    assert (seen["bus"], seen["minor"], seen["by_uuid"]) == ("00000000:10:00.0", 1, 1)
    assert (seen["power"], seen["limit"]) == (300_000, 700_000)
    assert abs(seen["joules"] - 300 * seen["seconds"]) < 300 * 0.11
    instant, average, energy, memory_temperature, capped, _ = seen["fields"]
    assert (instant, average, memory_temperature) == (300_000, 300_000, 66)
    assert 1_000_000 + 300_000 < energy < 1_000_000 + 300_000 * 60
    assert 0.7e9 < capped < 30e9
    assert seen["statuses"] == [0, 0, 0, 0, 0, 3]
    assert 0 <= seen["age"] < 0.2
    assert seen["scopes"][:2] == [[0, 200_000], [0, 450_000]] and seen["scopes"][2][0] == 3
    assert seen["samples"][:2] == [1, 300_000] and seen["samples"][2] > 10
    assert seen["process"] == [True, 2048 << 20, True, 75, 25]
    assert seen["memory"] == [81559 << 20, 2048 << 20]
    assert seen["rates"] == [75, 25]
    assert (seen["temperature"], seen["pstate"], seen["clock"], seen["reasons"]) == (55, 0, 1980, 4)
    assert seen["mig"] == [0, 0]
    assert seen["gpm"] == pytest.approx([75, 1.024e9 / 2**20, 1000])


def test_nvitop_shows_gpu_power_and_process(lab, venv):
    done = lab(STEADY, venv / "nvitop", "--once", "--ascii", env=os.environ | {"COLUMNS": "120", "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done.stderr
    assert "Driver Version: 550.54.15" in done.stdout
    assert "H100 80GB HBM3" in done.stdout and "300W / 700W" in done.stdout and "55C" in done.stdout
    assert "GH200 120GB" in done.stdout and "200W / 900W" in done.stdout
    lines = [line for line in done.stdout.splitlines() if "2048MiB" in line and "75" in line]
    assert lines, done.stdout


def test_nvitop_shows_mig_instances(lab, venv):
    done = lab(REPOSITORY / "tests/lab/scenarios/mig.toml", venv / "nvitop", "--once", "--ascii")
    assert done.returncode == 0, done.stderr
    assert "3g.40gb" in done.stdout and "1g.10gb" in done.stdout


ZEUS = """
import json, time
from zeus.monitor import ZeusMonitor
monitor = ZeusMonitor(gpu_indices=[0])
monitor.begin_window("w", sync_execution=False)
time.sleep(4)
window = monitor.end_window("w", sync_execution=False)
print(json.dumps({"joules": window.gpu_energy[0 if 0 in window.gpu_energy else "0"], "seconds": window.time}))
"""


def test_zeus_measures_a_window(lab, venv):
    # Of 0.2 s, so that any 4 s have a mean of 300 W.
    wave = STEADY.replace("watts = 300", "watts = { low = 150, high = 450, period_s = 0.2 }")
    window = lab.answer(wave, venv / "python", "-c", ZEUS)
    assert window["joules"] == pytest.approx(300 * window["seconds"], rel=0.035)  # two edges of 100 ms


def test_a_counter_that_is_low_at_idle_misleads_zeus(lab, venv):
    low = STEADY.replace("counter = { start = 1000000 }", "counter = { low_below_watts = 350, low_factor = 0.57 }")
    window = lab.answer(low, venv / "python", "-c", ZEUS)
    assert window["joules"] == pytest.approx(0.57 * 300 * window["seconds"], rel=0.035)


TRY = """
import json, pynvml
def outcome(call):
    try: return call()
    except pynvml.NVMLError as error: return type(error).__name__
def power():
    return [outcome(lambda: pynvml.nvmlDeviceGetPowerUsage(pynvml.nvmlDeviceGetHandleByIndex(i))) for i in range(pynvml.nvmlDeviceGetCount())]
start = outcome(pynvml.nvmlInit)
print(json.dumps({"start": start, "power": power() if start is None else None, "energy": outcome(
    lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(0)))}))
"""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_is_one_to_nvidia_ml_py(lab, venv, scenario):
    if scenario.stem == "init_never":
        process = lab.start(scenario, "timeout", "1", venv / "python", "-c", TRY)
        assert process.wait(timeout=30) == 124
        process.communicate()
        return
    seen = lab.answer(scenario, venv / "python", "-c", TRY)
    gpus = {"no_gpus": 0, "sixteen": 16, "h100_node": 8, "lost": 2, "hang": 2, "twin": 2}
    starts = {"foreign_library": "NVMLError_FunctionNotFound", "no_library": "NVMLError_LibraryNotFound",
              "version_mismatch": "NVMLError_LibRmVersionMismatch"}
    assert seen["start"] == starts.get(scenario.stem)
    if seen["start"] is None:
        assert len(seen["power"]) == gpus.get(scenario.stem, 1)
        assert all(isinstance(power, int) for power in seen["power"])
    if scenario.stem == "kepler":
        assert seen["energy"] == "NVMLError_NotSupported"
    if scenario.stem == "old_driver":  # the symbol is not there at all
        assert seen["energy"] == "NVMLError_FunctionNotFound"


HANG = """
import json, threading, time
from pynvml import *
nvmlInit()
handles = [nvmlDeviceGetHandleByIndex(i) for i in range(2)]
took = [0, 0]
def ask(i):
    begin = time.monotonic()
    nvmlDeviceGetPowerUsage(handles[i])
    took[i] = time.monotonic() - begin
hung = threading.Thread(target=ask, args=(1,))
hung.start()
time.sleep(0.2)
ask(0)
hung.join()
print(json.dumps(took))
"""


def test_a_gpu_that_hangs_holds_up_no_other(lab, venv):
    scenario = STEADY + '[[defect]]\nkind = "hangs"\nlength_s = 1\ngpu = 1\ncalls = ["nvmlDeviceGetPowerUsage"]\n'
    quick, hung = lab.answer(scenario, venv / "python", "-c", HANG)
    assert hung >= 1.0
    assert quick < 0.5


def test_a_slow_driver_takes_its_time_to_start(lab, venv):
    code = "import json, time, pynvml; b = time.monotonic(); pynvml.nvmlInit(); print(json.dumps(time.monotonic() - b))"
    assert 0.5 <= lab.answer(REPOSITORY / "tests/lab/scenarios/slow_init.toml", venv / "python", "-c", code) < 1.5


# --- the lab itself

@pytest.mark.parametrize("command, status", [("exit 7", 7), ("kill -9 $$", 137), ("true", 0)])
def test_the_exit_status_is_the_commands(lab, command, status):
    assert lab(STEADY, "sh", "-c", command).returncode == status


def test_a_command_that_is_not_there_is_127(lab):
    done = lab(STEADY, "no-such-command")
    assert done.returncode == 127
    assert "no-such-command" in done.stderr


def test_a_bad_scenario_is_one_line(lab):
    done = lab("[[gpu]]\nwats = 3\n", "true")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "scenario.toml:" in done.stderr


COUNTERS = """
import json, os, pathlib, time
sys, proc = (pathlib.Path(os.environ[v]) for v in ("EVERYWATT_SYSFS", "EVERYWATT_PROCFS"))
zones = {f.parent.joinpath("name").read_text().strip(): f for f in sys.glob("class/powercap/*/energy_uj")}
def read():
    cpu = (proc / "stat").read_text().split("\\n")[0].split()
    return {name: int(file.read_text()) for name, file in zones.items()} | {"busy": int(cpu[1]), "idle": int(cpu[4])}
first, begin = read(), time.monotonic()
time.sleep(2)
second, end = read(), time.monotonic()
print(json.dumps({"seconds": end - begin} | {name: second[name] - first[name] for name in first}))
"""


def test_counters_and_cpus_move_as_the_scenario_says(lab):
    moved = lab.answer(STEADY, "/usr/bin/python3", "-c", COUNTERS)
    assert moved["package-0"] * 1e-6 == pytest.approx(90 * moved["seconds"], rel=0.03)
    assert moved["dram"] * 1e-6 == pytest.approx(10 * moved["seconds"], rel=0.03)
    assert moved["busy"] == pytest.approx(8 * 50 * moved["seconds"], rel=0.05)
    assert moved["idle"] == pytest.approx(8 * 50 * moved["seconds"], rel=0.05)


def test_the_truth_is_that_of_the_commands_life(lab):
    before = time.monotonic_ns()
    lab(STEADY, "sleep", "1")
    after = time.monotonic_ns()
    truth = lab.truth
    assert truth["schema"] == "everywatt.lab-truth/1"
    start, end = truth["start"]["monotonic_ns"], truth["end"]["monotonic_ns"]
    assert before < start < end < after
    seconds = (end - start) / 1e9
    assert seconds > 1
    gpu = truth["devices"]["gpu:GPU-12345678-9abc-def0-1234-56789abcdef0"]
    assert gpu["joules"] == pytest.approx(300 * seconds)
    assert gpu["idle_joules"] == pytest.approx(100 * seconds)
    assert gpu["busy_joules"] == pytest.approx(200 * seconds)
    assert gpu["processes"] == {"job": pytest.approx(200 * seconds)}
    assert truth["devices"]["package:0"]["joules"] == pytest.approx(90 * seconds)
    assert truth["devices"]["dram:0"]["joules"] == pytest.approx(10 * seconds)


def test_the_truth_between_two_times_needs_no_command(lab, tmp_path):
    file = tmp_path / "scenario.toml"
    file.write_text(STEADY, encoding="utf-8")
    done = subprocess.run([LAB, "--between", "1.5", "4", file], capture_output=True, text=True, timeout=60, check=True)
    truth = json.loads(done.stdout)
    assert (truth["start"], truth["end"]) == ({"seconds": 1.5}, {"seconds": 4.0})
    gpu = truth["devices"]["gpu:GPU-12345678-9abc-def0-1234-56789abcdef0"]
    assert gpu["joules"] == pytest.approx(300 * 2.5)
    assert gpu["accounts"]["idle_joules"] == pytest.approx(100 * 0.25 * 2.5)
    assert gpu["accounts"]["processes"] == {"job": {key: gpu["accounts"][key] for key in ("idle_joules", "active_joules")}}
    assert "accounts" not in truth["devices"]["module:GPU-1ab00000-0000-4000-8000-000000000001"]
    for wrong in (["4", "1.5"], ["x", "2"], ["1"]):
        assert subprocess.run([LAB, "--between", *wrong, file], capture_output=True, timeout=60, check=False).returncode == 2


def test_nothing_is_left_behind(lab, tmp_path):
    (tmp_path / "tmp").mkdir()
    lab(STEADY, "true", env=os.environ | {"TMPDIR": str(tmp_path / "tmp")})
    assert list((tmp_path / "tmp").iterdir()) == []
