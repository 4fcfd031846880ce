"""The model moves with the work, and every joule of a counter is booked once."""
import pytest

from conftest import PYTHON, Everywatt, assert_books_balance, burn, device, span_of
from moving_machine import ALTERNATE, CPUS, RANGE, Machine


def three_jobs(everywatt, **where):
    """sleep 3, a one-core burn and a burn on all cores, one after the other."""
    bills = [everywatt.run(*command, **where) for command in (["sleep", "3"], burn(1, 3), burn(CPUS, 3))]
    assert [b.status for b in bills] == [0, 0, 0], [b.err for b in bills]
    return [b.bill for b in bills]


def assert_moves_with_the_work(asleep, one, all_cores, name):
    busy = [device(bill, name)["busy_joules"] for bill in (asleep, one, all_cores)]
    assert busy[0] <= 0.10 * busy[2], busy
    if CPUS > 1:
        assert busy[0] < 0.5 * busy[1] and busy[1] < 0.9 * busy[2], busy
    for bill in (asleep, one, all_cores):
        assert_books_balance(bill)


def test_the_model_moves_with_the_work(everywatt, tmp_path):
    """The processor model of a machine without sensors."""
    machine = Machine.composed(tmp_path / "machine", {})
    with machine:
        bills = three_jobs(everywatt, machine=machine)
    assert_moves_with_the_work(*bills, "package:0")
    for bill in bills:
        package = device(bill, "package:0")
        assert package["method"] == "modelled" and package["coverage"] > 0.9
        assert bill["energy"]["measured_fraction"] == 0
        assert package["uncertainty_joules"] > 0.2 * package["measured_joules"]


def test_on_this_machine_the_figures_move_with_the_work(everywatt):
    """Whatever meters this machine has."""
    asleep, _, all_cores = three_jobs(everywatt)
    busy = [bill["energy"]["busy_joules"] for bill in (asleep, all_cores)]
    assert busy[0] <= 0.10 * busy[1]
    assert asleep["energy"]["measured_joules"] > 0


@pytest.fixture(scope="module")
def constant_power(tmp_path_factory):
    """At constant power, with counters that go round within the first second."""
    folder = tmp_path_factory.mktemp("constant")
    watts = {"package-0": 50.0, "dram": 7.0, "psys": 111.0}
    start = {"package-0": RANGE - 40_000_000, "dram": RANGE - 4_000_000}
    with Machine.composed(folder / "machine", watts, start=start) as machine:
        bills = three_jobs(Everywatt(folder), machine=machine)
    return machine, bills


def test_at_constant_power_busy_still_moves_with_the_work(constant_power):
    _, bills = constant_power
    assert_moves_with_the_work(*bills, "package:0")
    assert_moves_with_the_work(*bills, "dram:0")


@pytest.mark.parametrize("name, watts", [("package:0", 50.0), ("dram:0", 7.0)])
def test_at_constant_power_the_total_is_power_times_time(constant_power, name, watts):
    """Across the wraps, within what the edges leave open: one reading's age at each."""
    _, bills = constant_power
    for bill in bills:
        row = device(bill, name)
        assert row["method"] == "counter" and row["sensor"] == "rapl-powercap"
        assert row["measured_joules"] == pytest.approx(watts * bill["duration_seconds"], abs=watts * 0.05)
        assert row["coverage"] > 0.98
        assert "counter-reset" not in row["flags"]
        # The systematic part is the counter's own; the random part is that of the edges.
        assert 0 < row["uncertainty_joules"] < 0.5 * row["measured_joules"]


def test_the_counters_went_round(constant_power):
    machine, _ = constant_power
    for name in ("package-0", "dram"):
        meter = machine.meters[name]
        assert meter.start + meter.joules * 1e6 > RANGE


def test_psys_is_listed_and_never_added(constant_power):
    _, bills = constant_power
    for bill in bills:
        psys = device(bill, "psys:0")
        assert psys["counted"] is False
        assert psys["measured_joules"] == pytest.approx(111 * bill["duration_seconds"], abs=111 * 0.05)
        parts = device(bill, "package:0")["measured_joules"] + device(bill, "dram:0")["measured_joules"]
        assert bill["energy"]["measured_joules"] == pytest.approx(parts, abs=1e-6)
        rest = device(bill, "rest_of_node")
        assert rest["counted"] is False
        assert rest["measured_joules"] == pytest.approx(psys["measured_joules"] - parts, abs=1e-5)
        assert "memory:0" not in [d["id"] for d in bill["energy"]["devices"]]


def test_idle_is_found_from_a_fresh_store_where_power_follows_load(everywatt, tmp_path):
    """A package that draws 20 + 60 U watts under a job that burns and sleeps by turns."""
    steps = [(CPUS, 2.5), (0, 2.5), (1, 2.5), (0, 1.5)] * 2 + [(CPUS, 1.5), (0, 1)]
    power = {"package-0": lambda utilisation, _: 20 + 60 * utilisation, "dram": 3.0}
    with Machine.composed(tmp_path / "machine", power) as machine:
        done = everywatt.run(PYTHON, "-S", "-c", ALTERNATE, repr(steps), machine=machine)
    assert done.status == 0, done.err
    begin, end = span_of(done.bill)
    assert end - begin > 20
    package = device(done.bill, "package:0")
    assert package["measured_joules"] == pytest.approx(machine.joules("package-0", begin, end), rel=0.01)
    assert package["idle_joules"] == pytest.approx(machine.idle_joules(begin, end, 20), rel=0.05), package["flags"]
    assert_books_balance(done.bill)
    assert_books_balance(everywatt.show())
