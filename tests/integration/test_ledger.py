"""The ledger: kept whatever the disk and the file do, and never at the job's cost."""
import contextlib
import csv
import io
import json
import os
import random
import shutil
import sqlite3
import subprocess

import pytest

from conftest import NOBODY, Everywatt, assert_books_balance, finish, span_of
from moving_machine import Machine


def energy(bill):
    return bill["energy"]


# --- what was measured is what is shown

def test_show_tells_what_run_told(everywatt):
    told = everywatt.run("sleep", "1.2", flags=["--name", "n", "--project", "p", "--model", "m", "--model-version", "v2",
                                                "--tag", "a=1", "--tag", "b=x=y", "--metric", "accuracy=0.93", "--metric",
                                                "tokens=1.5T"]).bill
    shown = everywatt.show(told["id"])
    assert shown == told
    assert (told["name"], told["project"], told["model"], told["model_version"]) == ("n", "p", "m", "v2")
    assert told["tags"] == {"a": "1", "b": "x=y"} and told["metrics"] == {"accuracy": 0.93, "tokens": 1.5e12}
    assert told["schema"] == "everywatt.run/1" and told["command"] == ["sleep", "1.2"]
    assert_books_balance(shown)


CONTRACT = {
    "": "schema id name project model model_version status parent command exit_status ended_by started ended duration_seconds "
        "tags metrics environment energy facility carbon cost compute phases network gaps overhead",
    "energy": "measured_joules total_joules busy_joules idle_joules other_joules unattributed_joules uncertainty_joules "
              "uncertainty_systematic_joules measured_fraction boundary devices",
    "compute": "device_seconds model_flops hardware_flops mfu",
    "overhead": "cpu_seconds peak_rss_bytes marks_dropped",
}
DEVICE_KEYS = ("id kind model parent counted method measured_joules total_joules busy_joules idle_joules other_joules "
               "unattributed_joules uncertainty_joules coverage flags reason")


def test_the_bill_has_every_key_of_its_contract(everywatt):
    bill = everywatt.run("sleep", "0.3").bill
    for part, keys in CONTRACT.items():
        assert set(keys.split()) <= set(bill[part] if part else bill), part
    for row in bill["energy"]["devices"]:
        assert set(DEVICE_KEYS.split()) <= set(row)
    assert [phase["path"] for phase in bill["phases"]] == [""]
    assert bill["started"].endswith("Z") and len(bill["started"]) == len("2026-01-01T00:00:00.000Z")


def test_a_run_is_found_by_id_prefix_name_and_last(everywatt):
    first = everywatt.run("true", flags=["--name", "first"]).bill["id"]
    second = everywatt.run("true", flags=["--name", "second"]).bill["id"]
    again = everywatt.run("true", flags=["--name", "first"]).bill["id"]
    assert everywatt.show(first)["id"] == first and everywatt.show(first[:6])["id"] == first
    assert everywatt.show("second")["id"] == second
    assert everywatt.show("first")["id"] == again, "the newest of a name"
    assert everywatt.show("last")["id"] == again and everywatt.show()["id"] == again
    assert [run["id"] for run in everywatt.json("ls")["runs"]] == [again, second, first]
    assert [run["id"] for run in everywatt.json("ls", "--limit", "1")["runs"]] == [again]


def test_rm_removes_what_was_named_and_nothing_where_one_is_unknown(everywatt):
    ids = [everywatt.run("true").bill["id"] for _ in range(3)]
    refused = everywatt("rm", ids[0], "no-such-run")
    assert refused.returncode == 1 and len(everywatt.json("ls")["runs"]) == 3
    assert everywatt("rm", ids[0], ids[1]).returncode == 0
    assert [run["id"] for run in everywatt.json("ls")["runs"]] == [ids[2]]


