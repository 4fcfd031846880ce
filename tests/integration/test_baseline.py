"""The gold standard of a model: epochs with their energy on the bill and in the ledger, and a run against the norm.

A verdict's truth must be known, so epochs of real runs are given seeded energies in the ledger (docs/formats/store.md)."""
import json
import random
import sqlite3
import subprocess

import pytest
from conftest import PYTHON, REPOSITORY

MARKS = {"PYTHONPATH": str(REPOSITORY / "python"), "EVERYWATT_LIBRARY": str(REPOSITORY / "build/release/lib/libeverywatt.so")}
EPOCHS = """
import everywatt, sys, time
for epoch in range(int(sys.argv[1])):
    with everywatt.phase("epoch"):
        end = time.monotonic() + float(sys.argv[2])
        while time.monotonic() < end: pass
        with everywatt.waiting("data"): time.sleep(0.01)
"""


def run_epochs(everywatt, count, seconds=0.01, flags=(), **more):
    done = everywatt.run(PYTHON, "-c", EPOCHS, str(count), str(seconds), flags=["--model", "digits", *flags], env=MARKS, **more)
    assert done.status == 0, done.err
    return done.bill


def spans(everywatt, run):
    with sqlite3.connect(everywatt.database) as ledger:
        return ledger.execute(
            "SELECT text, begin_ns, end_ns, energy_uj FROM span JOIN run ON run.key = span.run JOIN name ON name.run = span.run "
            "AND name.number = span.phase WHERE run.id = ? ORDER BY span.number", (run,)).fetchall()


def seeded(everywatt, count, joules, spread=0.015, seed=1, **more):
    """A run whose epochs took about so much each, ten seconds long; its id."""
    run = run_epochs(everywatt, count, **more)["id"]
    chance = random.Random(seed)
    with sqlite3.connect(everywatt.database) as ledger:
        key = ledger.execute("SELECT key FROM run WHERE id = ?", (run,)).fetchone()[0]
        path = ledger.execute("SELECT number FROM name WHERE run = ? AND text = 'epoch'", (key,)).fetchone()[0]
        numbers = [row[0] for row in ledger.execute("SELECT number FROM span WHERE run = ? AND phase = ?", (key, path))]
        assert len(numbers) == count
        for place, number in enumerate(numbers):
            begin = place * 11_000_000_000
            length = round(1e10 * chance.lognormvariate(0, spread / 2))
            energy = round(joules * 1e6 * chance.lognormvariate(0, spread))
            ledger.execute("UPDATE span SET begin_ns = ?, end_ns = ?, energy_uj = ? WHERE run = ? AND number = ?",
                           (begin, begin + length, energy, key, number))
    return run


def check(everywatt, run, *flags):
    done = everywatt("baseline", "check", run, "--json", *flags)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def test_each_epoch_has_its_energy_and_they_sum_to_that_of_the_phase(everywatt):
    bill = run_epochs(everywatt, 4, 0.4)
    phase = next(p for p in bill["phases"] if p["path"] == "epoch")
    kept = [row for row in spans(everywatt, bill["id"]) if row[0] == "epoch"]
    assert phase["spread"]["count"] == len(kept) == 4
    assert sum(row[3] for row in kept) == pytest.approx(phase["energy_joules"] * 1e6, abs=10)
    assert sum(row[2] - row[1] for row in kept) / 1e9 == pytest.approx(phase["duration_seconds"], abs=1e-6)
    assert phase["spread"]["min_joules"] <= phase["spread"]["median_joules"] <= phase["spread"]["max_joules"]
    assert everywatt.show(bill["id"])["phases"] == bill["phases"]
    wait = next(p for p in bill["phases"] if p["path"] == "epoch/wait:data")
    assert wait["spread"]["count"] == 4
    assert next(p for p in bill["phases"] if p["path"] == "")["spread"] is None


def test_a_change_of_five_percent_is_told_from_noise(everywatt):
    good = seeded(everywatt, 10, 500, seed=1)
    same = seeded(everywatt, 10, 500, seed=2)
    worse = seeded(everywatt, 10, 525, seed=3)
    assert everywatt("baseline", "set", good).returncode == 0
    status, told = check(everywatt, same)
    assert status == 0 and told["verdict"] == "no worse"
    assert told["energy"]["ratio_low"] < 1 < told["energy"]["ratio_high"] and told["energy"]["ratio_high"] < 1.05
    status, told = check(everywatt, worse)
    assert status == 1 and told["verdict"] == "worse" and told["energy"]["outcome"] == "worse"
    assert 1.03 < told["energy"]["ratio"] < 1.07 and told["time"]["outcome"] == "same"
    assert check(everywatt, worse, "--tolerance", "10%")[0] == 0


