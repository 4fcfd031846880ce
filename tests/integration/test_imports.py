"""Other people's records become runs of the ledger."""
import json

import pytest

from conftest import DATA, assert_books_balance, device, span_of

RECORD = DATA / "mlperf-power-run"


@pytest.fixture(scope="module")
def mlperf(shared_everywatt):
    if not RECORD.is_dir():
        pytest.skip(f"the record of MLPerf is not here ({RECORD})")
    done = shared_everywatt("import", "mllog", RECORD, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_the_trapezoid_over_sixty_four_nodes_is_10_515_kwh(mlperf):
    assert mlperf["energy"]["measured_joules"] / 3.6e6 == pytest.approx(10.515, abs=0.005)
    assert mlperf["energy"]["boundary"] == "node"
    assert mlperf["duration_seconds"] == pytest.approx(119.032, abs=0.0005)
    nodes = [d for d in mlperf["energy"]["devices"] if d["counted"]]
    assert len(nodes) == 64 and {n["method"] for n in nodes} == {"integrated"} and {n["kind"] for n in nodes} == {"node"}
    assert all(n["idle_joules"] is None and "utilisation-unknown" in n["flags"] for n in nodes)
    assert mlperf["energy"]["busy_joules"] == pytest.approx(mlperf["energy"]["measured_joules"], abs=1e-6)
    assert_books_balance(mlperf)


def test_the_switch_is_an_assumption_beside_the_sum(mlperf):
    switches = [d for d in mlperf["energy"]["devices"] if not d["counted"]]
    assert len(switches) == 1
    assert switches[0]["method"] == "assumed" and switches[0]["measured_joules"] > 0


def test_gaps_and_identical_files_are_reported(mlperf):
    begin, end = span_of(mlperf)
    assert all(0 < gap["seconds"] <= end - begin and gap["device"].startswith("node:") for gap in mlperf["gaps"])
    # Readings begin a little after the run and end a little before; the gaps are what lies between.
    within = [gap for gap in mlperf["gaps"] if "begin later" not in gap["reason"] and "end earlier" not in gap["reason"]]
    assert len(within) == 12
    pairs = [notice for notice in mlperf["notices"] if "identical" in notice]
    assert len(pairs) == 18 or any("18" in notice for notice in pairs), mlperf["notices"]


def test_the_run_is_kept_as_the_last_one(mlperf, shared_everywatt):
    shown = shared_everywatt.show()
    assert shown == mlperf
    assert shown["origin"] == "import" and shown["status"] == "finished"
    text = shared_everywatt("show").stdout
    assert "10.5" in text and "kWh" in text


def test_a_constant_wall_meter_is_power_times_time(everywatt, tmp_path):
    rows = [f"2026-03-01T12:{m:02}:00Z,100" for m in range(11)]
    (tmp_path / "wall.csv").write_text("time,power_W\n" + "\n".join(rows) + "\n")
    bill = everywatt.json("import", "power-csv", tmp_path / "wall.csv", "--name", "wall")
    assert bill["energy"]["measured_joules"] == pytest.approx(60_000, abs=1e-6)
    assert bill["started"] == "2026-03-01T12:00:00.000Z" and bill["duration_seconds"] == 600
    assert bill["name"] == "wall" and everywatt.show("wall")["id"] == bill["id"]


def test_a_table_in_the_german_form_says_the_same(everywatt, tmp_path):
    rows = [f"2026-03-01 12:{m:02}:00;0,1" for m in range(11)]
    (tmp_path / "zaehler.csv").write_text("Zeit;Leistung [kW]\n" + "\n".join(rows) + "\n")
    bill = everywatt.json("import", "power-csv", tmp_path / "zaehler.csv", "--time-column", "1", "--power-column", "2", "--unit", "kW")
    assert bill["energy"]["measured_joules"] == pytest.approx(60_000, abs=1e-6)


def test_no_line_of_a_table_is_lost_silently(everywatt, tmp_path):
    rows = [f"2026-03-01T12:{m:02}:00Z,{'broken' if m == 4 else 100}" for m in range(11)]
    (tmp_path / "wall.csv").write_text("time,power_W\n" + "\n".join(rows) + "\n")
    bill = everywatt.json("import", "power-csv", tmp_path / "wall.csv")
    assert any("6" in notice and "wall.csv" in notice for notice in bill["notices"]), bill["notices"]


MLLOG = ':::MLLOG {{"time_ms": {}, "event_type": "{}", "key": "{}", "value": {}}}\n'


def mllog_folder(tmp_path, node):
    (tmp_path / "record").mkdir()
    (tmp_path / "record/result.txt").write_text(MLLOG.format(1000000, "INTERVAL_START", "run_start", "null") +
                                                MLLOG.format(1010000, "INTERVAL_END", "run_stop", "null"))
    (tmp_path / "record/node_1.txt").write_text(node)
    return tmp_path / "record"


def test_a_reading_that_is_no_record_is_reported(everywatt, tmp_path):
    lines = [MLLOG.format(998000 + 2000 * n, "POINT_IN_TIME", "power_reading", 500) for n in range(8)]
    lines[3] = ":::MLLOG {\"time_ms\": 10040\n"
    bill = everywatt.json("import", "mllog", mllog_folder(tmp_path, "".join(lines)))
    assert bill["energy"]["measured_joules"] == pytest.approx(5000, abs=1e-6)
    assert any("node_1.txt" in notice and "4" in notice for notice in bill["notices"]), bill["notices"]
    assert device(bill, "node:node_1")["counted"]
