"""Whose part a run is: by ancestry, whatever becomes of variables; and processes that two runs would measure."""
import os
import signal
import subprocess
import time

import pytest

from conftest import PYTHON, burn, finish, seconds_of

STALE = "0123456789"


def started(everywatt, *command, **more):
    """A run that has begun to measure, and its id."""
    known = {run["id"] for run in everywatt.json("ls")["runs"]}
    job = everywatt.start(*command, **more)
    for _ in range(100):
        fresh = [run["id"] for run in everywatt.json("ls")["runs"] if run["id"] not in known]
        if fresh:
            return job, fresh[0]
        time.sleep(0.05)
    raise AssertionError("the run never came to the ledger")


def attach(everywatt, pid, name):
    return subprocess.Popen([everywatt.binary, "attach", "--name", name, str(pid)], env=everywatt.environment(),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_nested_run_is_known_by_its_ancestors_without_any_variable(everywatt):
    inner = ["env", "-u", "EVERYWATT_RUN_ID", everywatt.binary, "run", "--name", "inner", "--quiet", "--", "true"]
    outer = everywatt.run(*inner, flags=["--name", "outer"]).bill
    assert outer["parent"] is None
    assert everywatt.show("inner")["parent"] == outer["id"]


def test_a_variable_that_outlived_its_run_makes_no_parent(everywatt):
    assert everywatt.run("true", env={"EVERYWATT_RUN_ID": STALE}).bill["parent"] is None
    assert everywatt.run("true", env={"EVERYWATT_RUN_ID": "hello;drop"}).bill["parent"] is None


def test_a_variable_that_leaked_from_a_living_run_makes_no_parent(everywatt):
    live, run = started(everywatt, "sleep", "1.5")
    assert everywatt.run("true", env={"EVERYWATT_RUN_ID": run}).bill["parent"] is None
    finish(live)


def test_where_ancestors_cannot_be_seen_the_variable_decides(everywatt):
    inner = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", everywatt.binary, "run", "--name", "inner", "--quiet", "--", "true"]
    outer = everywatt.run(*inner, flags=["--name", "outer"])
    assert outer.status == 0, outer.err
    assert everywatt.show("inner")["parent"] == outer.bill["id"]


def test_of_two_that_attach_to_one_process_the_second_is_part_of_the_first(everywatt):
    with subprocess.Popen(burn(1, 2.5)) as job:
        first = attach(everywatt, job.pid, "first")
        time.sleep(0.5)
        second = attach(everywatt, job.pid, "second")
        job.wait()
        errors = [one.communicate(timeout=20)[1] for one in (first, second)]
    first, second = everywatt.show("first"), everywatt.show("second")
    assert first["parent"] is None and second["parent"] == first["id"], errors
    assert f"part of run {first['id']}" in " ".join(errors[1].split())


def test_attaching_to_the_child_of_a_run_is_part_of_that_run(everywatt):
    live, run = started(everywatt, "sleep", "2")
    child = subprocess.run(["pgrep", "-P", str(live.pid)], capture_output=True, text=True, check=True).stdout.split()[0]
    attach(everywatt, child, "child").communicate(timeout=20)
    finish(live)
    assert everywatt.show("child")["parent"] == run


def test_attaching_around_a_run_is_refused(everywatt):
    live, run = started(everywatt, "sleep", "1.5")
    refused = everywatt("attach", os.getpid())
    assert refused.returncode == 2 and run in refused.stderr and len(refused.stderr.splitlines()) == 1
    finish(live)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_attach_with_its_bill_and_not_the_process(everywatt, number):
    with subprocess.Popen(["sleep", "30"]) as job:
        watch = attach(everywatt, job.pid, "watched")
        time.sleep(1.3)
        watch.send_signal(number)
        errors = watch.communicate(timeout=10)[1]
        assert watch.returncode == 0, errors
        assert job.poll() is None, "the process goes on"
        job.kill()
    bill = everywatt.show("watched")
    assert bill["status"] == "finished" and bill["exit_status"] is None
    assert bill["ended_by"] == f"signal {int(number)} ({number.name}) to everywatt"
    assert 1 <= bill["duration_seconds"] <= 3 and "kept in" in errors


def test_the_exit_status_of_an_attached_process_is_not_known(everywatt):
    with subprocess.Popen(["sleep", "0.5"]) as job:
        attach(everywatt, job.pid, "watched").communicate(timeout=10)
    assert everywatt.show("watched")["exit_status"] is None


# --- a ledger that changes while a run is measured

def test_a_run_that_is_being_measured_is_not_removed(everywatt):
    live, run = started(everywatt, "sleep", "1.5")
    refused = everywatt("rm", run)
    assert refused.returncode == 2 and run in refused.stderr
    assert finish(live).bill["energy"]["total_joules"] == everywatt.show(run)["energy"]["total_joules"]
    assert everywatt("rm", run).returncode == 0


def test_a_ledger_that_is_deleted_meanwhile_gets_the_whole_bill(everywatt):
    live, run = started(everywatt, *burn(1, 4))
    time.sleep(2.2)
    for file in everywatt.database.parent.glob("everywatt.db*"):
        file.unlink()
    bill = finish(live).bill
    kept = everywatt.show(run)
    assert kept["energy"]["total_joules"] == bill["energy"]["total_joules"]
    assert seconds_of(kept["ended"]) - seconds_of(kept["started"]) == pytest.approx(4, abs=0.5)
    assert any("the ledger lost this run" in notice for notice in kept["notices"])

