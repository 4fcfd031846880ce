"""GPUs that are not there when a run begins, for a while or for good, beside one that is."""
import pytest

from conftest import assert_books_balance, device
from lab_machines import SHORT, Machine, sound, uuid
from lab_runs import assert_charged, assert_on_time, assert_true, run_all, run_on_lab

# Of the first of two.
AT_START = {
    "hangs for a while": {"kind": "hangs", "length_s": 2, "from_s": 0, "to_s": 1},
    "hangs for good": {"kind": "hangs", "length_s": 600, "from_s": 0, "to_s": 600},
    "lost for a while": {"kind": "answers", "status": "gpu_is_lost", "from_s": 0, "to_s": 2},
    "lost for good": {"kind": "answers", "status": "gpu_is_lost", "from_s": 0, "to_s": 600},
}


def machine_at_start(defect):
    befallen_gpu = sound(SHORT)
    befallen_gpu.befalls.append(defect)
    return Machine([((), befallen_gpu), ((), sound(SHORT))], SHORT)


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    machines = {name: machine_at_start(defect) for name, defect in AT_START.items()}
    return run_all(tmp_path_factory.mktemp("starts"), {n: (m.text(), m.seconds) for n, m in machines.items()})


@pytest.mark.parametrize("name", AT_START)
def test_a_gpu_that_does_not_answer_when_the_run_begins_keeps_none_but_itself(starts, name):
    run = starts[name]
    assert_on_time(run, machine_at_start(AT_START[name]))
    assert_books_balance(run.bill)
    truth = run.truth()
    beside = device(run.bill, "gpu:" + uuid(1))
    # Another goes on after a quarter of a second, at the next tick, which a busy machine may have late.
    assert beside["coverage"] > 0.8 and beside["method"] == "counter", beside
    assert_true(run, beside, truth)
    assert_charged(run, beside, truth)
    if "for good" in name:
        assert [gpu["id"] for gpu in run.gpus] == [beside["id"]]
        why = "it did not answer before the end" if "hangs" in name else "the GPU is lost"
        assert f"nvml: GPU 0 is not measured: {why}" in run.said
        return
    gpu = device(run.bill, "gpu:" + uuid(0))
    assert "is not measured" not in run.said
    assert 2.2 / SHORT < gpu["coverage"] < 3.6 / SHORT, gpu  # it was there from the second second on
    assert "was not up yet" in next(g["reason"] for g in run.bill["gaps"] if g["device"] == gpu["id"])
    assert_true(run, gpu, truth)
    assert_charged(run, gpu, truth)


@pytest.mark.parametrize("name", [name for name in AT_START if "for good" in name])
def test_a_run_that_is_killed_names_the_gpu_that_did_not_come_up(tmp_path, name):
    run = run_on_lab(tmp_path / "killed", machine_at_start(AT_START[name]).text(), "sh", "-c", "sleep 2.5; kill -9 $PPID; sleep 0.2")
    assert [gpu["id"] for gpu in run.gpus] == ["gpu:" + uuid(1)]
    assert [notice for notice in run.bill["notices"] if "nvml: GPU 0 is not measured: " in notice], run.bill["notices"]


def test_a_gpu_of_which_nothing_was_booked_yet_is_null_and_not_zero(tmp_path):
    text = Machine([((), sound(SHORT)), ((), sound(SHORT))], SHORT).text()
    run = run_on_lab(tmp_path / "killed", text, "sh", "-c", "sleep 1.2; kill -9 $PPID; sleep 0.2", begin=0.1)
    assert len(run.gpus) == 2
    for gpu in run.gpus:
        assert gpu["measured_joules"] is None or gpu["measured_joules"] > 0, gpu
        assert gpu["measured_joules"] is not None or gpu["reason"] == "not measured yet", gpu
