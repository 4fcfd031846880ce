"""What phases are bound by: jobs that mark their phases, on machines of the virtual lab whose GPUs do as scripted, on a
machine of files that counts memory traffic, and with loader workers."""
import concurrent.futures

import pytest
from conftest import BINARY, PYTHON, REPOSITORY
from lab_runs import run_on_lab
from moving_machine import Machine, Meter

MARKS = {"PYTHONPATH": str(REPOSITORY / "python"), "EVERYWATT_LIBRARY": str(BINARY.parent.parent / "lib/libeverywatt.so")}
# In seconds of the scenario.
JOB = """
import everywatt, os, time
start = int(os.environ["EVERYWATT_LAB_START"]) / 1e9
def until(second): time.sleep(max(0, start + second - time.monotonic()))
def steps(name, end, wait, work):
    with everywatt.phase(name):
        while time.monotonic() < start + end:
            with everywatt.waiting(wait[0]): time.sleep(wait[1])
            with everywatt.phase("work"): time.sleep(work)
            everywatt.step()
until(1)
with everywatt.phase("prefill"): until(5)
with everywatt.phase("decode"): until(9)
steps("starved", 13, ("data", 0.19), 0.31)
steps("peers", 17, ("allreduce", 0.2), 0.25)
with everywatt.phase("rest"): until(21)
"""
PARTS = """
utilisation = { steps = [[0, 0], [1, 1], [9, 0.45], [13, 1], [17, 0.03]] }
"""
SHARES = """
[gpu.gpm]
tensor_utilisation = { steps = [[0, 0], [1, 0.75], [5, 0.11], [9, 0.2], [13, 0.3], [17, 0.01]] }
memory_bandwidth = { steps = [[0, 0], [1, 0.2], [5, 0.82], [9, 0.15], [13, 0.2], [17, 0.01]] }
"""


def machine(name, shares=SHARES, more=""):
    return (f'[[gpu]]\nname = "{name}"\nwatts = {{ steps = [[0, 80], [1, 400], [17, 90]] }}\nidle_watts = 80\n'
            f'{PARTS}{more}{shares}[[gpu.process]]\npid = "job-child"\n')


