"""Which GPUs a run has reserved, by each variable and by what the machine has more, and how a nested run divides them."""
import json
import subprocess

import pytest

from conftest import BINARY, assert_books_balance
from test_lab import LAB

SECONDS = 3
IDLE = 80
JOULES = pytest.approx(IDLE * SECONDS, rel=0.05)


def idle_gpus(count):
    return f'[[gpu]]\ncount = {count}\nname = "NVIDIA H100 80GB HBM3"\nwatts = {IDLE}\nidle_watts = {IDLE}\nutilisation = 0\n'


# What the kernel's driver has: in a container of CDI's, and where a cgroup holds devices back, all of the host's.
DRIVER_HAS = """
for minor in $(seq 0 $(($1 - 1))); do
  mkdir -p "$EVERYWATT_PROCFS/driver/nvidia/gpus/$minor"
  printf 'GPU UUID: \\t GPU-x\\nDevice Minor: \\t %s\\nGPU Excluded:\\t No\\n' "$minor" > "$EVERYWATT_PROCFS/driver/nvidia/gpus/$minor/information"
done
shift
exec "$@"
"""


@pytest.fixture
def on_idle(everywatt, tmp_path):
    """Runs a command on idle GPUs; `driver_has`: how many GPUs the kernel's driver lists, more than NVML shows."""
    def run(gpus, *command, driver_has=0, env=None):
        scenario = tmp_path / "scenario.toml"
        scenario.write_text(idle_gpus(gpus))
        hidden = {name: None for name in ("CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "NVIDIA_VISIBLE_DEVICES")}
        done = subprocess.run([str(LAB), str(scenario), "--", "sh", "-c", DRIVER_HAS, "sh", str(driver_has), *map(str, command)],
                              env=everywatt.environment(env=hidden | (env or {})), capture_output=True, text=True, timeout=60,
                              check=False)
        assert done.returncode == 0, done.stderr
    return run


def gpus_of(file):
    bill = json.loads(file.read_text())
    assert_books_balance(bill)
    return [device for device in bill["energy"]["devices"] if device["kind"] == "gpu"]


@pytest.fixture
def charged(on_idle, tmp_path):
    """The places of the GPUs whose idle draw a run is charged; the others' is nobody's."""
    def run(gpus, **more):
        on_idle(gpus, BINARY, "run", "--quiet", "--json", tmp_path / "bill.json", "--", "sleep", SECONDS, **more)
        found = gpus_of(tmp_path / "bill.json")
        assert len(found) == gpus
        for gpu in found:
            assert gpu["idle_joules"] == JOULES and gpu["unattributed_joules"] == 0 or gpu["unattributed_joules"] == JOULES
        return [place for place, gpu in enumerate(found) if gpu["idle_joules"]]
    return run


UUID = "GPU-1ab00000-0000-4000-8000-00000000000{}"


@pytest.mark.parametrize("variable, value, reserved", [
    ("SLURM_STEP_GPUS", "1,3", [1, 3]),
    ("SLURM_JOB_GPUS", "2", [2]),
    ("NVIDIA_VISIBLE_DEVICES", UUID.format(2), [2]),
    ("NVIDIA_VISIBLE_DEVICES", "3", [3]),
    ("NVIDIA_VISIBLE_DEVICES", "all", []),
    ("CUDA_VISIBLE_DEVICES", f"{UUID.format(1)},0,-1,3", [0, 1]),
])
def test_of_four_gpus_those_that_a_variable_names_are_charged(charged, variable, value, reserved):
    assert charged(4, env={variable: value}) == reserved


@pytest.mark.parametrize("value, driver_has, reserved", [
    ("3", 0, [0]),  # the host's third is the container's first
    ("3", 8, [0]),
    ("void", 8, [0]),  # how CDI leaves it
    (None, 8, [0]),  # a cgroup of version 2
    ("void", 1, []),
    (None, 0, []),
])
def test_the_one_gpu_of_a_container_is_charged(charged, value, driver_has, reserved):
    assert charged(1, driver_has=driver_has, env={"NVIDIA_VISIBLE_DEVICES": value}) == reserved


# --- runs in runs

def nested(folder, name, *command):
    return [BINARY, "run", "--quiet", "--json", folder / f"{name}.json", "--", *command]


def test_a_nested_run_is_charged_all_that_its_parent_reserved(on_idle, tmp_path):
    on_idle(1, *nested(tmp_path, "outer", *nested(tmp_path, "inner", "sleep", SECONDS)), env={"CUDA_VISIBLE_DEVICES": "0"})
    for name in ("outer", "inner"):
        gpu, = gpus_of(tmp_path / f"{name}.json")
        assert gpu["idle_joules"] == pytest.approx(gpu["measured_joules"], rel=0.01), name
        assert gpu["other_joules"] <= 0.01 * gpu["measured_joules"], name


def test_two_nested_runs_divide_the_gpus_by_what_each_reserves(on_idle, tmp_path):
    script = "".join(f"CUDA_VISIBLE_DEVICES={gpus} {' '.join(map(str, nested(tmp_path, name, 'sleep', SECONDS)))} & "
                     for name, gpus in (("first", "0,1"), ("second", "1")))
    on_idle(2, *nested(tmp_path, "outer", "sh", "-c", script + "wait"), env={"CUDA_VISIBLE_DEVICES": "0,1"})
    parts = {name: [gpu["idle_joules"] / gpu["measured_joules"] for gpu in gpus_of(tmp_path / f"{name}.json")]
             for name in ("outer", "first", "second")}
    assert parts["outer"] == [pytest.approx(1, abs=0.03)] * 2
    assert parts["first"] == [pytest.approx(1, abs=0.05), pytest.approx(0.5, abs=0.05)]
    assert parts["second"] == [pytest.approx(0, abs=0.05), pytest.approx(0.5, abs=0.05)]
