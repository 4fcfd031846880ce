"""Several everywatts at once share one machine without a leader, and book it once."""
import os
import time

import pytest

from conftest import PYTHON, assert_books_balance, burn, device, finish, span_of
from moving_machine import ALTERNATE, CPUS, Machine


@pytest.mark.parametrize("power", [45.0, lambda utilisation, _: 20 + 60 * utilisation], ids=["constant", "load-dependent"])
def test_two_runs_at_once_book_the_device_once(everywatt, tmp_path, power):
    work = [(1, 2), (0, 1), (CPUS, 1.5), (0, 1.5)]
    with Machine.composed(tmp_path / "machine", {"package-0": power, "dram": 3.0}, period=0.002) as machine:
        jobs = [everywatt.start(PYTHON, "-S", "-c", ALTERNATE, repr(steps), machine=machine)
                for steps in (work, work[1:] + [(1, 2)])]
        runs = [finish(job) for job in jobs]
    assert [run.status for run in runs] == [0, 0], [run.err for run in runs]
    bills = [run.bill for run in runs]
    spans = [span_of(bill) for bill in bills]
    begin, end = min(s[0] for s in spans), max(s[1] for s in spans)
    whole = machine.joules("package-0", begin, end)
    booked = sum(device(bill, "package:0")["total_joules"] for bill in bills)
    edges = 80 * 0.01  # a counter 2 ms old and a stamp in milliseconds, at both ends
    assert booked <= whole * 1.002 + edges
    # Nobody else works on this machine: what neither run got would have fallen between two books.
    assert booked >= whole * 0.99 - edges
    for bill in bills:
        assert_books_balance(bill)


def test_a_busy_run_does_not_charge_a_sleeping_neighbour(everywatt, tmp_path):
    with Machine.composed(tmp_path / "machine", {"package-0": lambda u, _: 20 + 60 * u, "dram": 3.0}) as machine:
        asleep = everywatt.start("sleep", "4", machine=machine)
        busy = everywatt.start(*burn(CPUS, 3.5), machine=machine)
        asleep, busy = finish(asleep).bill, finish(busy).bill
    assert device(asleep, "package:0")["busy_joules"] <= 0.02 * device(busy, "package:0")["busy_joules"]
    assert device(asleep, "package:0")["other_joules"] >= 0.8 * device(busy, "package:0")["busy_joules"]


def test_a_reserved_part_of_the_machine_is_charged_its_idle(everywatt, tmp_path):
    """A run held to one CPU reserves one CPU; the rest is left to who reserves nothing."""
    with Machine.composed(tmp_path / "machine", {"package-0": lambda u, _: 20 + 60 * u, "dram": 3.0}) as machine:
        held = everywatt.start("taskset", "-c", "0", "sleep", "3.5", machine=machine, preexec_fn=lambda: os.sched_setaffinity(0, {0}))
        free = everywatt.start("sleep", "3.5", machine=machine)
        held, free = finish(held).bill, finish(free).bill
    reserved = {row["id"]: row["reserved"] for row in held["compute"]["device_seconds"]}
    assert reserved["package:0"] == pytest.approx(held["duration_seconds"] / CPUS, rel=0.05)
    idle = [device(bill, "package:0")["idle_joules"] for bill in (held, free)]
    assert idle[0] / (idle[0] + idle[1]) == pytest.approx(1 / CPUS if CPUS > 1 else 0.5, abs=0.06)


def test_a_run_that_comes_later_shares_idle_only_from_then_on(everywatt, tmp_path):
    with Machine.composed(tmp_path / "machine", {"package-0": 20.0, "dram": 3.0}) as machine:
        long = everywatt.start("sleep", "5", machine=machine)
        short = everywatt.run("sleep", "1.5", machine=machine).bill
        long = finish(long).bill
    idle = [device(bill, "package:0")["idle_joules"] + device(bill, "package:0")["busy_joules"] for bill in (long, short)]
    other = device(long, "package:0")["other_joules"]
    assert idle[0] + other == pytest.approx(20 * long["duration_seconds"], rel=0.02)
    assert other == pytest.approx(idle[1], abs=0.25 * 20 * 1.5 + 0.1 * 20 * long["duration_seconds"])


def test_presence_of_dead_runs_takes_no_share(everywatt, tmp_path):
    with Machine.composed(tmp_path / "machine", {"package-0": 20.0, "dram": 3.0}) as machine:
        dead = everywatt.start("sleep", "0.5", machine=machine)
        alive = everywatt.start("sleep", "4.2", machine=machine)
        time.sleep(1)
        dead.kill()
        dead.wait()
        bill = finish(alive).bill
    package = device(bill, "package:0")
    assert package["unattributed_joules"] <= 0.02 * package["measured_joules"]
    assert package["total_joules"] + package["other_joules"] == pytest.approx(20 * bill["duration_seconds"], rel=0.02)