def test_what_changed_around_it_is_told_first(everywatt):
    everywatt("baseline", "set", seeded(everywatt, 6, 500, flags=["--tag", "batch=32"]))
    after = seeded(everywatt, 6, 500, seed=2, flags=["--tag", "batch=64", "--model-version", "2"])
    changes = {c["what"]: (c["before"], c["after"]) for c in check(everywatt, after)[1]["changes"]}
    assert changes == {"tag: batch": ("32", "64"), "model version": (None, "2")}
    text = everywatt("baseline", "check", after).stdout
    assert 0 < text.index("tag: batch: 32 → 64") < text.index("verdict")


def test_two_epochs_are_inconclusive(everywatt):
    everywatt("baseline", "set", seeded(everywatt, 6, 500))
    status, told = check(everywatt, seeded(everywatt, 2, 900))
    assert status == 3 and told["verdict"] == "inconclusive" and "the run 2" in told["reason"]


def test_a_spread_in_which_five_percent_would_drown_is_inconclusive(everywatt):
    everywatt("baseline", "set", seeded(everywatt, 4, 500, spread=0.2))
    status, told = check(everywatt, seeded(everywatt, 4, 500, spread=0.2, seed=2))
    assert status == 3 and "spread" in told["reason"]


def test_other_hardware_is_refused_unless_asked_for(everywatt):
    run = seeded(everywatt, 6, 500)
    everywatt("baseline", "set", run)
    with sqlite3.connect(everywatt.database) as ledger:
        facts = json.loads(ledger.execute("SELECT environment FROM run WHERE id = ?", (run,)).fetchone()[0])
        ledger.execute("UPDATE run SET environment = ? WHERE id = ?", (json.dumps(facts | {"cpu": "Another CPU"}, separators=(",", ":")), run))
    status, told = check(everywatt, run)
    assert status == 2 and "other hardware (Another CPU" in told and "--other-hardware" in told
    status, told = check(everywatt, run, "--other-hardware")
    assert status == 0 and "hardware" in [change["what"] for change in told["changes"]]


def test_a_baseline_outlives_its_run(everywatt):
    run = seeded(everywatt, 6, 500)
    assert everywatt("baseline", "set", run).returncode == 0
    after = seeded(everywatt, 6, 500, seed=2)
    assert everywatt("rm", run).returncode == 0
    assert check(everywatt, after)[0] == 0
    shown = json.loads(everywatt("baseline", "show", "digits", "--json").stdout)
    assert shown["schema"] == "everywatt.baseline/1" and shown["run"] == run and len(shown["times"]) == 6
    assert 0.01 < shown["detectable_increase"] < 0.1


def test_what_is_missing_is_named(everywatt):
    bill = run_epochs(everywatt, 2)
    assert "no baseline of 'digits'" in everywatt("baseline", "check", bill["id"]).stderr
    told = everywatt("baseline", "set", bill["id"], "--phase", "evaluation")
    assert told.returncode == 1 and "expected one of epoch, epoch/wait:data" in told.stderr
    plain = everywatt.run("true").bill["id"]
    assert "no phases" in everywatt("baseline", "set", plain).stderr
    assert everywatt("baseline", "show").returncode == 1


def test_the_environment_names_commit_and_state_of_the_working_copy(everywatt, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "train.py").write_text("print(1)\n")

    def git(*words):
        subprocess.run(["git", "-C", work, "-c", "user.name=n", "-c", "user.email=e", *words], check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("commit", "-m", "first")
    head = subprocess.run(["git", "-C", work, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()

    def facts():
        return everywatt.run("sleep", "0.5", cwd=work).bill["environment"]

    assert facts()["git_commit"] == head and facts()["git_dirty"] == "false"
    (work / "train.py").write_text("print(1, 2)\n")
    assert facts()["git_dirty"] == "true"


def test_the_environment_names_the_interpreter_and_the_number_of_ranks(everywatt):
    done = everywatt.run(PYTHON, "-c", "import time; time.sleep(2.6)", env={"WORLD_SIZE": "4", "PYTHONHASHSEED": "7"})
    facts = done.bill["environment"]
    assert facts["world_size"] == "4" and facts["seed_pythonhashseed"] == "7" and facts["python"].startswith("3.")
