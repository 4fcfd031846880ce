"""Jobs that say what they do: phases, steps and counts on the bill of `everywatt run`."""
import os
import signal
import time

import pytest
from conftest import PYTHON, REPOSITORY, assert_books_balance, device
from moving_machine import Machine

LIBRARY = REPOSITORY / "build/release/lib/libeverywatt.so"
MARKS = {"PYTHONPATH": str(REPOSITORY / "python"), "EVERYWATT_LIBRARY": str(LIBRARY)}
PRELUDE = """
import everywatt, os, sys, threading, time
def burn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end: pass
"""


def measured(everywatt, text, status=0):
    done = everywatt.run(PYTHON, "-c", PRELUDE + text, env=MARKS)
    assert done.status == status, done.err
    bill = everywatt.show()
    assert bill["phases"] == done.bill["phases"]
    assert_books_balance(bill)
    phases = {phase["path"]: phase for phase in bill["phases"]}
    assert sum(phase["self_joules"] for phase in phases.values()) == pytest.approx(bill["energy"]["total_joules"], abs=1e-5)
    return bill, phases


def watts(phase):
    return phase["self_joules"] / phase["duration_seconds"]


def test_a_phase_that_burns_costs_more_than_one_that_sleeps(everywatt):
    bill, phases = measured(everywatt, """
with everywatt.phase("train"):
    for _ in range(2):
        with everywatt.phase("burn"): burn(1.0)
        with everywatt.phase("sleep"): time.sleep(1.0)
""")
    assert phases["train/burn"]["count"] == phases["train/sleep"]["count"] == 2
    assert phases["train/burn"]["duration_seconds"] == pytest.approx(2, abs=0.1)
    # Of a small machine without sensors most is memory, which is modelled as a constant.
    assert watts(phases["train/burn"]) > 1.08 * watts(phases["train/sleep"])
    parts = sum(phases[path]["self_joules"] for path in ("train", "train/burn", "train/sleep"))
    assert phases["train"]["energy_joules"] == pytest.approx(parts, abs=1e-5)  # children once


def test_a_phase_begins_with_a_reading_however_seldom_the_meter_looked_before(everywatt, tmp_path):
    fire = tmp_path / "fire"
    with Machine.composed(tmp_path / "machine", {"package-0": lambda utilisation, now: 500.0 if fire.exists() else 10.0}) as machine:
        done = everywatt.run(PYTHON, "-c", PRELUDE + f"""
import pathlib
time.sleep(2.67)
with everywatt.phase("burst"):
    time.sleep(0.02)
    pathlib.Path("{fire}").touch()
    burn(0.3)
burn(0.4)
""", env=MARKS, machine=machine)
    assert done.status == 0, done.err
    burst = next(phase for phase in done.bill["phases"] if phase["path"] == "burst")
    energy = done.bill["energy"]
    constant = (energy["measured_joules"] - device(done.bill, "package:0")["measured_joules"]) / done.bill["duration_seconds"]
    drawn = 10 * 0.02 + 500 * (burst["duration_seconds"] - 0.02) + constant * burst["duration_seconds"]
    assert burst["self_joules"] == pytest.approx(drawn, rel=0.08)


def test_what_the_job_counts_and_states_is_on_the_bill(everywatt):
    bill, _ = measured(everywatt, """
for step in range(10):
    everywatt.count("tokens", 500); everywatt.count("samples", 4); everywatt.count("flops", 2e9, "bf16"); everywatt.step()
everywatt.metric("loss", 0.5); everywatt.metric("loss", 0.25); everywatt.metric("loss", float("nan"))
everywatt.tag("optimizer", "adamw")
""")
    assert bill["work"] | {"flops": None} == {
        "steps": 10, "tokens": 5000, "samples": 40, "flops": None,
        "joules_per_step": pytest.approx(bill["energy"]["total_joules"] / 10),
        "joules_per_token": pytest.approx(bill["energy"]["total_joules"] / 5000),
        "joules_per_sample": pytest.approx(bill["energy"]["total_joules"] / 40)}
    assert bill["work"]["flops"] == {"bf16": 2e10} and bill["compute"]["model_flops"] == 2e10
    assert bill["metrics"]["loss"] == 0.25 and bill["tags"]["optimizer"] == "adamw"
    assert any("metric loss" in notice for notice in bill["notices"])
    assert bill["overhead"]["marks_dropped"] == 0