def test_exports_hold_all_runs_and_agree_with_their_bills(everywatt):
    bills = [everywatt.run("sleep", "1.1").bill, everywatt.run("true").bill]
    exported = json.loads(everywatt("export", "json").stdout)
    assert exported["schema"] == "everywatt.export/1"
    assert sorted(b["id"] for b in exported["runs"]) == sorted(b["id"] for b in bills)
    rows = list(csv.DictReader(io.StringIO(everywatt("export", "csv", bills[0]["id"]).stdout)))
    assert len(rows) == len(bills[0]["energy"]["devices"])
    entries = list(csv.DictReader(io.StringIO(everywatt("export", "--entries", "csv").stdout)))
    joules = sum(float(v) for row in entries for k, v in row.items() if k.endswith("joules"))
    assert joules == pytest.approx(sum(b["energy"]["measured_joules"] for b in bills), abs=1e-5)


def test_merge_takes_over_the_runs_of_another_ledger_once(everywatt, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    other = Everywatt(tmp_path / "elsewhere")
    theirs = other.run("sleep", "1.1").bill
    ours = everywatt.run("true").bill
    assert everywatt("merge", other.database).returncode == 0
    assert everywatt.show(theirs["id"]) == theirs
    assert everywatt("merge", other.database).returncode == 0
    assert sorted(run["id"] for run in everywatt.json("ls")["runs"]) == sorted([ours["id"], theirs["id"]])


def test_the_file_per_run_form_is_one_ledger_to_read(everywatt):
    """As on network file systems."""
    form = {"EVERYWATT_STORE_FORM": "file-per-run"}
    bills = [everywatt.run("sleep", "1.1", env=form).bill for _ in range(2)]
    files = list((everywatt.database.parent / "runs").glob("*"))
    assert len([f for f in files if f.is_file()]) >= 2
    assert sorted(run["id"] for run in everywatt.json("ls", env=form)["runs"]) == sorted(b["id"] for b in bills)
    assert everywatt.show(bills[0]["id"], env=form) == bills[0]


def test_series_of_old_runs_are_dropped_and_their_bills_stay(everywatt, tmp_path):
    old = everywatt.run("sleep", "0.3").bill
    settings = tmp_path / "everywatt.toml"
    settings.write_text("[retention]\nseries_days = 0\n")
    new = everywatt.run("sleep", "0.3", env={"EVERYWATT_CONFIG": str(settings)}).bill
    with contextlib.closing(sqlite3.connect(everywatt.database)) as ledger:
        have_series = {row[0] for row in ledger.execute("SELECT id FROM run WHERE key IN (SELECT run FROM chunk)")}
    assert have_series == {new["id"]}
    assert everywatt.show(old["id"]) == old


# --- many at once

def test_thirty_two_runs_at_once_are_all_kept(everywatt, tmp_path):
    bills = {}
    with Machine.composed(tmp_path / "machine", {"package-0": 20.0, "dram": 3.0}, period=0.02) as machine:
        for job in [everywatt.start("sleep", "2", machine=machine) for n in range(32)]:
            done = finish(job)
            assert done.status == 0
            assert "not kept" not in done.err and "tried again" not in done.err, done.err
            bills[done.bill["id"]] = done.bill
    listed = everywatt.json("ls")["runs"]
    assert {run["id"] for run in listed} == set(bills) and {run["status"] for run in listed} == {"finished"}
    for bill in json.loads(everywatt("export", "json").stdout)["runs"]:
        assert bill == bills[bill["id"]]
        assert_books_balance(bill)
    # Together they are charged the machine once: idle is divided, not multiplied.
    spans = [span_of(bill) for bill in bills.values()]
    machine_joules = 23 * (max(end for _, end in spans) - min(begin for begin, _ in spans))
    assert sum(energy(bill)["idle_joules"] for bill in bills.values()) <= 1.01 * machine_joules
    # The floor of so short a time lies up to a tenth below the draw; who worked what of that tenth the kernel tells in
    # ticks of 10 ms, of which 32 sleepers' work is less than one each.
    assert sum(energy(bill)["total_joules"] for bill in bills.values()) == pytest.approx(machine_joules, rel=0.1)


# --- disks that are full

@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    assert os.geteuid() == 0, "a small disk is mounted by root: run this as root"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=777", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder, leave=0):
    with open(folder / "ballast", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave))


def own_lines(text):
    """What everywatt said outside the bill's own frame."""
    return [line for line in text.splitlines() if line.startswith("everywatt")]