MACHINES = {
    "hopper": machine("NVIDIA H100 80GB HBM3"),
    "ampere": machine("NVIDIA A100-SXM4-80GB", shares=""),
    "unknown": machine("NVIDIA Z9000", more='architecture = "hopper"\nmemory_bus_bits = 8192\n'),
    "closed": machine("NVIDIA H100 80GB HBM3") +
    '[[defect]]\nkind = "answers"\nstatus = "no_permission"\ncalls = ["nvmlGpmSampleGet"]\n',
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    with concurrent.futures.ThreadPoolExecutor(len(MACHINES)) as pool:
        begun = {name: pool.submit(run_on_lab, folder / name, text, PYTHON, "-c", JOB, env=MARKS) for name, text in MACHINES.items()}
        runs = {name: run.result() for name, run in begun.items()}
    assert all(run.status == 0 for run in runs.values()), [run.err for run in runs.values()]
    return runs


def bound(run, path):
    found, = [phase["bottleneck"] for phase in run.bill["phases"] if phase["path"] == path]
    assert (found["evidence"] is None) == (found["verdict"] == "unknown") == (found["reason"] is not None)
    return found


def test_each_phase_has_its_verdict_and_its_evidence(seen):
    verdicts = {path: bound(seen["hopper"], path) for path in ("prefill", "decode", "starved", "peers", "rest")}
    assert {path: found["verdict"] for path, found in verdicts.items()} == {
        "prefill": "compute-bound", "decode": "memory-bound", "starved": "input-bound", "peers": "communication-bound", "rest": "idle"}
    assert "of 3.35 TB/s" in verdicts["decode"]["evidence"] and verdicts["decode"]["evidence"].startswith("DRAM ")
    assert verdicts["prefill"]["evidence"].startswith("tensor cores ")
    assert "waits for data" in verdicts["starved"]["evidence"]
    assert "waits for others (allreduce)" in verdicts["peers"]["evidence"]


def test_what_the_gpu_did_is_told_of_each_phase(seen):
    """Looks come once a second: of a phase of four at most half a second is another's."""
    for path, tensor, memory in (("prefill", 0.75, 0.2), ("decode", 0.11, 0.82)):
        gpu, = bound(seen["hopper"], path)["gpus"]
        assert gpu["tensor_utilisation"] == pytest.approx(tensor, abs=0.15), path
        assert gpu["memory_bandwidth_utilisation"] == pytest.approx(memory, abs=0.15), path
        assert gpu["memory_bytes_per_second"] == pytest.approx(gpu["memory_bandwidth_utilisation"] * gpu["memory_peak_bytes_per_second"], rel=1e-6)
        assert gpu["memory_peak_bytes_per_second"] == pytest.approx(3.35e12, rel=0.01)
        assert "accelerators.csv" in gpu["memory_peak_source"] and gpu["reason"] is None
        assert 3 < gpu["observed_seconds"] < 5


def test_shares_of_the_time_sum_to_one(seen):
    for path, input_wait, sync_wait, busy in (("prefill", 0, 0, 1), ("starved", 0.38, 0, 0.28), ("peers", 0, 0.44, 0.56), ("rest", 0, 0, 0.03)):
        shares = bound(seen["hopper"], path)["shares"]
        assert shares["input_wait"] == pytest.approx(input_wait, abs=0.05), path
        assert shares["sync_wait"] == pytest.approx(sync_wait, abs=0.05), path
        assert shares["busy"] == pytest.approx(busy, abs=0.12), path
        assert sum(shares[key] for key in ("input_wait", "sync_wait", "busy", "idle")) == pytest.approx(1)


def test_the_bill_says_it_in_eighty_columns(seen):
    lines = seen["hopper"].err.splitlines()
    assert any("decode: memory-bound: DRAM" in line for line in lines), seen["hopper"].err
    assert any("rest: idle:" in line for line in lines)
    assert [line for line in lines if len(line) > 80 and "kept in" not in line] == []
    assert not any("wait:" in line for line in lines if "bound:" in line)


def test_what_is_shorter_than_a_look_is_unknown_and_the_phase_around_it_is_not(seen):
    work = bound(seen["hopper"], "peers/work")
    assert work["verdict"] == "unknown" and "shorter" in work["reason"]
    assert work["gpus"][0]["memory_bandwidth_utilisation"] is None


def test_without_performance_counters_waits_and_rest_are_told_and_the_rest_is_unknown(seen):
    for name, why in (("ampere", "not supported"), ("closed", "no permission")):
        assert bound(seen[name], "decode")["verdict"] == "unknown" and why in bound(seen[name], "decode")["reason"]
        assert bound(seen[name], "decode")["gpus"][0]["memory_bytes_per_second"] is None
        assert bound(seen[name], "decode")["shares"]["busy"] == pytest.approx(1, abs=0.12)
        assert bound(seen[name], "starved")["verdict"] == "input-bound"
        assert bound(seen[name], "peers")["verdict"] == "communication-bound"
        assert bound(seen[name], "rest")["verdict"] == "idle"


def test_of_an_unknown_device_the_driver_says_what_its_memory_can_do(seen):
    gpu, = bound(seen["unknown"], "decode")["gpus"]
    assert gpu["memory_peak_bytes_per_second"] == 2 * 8192 // 8 * 2619 * 10**6 and "driver" in gpu["memory_peak_source"]


def test_the_whole_run_has_a_verdict_too(seen):
    whole = seen["hopper"].bill["bottleneck"]
    assert whole["shares"]["input_wait"] == pytest.approx(1.5 / 21, abs=0.02)
    assert whole["gpus"][0]["observed_seconds"] > 17


# --- processors

def test_memory_traffic_of_processors_is_told_by_phase(everywatt, tmp_path):
    files = Machine.composed(tmp_path / "machine", {"package-0": 40.0})
    files.write("sys/devices/system/cpu/cpu0/cache/index3/id", "0\n")
    files.add("traffic", Meter("sys/fs/resctrl/mon_data/mon_L3_00/mbm_total_bytes", 2.5e9, start=10**12, unit=1))
    with files:
        done = everywatt.run(PYTHON, "-c", "import everywatt, time\nwith everywatt.phase('work'): time.sleep(4)", machine=files, env=MARKS)
    assert done.status == 0, done.err
    shown = everywatt.show(machine=files)
    assert shown["phases"] == done.bill["phases"]
    work, = [phase["bottleneck"] for phase in shown["phases"] if phase["path"] == "work"]
    assert work["memory"]["bytes_per_second"] == pytest.approx(2.5e9, rel=0.1) and work["memory"]["reason"] is None
    package, = [device for device in shown["energy"]["devices"] if device["id"] == "package:0"]
    assert package["quantities"]["memory_traffic_bytes"]["total"] == pytest.approx(4 * 2.5e9, rel=0.35)


def test_without_counters_the_traffic_is_null_and_says_why(everywatt, tmp_path):
    with Machine.composed(tmp_path / "machine", {"package-0": 40.0}) as files:
        done = everywatt.run("sleep", "1.2", machine=files)
    memory = done.bill["bottleneck"]["memory"]
    assert memory["bytes_per_second"] is None and "no counter" in memory["reason"]


# --- loader workers

def epoch_seconds(bill):
    duration, = [phase["duration_seconds"] for phase in bill["phases"] if phase["path"] == "epoch"]
    return duration


def test_the_work_of_named_workers_is_input_work(everywatt):
    done = everywatt.run(PYTHON, "-c", """
import everywatt, os, signal, time
worker = os.fork()
if worker == 0:
    while True: pass
everywatt.input_workers([worker])
with everywatt.phase("epoch"):
    for _ in range(6):
        with everywatt.waiting("batch"): time.sleep(0.4)
        with everywatt.phase("step"): time.sleep(0.2)
worked = sum(map(int, open(f"/proc/{worker}/stat").read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")
print(worked)
os.kill(worker, signal.SIGKILL); os.waitpid(worker, 0)
""", env=MARKS)
    assert done.status == 0, done.err
    epoch, = [phase["bottleneck"] for phase in done.bill["phases"] if phase["path"] == "epoch"]
    assert epoch["verdict"] == "input-bound" and "loader workers busy" in epoch["evidence"]
    assert epoch["input"]["workers"] == pytest.approx(1, abs=0.01)
    worked = float(done.out)
    assert epoch["input"]["cpu_seconds"] == pytest.approx(worked, abs=0.3)
    assert epoch["input"]["workers_busy"] == pytest.approx(worked / epoch_seconds(done.bill), abs=0.1)
    assert epoch["shares"]["busy"] < 0.3, "what its workers do is no work of the step"
    assert "input_workers" not in done.bill["tags"]


def test_processes_that_are_no_descendants_are_not_believed(everywatt):
    done = everywatt.run(PYTHON, "-c", """
import everywatt, time
everywatt.input_workers([1])
with everywatt.phase("epoch"): time.sleep(1.5)
""", env=MARKS)
    epoch, = [phase["bottleneck"] for phase in done.bill["phases"] if phase["path"] == "epoch"]
    assert epoch["input"] == {"workers": None, "workers_busy": None, "cpu_seconds": None}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_dataloader_are_named_by_the_watch(everywatt, tmp_path, method):
    script = tmp_path / "train.py"
    script.write_text("""
import everywatt, everywatt.torch, sys, time, torch
class Dear(torch.utils.data.Dataset):
    def __len__(self): return 48
    def __getitem__(self, i):
        end = time.thread_time() + 0.05
        while time.thread_time() < end: pass
        return torch.randn(16), i % 2
if __name__ == "__main__":
    torch.set_num_threads(1)
    begin = torch.utils.data.dataloader._MultiProcessingDataLoaderIter.__init__
    model = torch.nn.Linear(16, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(Dear(), batch_size=8, num_workers=2, multiprocessing_context=sys.argv[1])
    with everywatt.torch.watch(model, optimizer, loader), everywatt.phase("epoch"):
        for x, y in loader:
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    assert torch.utils.data.dataloader._MultiProcessingDataLoaderIter.__init__ is begin
""")
    done = everywatt.run(PYTHON, script, method, env=MARKS, timeout=120)
    assert done.status == 0, done.err
    assert done.bill["work"]["steps"] == 6
    epoch, = [phase["bottleneck"] for phase in done.bill["phases"] if phase["path"] == "epoch"]
    assert epoch["verdict"] == "input-bound", epoch
    assert epoch["input"]["workers"] == pytest.approx(2, abs=0.3)
    worked = 48 * 0.05
    assert epoch["input"]["cpu_seconds"] >= 0.65 * worked
    assert method == "spawn" or epoch["input"]["cpu_seconds"] <= 1.35 * worked  # a spawned worker imports PyTorch first
