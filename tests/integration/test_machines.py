"""Every recorded machine against its hand-written table: what is elected, excluded, counted and advised.
The trees move while they are read. Files that root may read all the same are read as an unprivileged user."""
import concurrent.futures
import json
import os
import stat

import pytest

from conftest import NOBODY, assert_books_balance, device, span_of
from moving_machine import MACHINES, Machine

NAMES = sorted(file.name.removesuffix(".expect.json") for file in MACHINES.glob("*.expect.json"))
LENGTH = 2.4
REQUIRED = {"two_socket_xeon", "epyc", "tpmi_xeon", "laptop_mmio", "grace_hopper", "cloud_vm", "all_denied", "cpus_256"}


def look_at(everywatt, folder, name):
    machine = Machine.recorded(folder / name, name)
    with machine:
        doctor = everywatt.json("doctor", machine=machine)
        text = everywatt("doctor", machine=machine)
        run = everywatt.run("sleep", str(LENGTH), flags=["--name", name], machine=machine)
        assert run.status == 0, run.err
        shown = everywatt.show(run.bill["id"], machine=machine)
    return machine, doctor, text, run, shown


@pytest.fixture(scope="module")
def seen(shared_everywatt, as_nobody, public_folder):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        jobs = {name: pool.submit(look_at, as_nobody if name == "all_denied" else shared_everywatt, public_folder, name)
                for name in NAMES}
        return {name: job.result() for name, job in jobs.items()}


def expected(name):
    return json.loads((MACHINES / f"{name}.expect.json").read_text())


def test_the_machines_of_the_plan_are_recorded():
    assert REQUIRED <= set(NAMES)
    assert {file.stem for file in MACHINES.glob("*.tree")} == set(NAMES), "each tree has its table"
    for name in NAMES:
        first = (MACHINES / f"{name}.tree").read_text().splitlines()[0]
        assert first.startswith("#") and ("omposed" in first or "ecorded" in first), f"{name} does not say where it comes from"


@pytest.mark.parametrize("name", NAMES)
def test_doctor_elects_excludes_and_advises_as_the_table_says(seen, name):
    _, doctor, text, _, _ = seen[name]
    table = expected(name)
    assert doctor["schema"] == "everywatt.doctor/1"
    assert {row["id"]: row["sensor"] for row in doctor["devices"]} == table["elected"]
    assert sorted(row["id"] for row in doctor["devices"] if row["counted"]) == sorted(table["counted"])
    for wanted in table["excluded"]:
        told = [row for row in doctor["excluded"] if wanted["what"] in row["what"] and wanted["why"] in row["why"]]
        assert told, (wanted, doctor["excluded"])
    for wanted in table["advice"]:
        assert any(wanted in advice for advice in doctor["advice"]), (wanted, doctor["advice"])
    assert bool(table["advice"]) == bool(doctor["advice"]), doctor["advice"]
    assert text.returncode == 0 and text.stderr == ""
    assert all(row in text.stdout for row in table["elected"])


def test_doctor_counts_as_the_site_says(everywatt, tmp_path):
    settings = tmp_path / "everywatt.toml"
    settings.write_text("[site]\nboundary = \"node\"\n")
    machine = Machine.recorded(tmp_path / "machine", "two_socket_xeon")
    told = everywatt.json("doctor", machine=machine, env={"EVERYWATT_CONFIG": str(settings)})
    assert {d["kind"] for d in told["devices"] if d["counted"]} == {"psys"}


@pytest.mark.parametrize("name", NAMES)
def test_a_bill_is_made_of_what_was_elected(seen, name):
    _, _, _, run, shown = seen[name]
    table = expected(name)
    assert shown == run.bill
    rows = {row["id"]: row for row in shown["energy"]["devices"] if row["id"] != "rest_of_node"}
    assert {key: row["sensor"] for key, row in rows.items()} == table["elected"]
    assert sorted(key for key, row in rows.items() if row["counted"]) == sorted(table["counted"])
    for row in rows.values():
        assert row["measured_joules"] is not None and row["measured_joules"] >= 0, row
        # A rail that is only listed is asked once a second; what counts is seen throughout.
        assert row["coverage"] > (0.9 if row["counted"] else 0.5), row
        sensed = row["sensor"] not in ("processor", "memory")
        assert (row["method"] in ("counter", "integrated")) == sensed
    assert shown["duration_seconds"] == pytest.approx(LENGTH, abs=0.4)
    assert shown["gaps"] == []
    assert_books_balance(shown)


@pytest.mark.parametrize("name", NAMES)
def test_each_counter_is_booked_as_it_moved(seen, name):
    """By the file that doctor names: the zone of that device and no other."""
    machine, doctor, _, _, shown = seen[name]
    begin, end = span_of(shown)
    for row in doctor["devices"]:
        if row["method"] != "counter":
            continue
        moved = machine.joules(f"sys/class/powercap/{row['detail']}", begin, end)
        assert device(shown, row["id"])["measured_joules"] == pytest.approx(moved, rel=0.06), row["id"]