@pytest.mark.parametrize("leave", [0, 16384, 65536], ids=["full", "16 kB left", "64 kB left"])
def test_a_full_disk_costs_the_record_and_not_the_job(everywatt, small_disk, leave):
    fill(small_disk, leave)
    done = everywatt.run("sh", "-c", "sleep 2.2; exit 4", env={"EVERYWATT_DB": str(small_disk / "everywatt.db")})
    assert done.status == 4
    assert done.bill["energy"]["measured_joules"] > 0, "the bill is there all the same"
    assert done.bill["duration_seconds"] == pytest.approx(2.2, abs=0.2)
    assert_books_balance(done.bill)
    assert len(own_lines(done.err)) <= 1
    said = own_lines(done.err) + [n for n in done.bill["notices"] if "kept" in n]
    if leave < 65536:
        assert said, "nothing said that the run is not kept"
        assert str(small_disk) in " ".join(said)
    assert not any("kept in" in line for line in done.lines) or everywatt(
        "show", done.bill["id"], env={"EVERYWATT_DB": str(small_disk / "everywatt.db")}).returncode == 0


def test_a_disk_that_fills_while_the_job_runs(everywatt, small_disk):
    database = {"EVERYWATT_DB": str(small_disk / "everywatt.db")}
    before = everywatt.run("true", env=database).bill
    done = everywatt.run("sh", "-c", f"sleep 1.2; cat /dev/zero > {small_disk}/ballast 2>/dev/null; sleep 2.2", env=database)
    assert done.status == 0 and done.bill["energy"]["measured_joules"] > 0
    assert len(own_lines(done.err)) == 1 and "tried again every second" in own_lines(done.err)[0]
    (small_disk / "ballast").unlink()
    assert everywatt.show(before["id"], env=database) == before, "what was acknowledged is still there"
    after = everywatt.run("true", env=database)
    assert after.status == 0 and everywatt.show(env=database)["id"] == after.bill["id"]


def test_a_disk_that_is_freed_again_keeps_the_whole_run(everywatt, small_disk):
    database = {"EVERYWATT_DB": str(small_disk / "everywatt.db")}
    everywatt.run("true", env=database)
    done = everywatt.run("sh", "-c", f"cat /dev/zero > {small_disk}/ballast 2>/dev/null; sleep 2.2; rm {small_disk}/ballast; sleep 1.3",
                         env=database)
    shown = everywatt.show(done.bill["id"], env=database)
    assert shown["status"] == "finished"
    assert energy(shown)["measured_joules"] == pytest.approx(energy(done.bill)["measured_joules"], abs=1e-6)


# --- files that are damaged

def damage_all(path):
    path.write_bytes(random.Random(1).randbytes(20_000))


def damage_header(path):
    data = bytearray(path.read_bytes())
    data[:64] = b"\0" * 64
    path.write_bytes(data)


def damage_pages(path):
    data = bytearray(path.read_bytes())
    noise = random.Random(2).randbytes(len(data))
    data[4096:] = noise[4096:]
    path.write_bytes(data)


def cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])


def text_file(path):
    path.write_text("these are my notes, not a ledger\n" * 100)


