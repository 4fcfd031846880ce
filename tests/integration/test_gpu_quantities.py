"""How GPUs fare beside what they draw: the program on machines of the virtual lab whose truth is known."""
import json
import sqlite3
import subprocess

import pytest

from conftest import BINARY
from test_gpus import on_lab  # noqa: F401: a fixture
from test_lab import LAB

HOPPER = """
[[gpu]]
name = "NVIDIA H100 80GB HBM3"
watts = 300
idle_watts = 70
utilisation = 0.6
temperature = { lines = [[0, 40], [10, 60]] }
memory_temperature = 63
busy_clocks = [1980, 1970, 2619]
held_back = { power_cap = 0.3, thermal = 0.004, hardware_thermal = 0.05, below_application_clocks = 0.35, below_base_clocks = 0.02 }
pcie = { sent = 3.0e9, received = 2.0e6 }
nvlink = { sent = 1.0e10, received = 4.0e10 }
gpm = { sm_occupancy = 0.4, tensor_utilisation = 0.3, memory_bandwidth = 0.2 }
[[gpu.process]]
pid = "job-child"
memory_mib = 2048
"""


def refusing(status, *calls):
    return f'[[defect]]\nkind = "answers"\nstatus = "{status}"\ncalls = {json.dumps(calls)}\n'


def quantities(outcome):
    gpu, = outcome.gpus()
    assert set(gpu["quantity_reasons"]) == {key for key, value in gpu["quantities"].items() if value is None}
    return gpu["quantities"]


def test_what_has_a_value_at_each_moment(on_lab):
    told = quantities(on_lab(HOPPER, "sleep", "5"))
    # The first look, at which the job may not be at work yet, stands for up to a second.
    assert told["graphics_clock_mhz"]["max"] == 1980 and told["graphics_clock_mhz"]["mean"] > 1400
    assert told["sm_clock_mhz"]["max"] == 1970
    assert told["memory_clock_mhz"]["max"] == 2619 and told["performance_state"]["min"] == 0
    assert told["power_limit_watts"]["mean"] == 700 and told["memory_temperature_celsius"]["mean"] == 63
    temperature = told["temperature_celsius"]
    assert 40 <= temperature["min"] < temperature["mean"] < temperature["max"] <= 51
    assert temperature["mean"] == pytest.approx((temperature["min"] + temperature["max"]) / 2, abs=1.5)
    assert told["memory_used_bytes"]["max"] >= 2048 * 2**20
    assert told["memory_utilisation"]["max"] == 0.3  # the lab's: half of the time with work
    assert 4 < temperature["observed_seconds"] < 5.1


def test_what_is_counted_is_counted_over_the_run_and_across_the_turn(on_lab):
    outcome = on_lab(HOPPER, "sleep", "5")
    told, duration = quantities(outcome), outcome.bill["duration_seconds"]
    rates = {"pcie_sent_bytes": 3.0e9, "pcie_received_bytes": 2.0e6, "nvlink_sent_bytes": 1.0e10, "nvlink_received_bytes": 4.0e10,
             "held_back_power_cap_seconds": 0.3, "held_back_thermal_seconds": 0.004, "held_back_hardware_thermal_seconds": 0.05,
             "held_back_below_application_clocks_seconds": 0.35, "held_back_below_base_clocks_seconds": 0.02}
    for key, rate in rates.items():
        figure = told[key]
        assert figure["observed_seconds"] == pytest.approx(duration, abs=1.2), key  # once a second
        assert figure["total"] == pytest.approx(rate * figure["observed_seconds"], rel=0.02), key
        assert "sampled" not in figure
    assert told["pcie_sent_bytes"]["total"] > 2 * 2**32  # it went round more than twice
    assert told["held_back_sync_boost_seconds"]["total"] == 0


BYTES = {"pcie_sent_bytes": 3.0e9, "pcie_received_bytes": 2.0e6, "nvlink_sent_bytes": 1.0e10, "nvlink_received_bytes": 4.0e10}