HWMON_TRUTH = {  # device: the moving files that make its power, and how
    "grace_hopper": {"module:0": ["hwmon1/device/power1_average"], "package:0": ["hwmon2/device/power1_average"],
                     "core:0": ["hwmon3/device/power1_average"], "uncore:0": ["hwmon4/device/power1_average"]},
    "jetson": {"module:0": ["hwmon1/curr1_input", 5.072], "rail:ina3221:VDD_CPU_GPU_CV": ["hwmon1/curr2_input", 5.072],
               "rail:ina3221:VDD_SOC": ["hwmon1/curr3_input", 5.064]},
}


@pytest.mark.parametrize("name", sorted(HWMON_TRUTH))
def test_power_meters_are_integrated(seen, name):
    machine, _, _, _, shown = seen[name]
    begin, end = span_of(shown)
    for key, (file, *volts) in HWMON_TRUTH[name].items():
        truth = machine.joules(f"sys/class/hwmon/{file}", begin, end) * (volts[0] if volts else 1)
        row = device(shown, key)
        assert row["method"] == "integrated"
        assert row["measured_joules"] == pytest.approx(truth * row["coverage"], rel=0.05 if row["counted"] else 0.15), key


@pytest.mark.parametrize("name", NAMES)
def test_utilisation_comes_from_the_tree_too(seen, name):
    """A quarter of each CPU worked for others; of this machine's own load nothing shows."""
    _, _, _, _, shown = seen[name]
    packages = [d for d in shown["energy"]["devices"] if d["kind"] == "package" and d["counted"] and d["method"] == "modelled"]
    for row in packages:
        assert row["other_joules"] > 0
        assert row["busy_joules"] <= 0.1 * row["other_joules"]


def test_doctor_fix_opens_the_counters_to_a_group(everywatt, tmp_path):
    machine = Machine.recorded(tmp_path / "machine", "desktop")
    counter = machine.root / "sys/class/powercap/intel-rapl:0/energy_uj"
    counter.chmod(0o400)
    done = everywatt("doctor", "--fix", "--group", "nogroup", "--rules", tmp_path / "rules", machine=machine)
    assert done.returncode == 0, done.stderr
    rules = list((tmp_path / "rules").iterdir())
    assert len(rules) == 1 and rules[0].suffix == ".rules"
    rule = rules[0].read_text()
    assert rule in done.stdout, "what is installed is shown"
    assert "powercap" in rule and "nogroup" in rule and "energy_uj" in rule
    info = counter.stat()
    assert stat.S_IMODE(info.st_mode) == 0o440
    assert info.st_gid == __import__("grp").getgrnam("nogroup").gr_gid


def test_doctor_fix_without_root_changes_nothing(as_nobody, public_folder):
    machine = Machine.recorded(public_folder / "unfixed", "desktop")
    counter = machine.root / "sys/class/powercap/intel-rapl:0/energy_uj"
    counter.chmod(0o400)
    rules = public_folder / "rules"
    rules.mkdir(mode=0o777)
    rules.chmod(0o777)
    done = as_nobody("doctor", "--fix", "--group", "nogroup", "--rules", rules, machine=machine)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "root" in done.stderr
    assert "powercap" in done.stdout, "the rule is shown all the same"
    assert list(rules.iterdir()) == [] and stat.S_IMODE(counter.stat().st_mode) == 0o400
    assert os.stat(counter).st_uid != NOBODY


def test_a_zone_that_appears_twice_is_read_from_where_it_may_be(as_nobody, public_folder):
    """A package whose MSR zone is root's alone but whose MMIO copy may be read."""
    machine = Machine.recorded(public_folder / "copy", "laptop_mmio")
    (machine.root / "sys/class/powercap/intel-rapl:0/energy_uj").chmod(0o000)
    doctor = as_nobody.json("doctor", machine=machine)
    package = [row for row in doctor["devices"] if row["id"] == "package:0"][0]
    assert package["sensor"] == "rapl-powercap" and "mmio" in package["detail"]


def test_an_empty_machine_has_a_bill_that_says_what_it_lacks(everywatt, tmp_path):
    """Nothing in /sys and nothing in /proc: the job runs all the same."""
    machine = Machine(tmp_path / "machine")
    (machine.root / "sys").mkdir(parents=True)
    (machine.root / "proc").mkdir()
    with machine:
        done = everywatt.run("sh", "-c", "sleep 1.2; exit 3", machine=machine)
    assert done.status == 3
    measured = done.bill["energy"]["measured_joules"]
    assert measured is None or measured > 0, "missing is never zero"
    assert done.bill["energy"]["measured_joules"] is not None or done.bill["notices"]
    assert everywatt("doctor", machine=machine).returncode == 0