@pytest.mark.parametrize("damage", [damage_all, damage_header, damage_pages, cut_short, text_file])
def test_a_damaged_ledger_is_set_aside_and_never_overwritten(everywatt, damage):
    everywatt.run("sleep", "1.1")
    everywatt.run("true")
    with sqlite3.connect(everywatt.database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for side in everywatt.database.parent.glob("everywatt.db-*"):
        side.unlink()
    damage(everywatt.database)
    damaged = everywatt.database.read_bytes()

    done = everywatt.run("true")
    assert done.status == 0
    assert len(own_lines(done.err)) == 1 and "everywatt.db" in own_lines(done.err)[0]
    aside = [f for f in everywatt.database.parent.iterdir() if f != everywatt.database and f.is_file()
             and f.read_bytes() == damaged]
    assert len(aside) == 1, sorted(f.name for f in everywatt.database.parent.iterdir())
    assert aside[0].name in done.err
    assert everywatt.show()["id"] == done.bill["id"]
    quiet = everywatt.run("true")
    assert own_lines(quiet.err) == [], "told once"


def unknown_status(everywatt, run):
    with contextlib.closing(sqlite3.connect(everywatt.database)) as connection, connection:
        connection.execute("UPDATE run SET status = 'odd' WHERE id = ?", [run])


def file_of_noise(everywatt, run):
    damage_all(everywatt.database.parent / "runs" / f"{run}.db")


@pytest.mark.parametrize("form, damage", [("one-file", unknown_status), ("file-per-run", file_of_noise)])
@pytest.mark.parametrize("command", [["ls", "--json"], ["export", "json"]])
def test_one_damaged_run_is_named_and_hides_no_other(everywatt, form, damage, command):
    everywatt.env["EVERYWATT_STORE_FORM"] = form
    ids = [everywatt.run("true").bill["id"] for _ in range(3)]
    damage(everywatt, ids[1])
    done = everywatt(*command)
    assert done.returncode == 0
    assert sorted(run["id"] for run in json.loads(done.stdout)["runs"]) == sorted([ids[0], ids[2]])
    assert len(done.stderr.splitlines()) == 1 and ids[1] in done.stderr, done.stderr


def test_a_ledger_of_a_later_everywatt_is_not_touched(everywatt):
    everywatt.run("true")
    with sqlite3.connect(everywatt.database) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {version + 1000}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = everywatt.database.read_bytes()
    refused = everywatt("ls")
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
    done = everywatt.run("sh", "-c", "exit 3")
    assert done.status == 3 and done.bill["energy"]["measured_joules"] is not None
    assert everywatt.database.read_bytes() == before


# --- places that cannot be written

@pytest.fixture
def read_only_disk(tmp_path):
    folder = tmp_path / "read-only"
    folder.mkdir()
    assert os.geteuid() == 0, "a read-only disk is mounted by root: run this as root"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], check=True)
    yield str(folder)
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("home", [None, "", "read-only", "/sys"], ids=["unset", "empty", "read-only disk", "not even root may"])
def test_without_a_home_the_run_is_kept_elsewhere_and_says_where(everywatt, read_only_disk, home, tmp_path):
    (tmp_path / "temporary").mkdir()
    env = {"EVERYWATT_DB": None, "HOME": read_only_disk if home == "read-only" else home, "TMPDIR": str(tmp_path / "temporary")}
    done = everywatt.run("sh", "-c", "exit 2", env=env)
    assert done.status == 2
    assert len(own_lines(done.err)) == 1, done.err
    assert everywatt.show(done.bill["id"], env=env)["exit_status"] == 2
    assert list((tmp_path / "temporary").rglob("*.db")), "in the temporary folder, as the notice says"


@pytest.mark.parametrize("name", ["of-another", "missing/of-nobody"])
def test_a_home_that_may_not_be_written_is_no_obstacle(as_nobody, public_folder, name):
    home = public_folder / "homes" / name
    home.parent.mkdir(exist_ok=True)
    if name == "of-another":
        home.mkdir(mode=0o555)
    else:
        home.parent.chmod(0o555)
    env = {"EVERYWATT_DB": None, "HOME": str(home), "TMPDIR": str(public_folder)}
    done = as_nobody.run("true", env=env)
    assert done.status == 0 and len(own_lines(done.err)) == 1
    assert not home.exists() or list(home.iterdir()) == []
    place = public_folder / f"everywatt-{NOBODY}"
    assert str(place) in done.err, "the place is named"
    assert place.stat().st_uid == NOBODY and place.stat().st_mode & 0o077 == 0
    assert as_nobody.show(env=env)["id"] == done.bill["id"]


def test_a_ledger_of_root_can_be_read_by_others_but_not_changed(as_nobody, everywatt, public_folder):
    run = everywatt.run("sleep", "1.1").bill
    copy = public_folder / "roots-ledger"
    shutil.copytree(everywatt.database.parent, copy)
    copy.chmod(0o755)
    for file in copy.iterdir():
        file.chmod(0o644)
    env = {"EVERYWATT_DB": str(copy / "everywatt.db")}
    assert as_nobody.show(run["id"], env=env) == run
    refused = as_nobody("rm", run["id"], env=env)
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
    done = as_nobody.run("sh", "-c", "exit 8", env=env)
    assert done.status == 8 and done.bill["energy"]["measured_joules"] is not None