def test_an_exception_ends_the_phases_that_it_leaves(everywatt):
    bill, phases = measured(everywatt, """
with everywatt.phase("outer"):
    try:
        with everywatt.phase("inner"):
            burn(0.2)
            raise ValueError
    except ValueError: pass
    burn(0.2)
sys.exit(3)
""", status=3)
    assert phases["outer/inner"]["duration_seconds"] == pytest.approx(0.2, abs=0.05)
    assert phases["outer"]["duration_seconds"] == pytest.approx(0.4, abs=0.1)


def test_phases_that_end_out_of_order_are_reported_and_nothing_fails(everywatt):
    bill, phases = measured(everywatt, """
outer, inner = everywatt.phase("outer"), everywatt.phase("inner")
outer.__enter__(); inner.__enter__()
burn(0.1)
outer.__exit__(); inner.__exit__()
burn(0.1)
""")
    assert any("out of order" in notice and "outer/inner" in notice for notice in bill["notices"])
    assert phases["outer"]["duration_seconds"] == pytest.approx(0.1, abs=0.05)


def test_phases_of_other_threads_have_time_and_no_joules(everywatt):
    bill, phases = measured(everywatt, """
def work():
    with everywatt.phase("loader"): burn(0.5)
thread = threading.Thread(target=work)
with everywatt.phase("main"):
    thread.start(); thread.join()
""")
    assert phases["loader"]["duration_seconds"] == pytest.approx(0.5, abs=0.2)
    assert phases["loader"]["energy_joules"] == 0 < phases["main"]["self_joules"]


def test_processes_have_phases_of_their_own_and_share_by_what_they_work(everywatt):
    bill, phases = measured(everywatt, """
children = []
for name in ("busy", "idle"):
    child = os.fork()
    if child == 0:
        with everywatt.phase(name):
            burn(2.5) if name == "busy" else time.sleep(2.5)
        os._exit(0)
    children.append(child)
for child in children: os.waitpid(child, 0)
""")
    assert {"busy", "idle"} <= set(phases)
    assert phases["busy"]["self_joules"] > 3 * phases["idle"]["self_joules"]


def test_what_a_killed_job_marked_is_on_the_bill(everywatt):
    bill, phases = measured(everywatt, """
with everywatt.phase("epoch"):
    for _ in range(1000): everywatt.step()
    burn(0.3)
    os.kill(os.getpid(), 9)
""", status=128 + signal.SIGKILL)
    assert bill["status"] == "killed" and bill["work"]["steps"] == 1000
    assert phases["epoch"]["count"] == 1


def test_of_a_thousand_steps_a_second_none_is_lost(everywatt):
    bill, phases = measured(everywatt, """
end = time.monotonic() + 3
while time.monotonic() < end:
    with everywatt.phase("step"):
        with everywatt.phase("forward"): time.sleep(0.0003)
        with everywatt.phase("backward"): time.sleep(0.0003)
    everywatt.step()
""")
    assert phases["step/forward"]["count"] == phases["step"]["count"] == bill["work"]["steps"] > 1000
    assert bill["overhead"]["marks_dropped"] == 0


def test_the_socket_is_gone_when_the_run_has_ended(everywatt, tmp_path):
    done = everywatt.run(PYTHON, "-c", "import os; print(os.environ['EVERYWATT_SOCKET'])",
                         env={**MARKS, "XDG_RUNTIME_DIR": str(tmp_path)})
    path = done.out.decode().strip()
    assert path.startswith(str(tmp_path)) and not os.path.exists(path)


def test_a_supervisor_that_is_killed_does_not_disturb_a_job_that_marks(everywatt, tmp_path):
    out = tmp_path / "out"
    supervisor = everywatt.start(PYTHON, "-c", PRELUDE + f"""
for _ in range(30):
    with everywatt.phase("epoch"): burn(0.05)
    everywatt.step()
open({str(out)!r}, "w").write("done")
""", env=MARKS)
    time.sleep(1.2)
    supervisor.kill()
    supervisor.wait()
    for _ in range(100):
        if out.exists():
            break
        time.sleep(0.1)
    assert out.read_text() == "done"
    phases = {phase["path"] for phase in everywatt.show()["phases"]}
    assert "epoch" in phases
