"""Budgets: a word at four fifths, a polite end at the whole; and the bill to come."""
import pathlib
import signal
import time

from conftest import PYTHON, REPOSITORY, finish

MARKS = {"PYTHONPATH": str(REPOSITORY / "python"), "EVERYWATT_LIBRARY": str(REPOSITORY / "build/release/lib/libeverywatt.so")}


def notices(bill):
    return [notice for notice in bill["notices"] if notice.startswith("budget:")]


def test_a_job_that_used_up_its_time_is_asked_to_end(everywatt):
    begun = time.monotonic()
    done = everywatt.run("sleep", "60", flags=["--budget", "1s"])
    assert time.monotonic() - begun < 20
    assert done.status == 128 + signal.SIGTERM and done.bill["ended_by"] == "budget" and done.bill["status"] == "killed"
    assert "used up" in " ".join(notices(done.bill)) and "asked to end" in " ".join(notices(done.bill))
    assert "by budget" in done.err


def test_one_that_used_up_its_energy_too(everywatt):
    done = everywatt.run(PYTHON, "-c", "while True: pass", flags=["--budget", "1J", "--budget", "1h"])
    assert done.bill["ended_by"] == "budget" and done.bill["energy"]["total_joules"] >= 1


def test_a_job_may_end_in_its_own_way(everywatt):
    done = everywatt.run(PYTHON, "-c", "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\ntime.sleep(60)",
                         flags=["--budget", "1s"])
    assert done.status == 0 and done.bill["status"] == "finished" and done.bill["ended_by"] == "budget"


def test_every_process_of_the_run_is_asked(everywatt, tmp_path):
    pid_file = tmp_path / "pid"
    done = everywatt.run("sh", "-c", f"sleep 61 & echo $! > {pid_file}; wait", flags=["--budget", "1s"])
    assert done.bill["ended_by"] == "budget"
    child = pathlib.Path(f"/proc/{pid_file.read_text().strip()}/cmdline")
    for _ in range(50):
        if not child.exists() or child.read_bytes() == b"":
            break
        time.sleep(0.1)
    assert not child.exists() or child.read_bytes() == b""


def test_one_that_does_not_listen_goes_on_and_that_is_told(everywatt):
    done = everywatt.run(PYTHON, "-c", "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(5)",
                         flags=["--budget", "1s", "--grace", "1s"])
    assert done.status == 0 and done.bill["ended_by"] == "budget"
    assert any("it is not killed" in notice for notice in notices(done.bill))


def test_a_warning_stops_nothing(everywatt):
    done = everywatt.run("sleep", "2.5", flags=["--budget", "1s", "--budget-action", "warn"])
    assert done.status == 0 and done.bill["status"] == "finished" and done.bill["ended_by"] is None
    assert any("used up" in notice for notice in notices(done.bill))


def test_within_its_budget_a_run_hears_nothing(everywatt):
    done = everywatt.run("sleep", "1.2", flags=["--budget", "1h", "--budget", "5kWh"])
    assert done.status == 0 and notices(done.bill) == []


def test_nothing_is_written_between_the_job_and_its_streams(everywatt):
    done = everywatt.run("sh", "-c", "trap '' TERM; sleep 3; echo the end >&2", flags=["--budget", "1s", "--grace", "1s", "--quiet"])
    assert done.err == "Terminated\nthe end\n" or done.err == "the end\n"  # the shell's own word for its child


def test_the_bill_to_come_is_told_after_two_epochs(everywatt):
    process = everywatt.start(PYTHON, "-c", """
import everywatt, time
for epoch in range(40):
    with everywatt.phase("epoch"): time.sleep(0.5)
""", flags=["--expect-epochs", "40"], env=MARKS)
    try:
        told = None
        for _ in range(100):
            time.sleep(0.2)
            shown = everywatt("show", "--json")
            if shown.returncode == 0 and '"forecast": {' in shown.stdout:
                told = everywatt.show()["forecast"]
                break
        assert told and 2 <= told["epochs_done"] < 40 and told["epochs_expected"] == 40
        assert 0 < told["energy_low_joules"] <= told["energy_joules"] <= told["energy_high_joules"]
        assert 19 < told["duration_seconds"] < 40  # 40 epochs of half a second
        assert "of 40 epochs" in everywatt("show").stdout
    finally:
        process.terminate()
        done = finish(process)
    assert done.bill["forecast"] is None