def test_where_no_field_counts_bytes_the_performance_monitor_tells_them(on_lab):
    fields = [f"field {number}" for number in (138, 139, 197, 198, 202, 204)]
    told = quantities(on_lab(HOPPER + refusing("not_supported", *fields), "sleep", "5"))
    for key, rate in BYTES.items():
        assert told[key]["observed_seconds"] > 2.5, key
        assert told[key]["total"] == pytest.approx(rate * told[key]["observed_seconds"], rel=0.02), key


def test_what_the_performance_monitor_does_not_tell_is_counted_or_left_out_one_by_one(on_lab):
    outcome = on_lab(HOPPER + refusing("not_supported", "metric 11", "metric 20"), "sleep", "5")
    told = quantities(outcome)
    assert told["pcie_sent_bytes"]["total"] == pytest.approx(3.0e9 * told["pcie_sent_bytes"]["observed_seconds"], rel=0.02)
    assert told["fp64_utilisation"] is None and outcome.gpus()[0]["quantity_reasons"]["fp64_utilisation"] == "not supported"
    assert told["sm_utilisation"]["mean"] == pytest.approx(0.6, abs=0.01)


def test_without_links_and_without_counts_there_are_no_bytes(on_lab):
    scenario = HOPPER.replace("nvlink =", "# nvlink =").replace("gpm = {", "gpm = false # {")
    gpu, = on_lab(scenario + refusing("not_supported", "field 197", "field 198"), "sleep", "2").gpus()
    for key in BYTES:
        assert gpu["quantities"][key] is None and gpu["quantity_reasons"][key] == "not supported", key


def test_means_of_performance_counters(on_lab):
    told = quantities(on_lab(HOPPER, "sleep", "5"))
    for key, share in {"sm_utilisation": 0.6, "graphics_utilisation": 0.6, "sm_occupancy": 0.4, "tensor_utilisation": 0.3,
                       "memory_bandwidth_utilisation": 0.2, "fp64_utilisation": 0}.items():
        assert told[key]["mean"] == pytest.approx(share, abs=0.01), key
        assert told[key]["observed_seconds"] > 2.5


def test_clocks_that_change_are_weighed_by_time(on_lab):
    scenario = HOPPER.replace("utilisation = 0.6", "utilisation = { steps = [[0, 1], [4, 0]] }")
    clock = quantities(on_lab(scenario, "sleep", "8"))["sm_clock_mhz"]
    assert clock["min"] < 500 and clock["max"] == 1970
    assert clock["mean"] == pytest.approx((clock["min"] + clock["max"]) / 2, rel=0.25)


def test_what_a_kepler_has_not_is_null_with_its_reason(on_lab):
    gpu, = on_lab("kepler", "sleep", "2").gpus()
    assert gpu["quantities"]["temperature_celsius"]["mean"] == 40
    for key in ("memory_temperature_celsius", "pcie_sent_bytes", "nvlink_sent_bytes", "sm_occupancy", "fp16_utilisation"):
        assert gpu["quantities"][key] is None and gpu["quantity_reasons"][key] == "not supported", key


def test_an_old_driver_is_looked_at_and_the_figures_say_so(on_lab):
    fields = [f"field {number}" for number in (*range(74, 82), 269, 270, 271)]
    outcome = on_lab(HOPPER + refusing("not_supported", *fields), "sleep", "5")
    told = quantities(outcome)
    capped = told["held_back_power_cap_seconds"]  # the lab's reasons hold whenever a share is above 0
    assert capped["sampled"] and capped["total"] == pytest.approx(capped["observed_seconds"], rel=0.01)
    assert told["held_back_power_brake_seconds"]["total"] == 0
    assert told["held_back_board_limit_seconds"] is None


def test_without_a_permission_the_rest_is_told(on_lab):
    gpu, = on_lab(HOPPER + refusing("no_permission", "nvmlGpmSampleGet"), "sleep", "2").gpus()
    assert gpu["quantities"]["sm_occupancy"] is None and gpu["quantity_reasons"]["sm_occupancy"] == "no permission"
    assert gpu["quantities"]["sm_clock_mhz"]["mean"] == 1970


