"""A GPU that two runs and a process of neither share, beside the truth of each."""
import concurrent.futures
import json
import subprocess

import pytest

from conftest import BINARY, Everywatt, assert_books_balance, device, seconds_of
from lab_runs import LAB, truth_between, wait_for_second

GPU = "gpu:GPU-1ab00000-0000-4000-8000-000000000000"
FOREIGN, FIRST, SECOND = "job", "job/1/1", "job/2/1"
# By process that holds a context: its share of the work.
SHARES = {"alike": {FIRST: 1 / 3, SECOND: 1 / 3, FOREIGN: 1 / 3}, "unlike": {FIRST: 0.5, SECOND: 0.3, FOREIGN: 0.2},
          "two": {FIRST: 0.7, SECOND: 0.3}, "one-rests": {FIRST: 1, SECOND: 0}, "one-without-a-context": {FIRST: 1}}
IDLE_WATTS = 90
# Quiet for long enough that the floor is seen, then work, then quiet: how old a sample of the utilisation is matters at
# the ends of the run alone, and there is none.
MACHINE = f"""
[[package]]
watts = 70
[[gpu]]
name = "NVIDIA H100 80GB HBM3"
watts = {{ steps = [[0, {IDLE_WATTS}], [3.2, 450], [6.2, {IDLE_WATTS}]] }}
idle_watts = {IDLE_WATTS}
utilisation = {{ steps = [[0, 0], [3.2, 0.9], [6.2, 0]] }}
"""
SECONDS = 7.5
# In which part of a second they begin, so that work begins and ends in the middle of a window of one: runs that share a
# GPU cut the energy between two readings by time, and what is so put to a window without work is taken for idle draw.
BEGIN = 0.3
# What is drawn between the begin of a run and the first look at the counter and the processes, a tenth of a second later
# and on a busy machine two; so much later, too, the second run may begin.
UNSEEN = 0.25 * IDLE_WATTS
# Work is told six times a second, and with it whose context was there: what lies between two tellings may be put to the wrong one.
UNTOLD = IDLE_WATTS / 6
# What a charge is off at most, of the GPU's energy: the board counts truly, its floor is seen, its processes are sampled.
NEARLY = 0.03


def parts_of(truth, pid):
    """Idle and active joules; nothing of one that holds no context."""
    parts = truth["accounts"]["processes"].get(pid, {"idle_joules": 0, "active_joules": 0})
    return parts["idle_joules"], parts["active_joules"]


class Shared:
    """Two runs below one command, which is the foreign process."""

    def __init__(self, folder, shares):
        folder.mkdir()
        self.scenario = folder / "scenario.toml"
        self.scenario.write_text(MACHINE + "".join(f'[[gpu.process]]\npid = "{pid}"\nshare = {share}\n'
                                                   for pid, share in shares.items()))
        run = "{} run --quiet --json {}/{}.json -- sleep {} & "
        script = "".join(run.format(BINARY, folder, name, SECONDS) for name in ("first", "second")) + "wait"
        wait_for_second(BEGIN)
        done = subprocess.run([str(LAB), "--truth", str(folder / "truth.json"), str(self.scenario), "--", "sh", "-c", script],
                              env=Everywatt(folder).environment(), timeout=60, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.begun = json.loads((folder / "truth.json").read_text())["start"]["wall_ns"] / 1e9
        self.bills = {pid: json.loads((folder / f"{name}.json").read_text())
                      for pid, name in ((FIRST, "first"), (SECOND, "second"))}
        self.gpus = {pid: device(bill, GPU) for pid, bill in self.bills.items()}
        self.truth = {pid: self._truth(bill) for pid, bill in self.bills.items()}

    def _truth(self, bill):
        begin = seconds_of(bill["started"]) - self.begun
        return truth_between(self.scenario, begin, begin + bill["duration_seconds"])[GPU]

    def true_parts(self, pid):
        """Idle and active joules of a process while the first of the runs ran."""
        return parts_of(self.truth[FIRST], pid)


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        begun = {name: pool.submit(Shared, folder / name, shares) for name, shares in SHARES.items()}
    return {name: shared.result() for name, shared in begun.items()}


@pytest.mark.parametrize("name", SHARES)
def test_both_runs_see_one_gpu_and_balance(machines, name):
    shared = machines[name]
    first, second = shared.gpus.values()
    for pid, bill in shared.bills.items():
        assert_books_balance(bill)
        gpu, truth = shared.gpus[pid], shared.truth[pid]
        assert gpu["coverage"] > 0.95 and "floor:envelope" in gpu["flags"]
        assert abs(gpu["measured_joules"] - truth["joules"]) <= gpu["uncertainty_joules"]
    # Each end is placed within a renewal of the counter.
    assert abs(first["measured_joules"] - second["measured_joules"]) <= 0.002 * first["measured_joules"] + UNSEEN
    charged = first["total_joules"] + second["total_joules"]
    for gpu, other in ((first, second), (second, first)):
        assert charged <= 1.002 * gpu["measured_joules"] + UNSEEN
        assert gpu["other_joules"] >= 0.998 * other["total_joules"] - UNSEEN


@pytest.mark.parametrize("name", SHARES)
def test_what_each_run_is_charged_is_its_own_processs(machines, name):
    shared = machines[name]
    for pid, gpu in shared.gpus.items():
        idle, active = parts_of(shared.truth[pid], pid)
        slack = min(gpu["total_uncertainty_joules"], NEARLY * gpu["measured_joules"]) if gpu["total_joules"] else 0
        assert gpu["busy_joules"] == pytest.approx(active, abs=slack), gpu
        assert gpu["idle_joules"] == pytest.approx(idle, abs=slack), gpu


@pytest.mark.parametrize("name", [name for name, shares in SHARES.items() if not shares.get(SECOND)])
def test_a_run_without_work_beside_a_busy_one_is_charged_idle_only_and_only_for_a_context(machines, name):
    gpu = machines[name].gpus[SECOND]
    assert gpu["busy_joules"] == 0, gpu
    assert (gpu["idle_joules"] > 0) == (SECOND in SHARES[name]), gpu
    assert gpu["other_joules"] >= machines[name].gpus[FIRST]["busy_joules"] > 0


@pytest.mark.parametrize("name", SHARES)
def test_what_is_neither_runs_is_the_foreign_process_where_there_is_one(machines, name):
    shared = machines[name]
    idle, active = shared.true_parts(FOREIGN)
    for pid, gpu in shared.gpus.items():
        another, = (other for other in shared.gpus if other != pid)
        others = gpu["other_joules"] - shared.gpus[another]["total_joules"]
        assert others == pytest.approx(idle + active, abs=NEARLY * gpu["measured_joules"] + UNSEEN), gpu


@pytest.mark.parametrize("name", SHARES)
def test_both_charges_and_the_foreign_part_are_the_energy_of_the_gpu(machines, name):
    shared = machines[name]
    charged = sum(gpu["total_joules"] for gpu in shared.gpus.values())
    measured = shared.gpus[FIRST]["measured_joules"]
    nobodys = shared.gpus[FIRST]["unattributed_joules"]
    assert nobodys <= UNSEEN
    assert charged <= 1.002 * shared.truth[FIRST]["joules"] + UNSEEN
    assert abs(charged + sum(shared.true_parts(FOREIGN)) + nobodys - measured) <= 0.002 * measured + UNSEEN + UNTOLD