def test_a_gpu_that_is_lost_for_a_while_is_not_made_up(on_lab):
    outcome = on_lab(HOPPER + refusing("gpu_is_lost").replace("calls = []", "from_s = 1.5\nto_s = 8"), "sleep", "10")
    told = quantities(outcome)
    assert told["sm_clock_mhz"]["observed_seconds"] < 4.5 and told["sm_clock_mhz"]["mean"] == 1970
    assert told["held_back_power_cap_seconds"]["total"] == pytest.approx(3, abs=0.3)  # the counter went on
    # Of the bytes of the silence nobody tells.
    sent = told["pcie_sent_bytes"]
    assert 1.5 < sent["observed_seconds"] < 4.5 and sent["total"] == pytest.approx(3.0e9 * sent["observed_seconds"], rel=0.02)


def test_devices_without_quantities_have_none(on_lab):
    outcome = on_lab(HOPPER, "sleep", "1.2")
    others = [device for device in outcome.bill["energy"]["devices"] if device["kind"] != "gpu"]
    assert others and all(device["quantities"] == {} and device["quantity_reasons"] == {} for device in others)


def test_the_ledger_gives_back_what_the_bill_said(on_lab, everywatt):
    outcome = on_lab(HOPPER, "sleep", "3")
    assert everywatt.show()["energy"]["devices"] == outcome.bill["energy"]["devices"]


def test_a_ledger_of_the_first_version_goes_on(on_lab, everywatt):
    first = on_lab(HOPPER, "sleep", "1.2").bill["id"]
    with sqlite3.connect(everywatt.database) as connection:
        connection.executescript("DROP TABLE quantity; DROP TABLE cross_check; DROP TABLE work; DROP TABLE rank; DROP TABLE span; DROP TABLE phase_quantity; DROP TABLE phase_work; DROP TABLE correction; DROP TABLE recent; DROP TABLE recent_points; PRAGMA user_version = 1")
    connection.close()
    old, = [device for device in everywatt.show(first)["energy"]["devices"] if device["kind"] == "gpu"]
    assert old["quantities"] == {} and old["measured_joules"] > 0
    second = on_lab(HOPPER, "sleep", "1.2").bill
    assert everywatt.show(second["id"])["energy"]["devices"] == second["energy"]["devices"]


@pytest.mark.parametrize("shares, said", [("power_cap = 0.3", "held back 30 % of the time by its power cap"),
                                          ("thermal = 0.2", "held back 20 % of the time by heat"),
                                          ("power_cap = 0.005, sync_boost = 0.9", None)])
def test_the_bill_says_what_held_a_gpu_back_where_it_matters(on_lab, shares, said):
    scenario = HOPPER.replace("power_cap = 0.3, thermal = 0.004, hardware_thermal = 0.05", shares)
    about = [line for line in on_lab(scenario, "sleep", "4").err.splitlines() if "held back" in line]
    assert (len(about) == 1 and about[0].endswith(said) and len(about[0]) <= 80) if said else not about


def test_doctor_says_what_each_gpu_tells(everywatt, tmp_path):
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(HOPPER + refusing("no_permission", "nvmlGpmSampleGet"))

    def doctor(*flags):
        return subprocess.run([str(LAB), str(scenario), "--", str(BINARY), "doctor", *flags], env=everywatt.environment(),
                              capture_output=True, text=True, timeout=60, check=True).stdout
    assert "also tells clocks, temperatures, memory used, memory utilisation, power limit, what holds them back, PCIe bytes, NVLink bytes, its memory's peak; " \
           "without use of its parts (no permission)" in " ".join(doctor().split())
    gpu, = [device for device in json.loads(doctor("--json"))["devices"] if device["kind"] == "gpu"]
    assert "pcie_sent_bytes" in gpu["quantities"] and gpu["quantity_reasons"]["sm_occupancy"] == "no permission"
