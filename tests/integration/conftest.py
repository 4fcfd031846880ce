"""The program as its users run it. EVERYWATT_BIN names the binary, else the
release binary of this repository is taken. Each test has a ledger of its own."""
import dataclasses
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BINARY = pathlib.Path(os.environ.get("EVERYWATT_BIN", REPOSITORY / "build/release/bin/everywatt")).resolve()
DATA = REPOSITORY.parent / "shared/data"
PYTHON = "/usr/bin/python3"
NOBODY = 65534

# A job that keeps N cores busy for S seconds, whatever else this machine does: python3 -c BURN N S
BURN = """
import os, sys, time
try:
    os.nice(-10)
    os.setsid()  # the scheduler weighs sessions before processes
    open("/proc/self/autogroup", "w").write("-10")
except OSError: pass
cores, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
for _ in range(cores - 1):
    if os.fork() == 0:
        break
while time.monotonic() < end:
    pass
try:
    while True: os.wait()
except ChildProcessError:
    pass
"""


def burn(cores, seconds):
    return [PYTHON, "-S", "-c", BURN, str(cores), str(seconds)]


@dataclasses.dataclass
class Outcome:
    status: int
    out: bytes
    err: str
    bill: dict

    @property
    def lines(self):
        return [line for line in self.err.splitlines() if line.strip()]


class Everywatt:
    """The binary, with an environment in which nothing of the user's own is seen."""

    def __init__(self, folder, binary=BINARY, prefix=()):
        self.folder = pathlib.Path(folder)
        self.binary = str(binary)
        self.prefix = list(prefix)
        self.database = self.folder / "ledger" / "everywatt.db"
        self.database.parent.mkdir(exist_ok=True)
        (self.folder / "home").mkdir(exist_ok=True)
        hidden = ("EVERYWATT_", "XDG_")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
        self.env |= {"EVERYWATT_DB": str(self.database), "HOME": str(self.folder / "home"), "LC_ALL": "C.UTF-8"}
        self._bills = 0

    def environment(self, machine=None, env=None):
        merged = self.env | (machine.environment() if machine else {}) | (env or {})
        return {k: v for k, v in merged.items() if v is not None}

    def __call__(self, *args, machine=None, env=None, timeout=60, **more):
        """Any command, to its end; stdout and stderr as text."""
        return subprocess.run(self.prefix + [self.binary, *map(str, args)], env=self.environment(machine, env),
                              timeout=timeout, capture_output=True, text=True, check=False, **more)

    def start(self, *command, flags=(), machine=None, env=None, **more):
        """`run -- command`, begun; the bill will lie in .bill_file."""
        self._bills += 1
        bill_file = self.folder / f"bill-{self._bills}.json"
        argv = self.prefix + [self.binary, "run", "--json", str(bill_file), *flags, "--", *map(str, command)]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(argv, env=self.environment(machine, env), **(streams | more))
        process.bill_file = bill_file
        if machine:
            machine.follow(process.pid)
        return process

    def run(self, *command, timeout=60, **more):
        """`run -- command`, to its end, with its bill."""
        return finish(self.start(*command, **more), timeout)

    def json(self, *args, **more):
        done = self(*args, "--json", **more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def show(self, reference="last", **more):
        return self.json("show", reference, **more)


def finish(process, timeout=60):
    out, err = process.communicate(timeout=timeout)
    bill = json.loads(process.bill_file.read_text()) if process.bill_file.exists() else None
    return Outcome(process.returncode, out, (err or b"").decode(errors="replace"), bill)


# --- reading a bill

def seconds_of(iso):
    return datetime.datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp()


def span_of(bill):
    """Begin and end of a run on the wall clock; a lost run ends where it was last seen."""
    begin = seconds_of(bill["started"])
    return begin, begin + bill["duration_seconds"]


def device(bill, name):
    found = [d for d in bill["energy"]["devices"] if d["id"] == name]
    assert found, f"no {name} among {[d['id'] for d in bill['energy']['devices']]}"
    return found[0]


def assert_books_balance(bill):
    """Law 2: busy + idle + other + unattributed = measured, to the microjoule."""
    def micro(value):
        return round((value or 0) * 1e6)

    rows = bill["energy"]["devices"] + [bill["energy"]]
    for row in rows:
        parts = sum(micro(row[a + "_joules"]) for a in ("busy", "idle", "other", "unattributed"))
        assert parts == micro(row["measured_joules"]), row.get("id", "sum")
        assert micro(row["total_joules"]) == micro(row["busy_joules"]) + micro(row["idle_joules"])
    counted = [d for d in bill["energy"]["devices"] if d["counted"]]
    for key in ("measured_joules", "total_joules", "busy_joules", "idle_joules", "other_joules"):
        assert micro(bill["energy"][key]) == sum(micro(d[key]) for d in counted), key
    assert micro(bill["energy"]["total_joules"]) == sum(micro(p["self_joules"]) for p in bill["phases"])


# --- fixtures

def pytest_report_header(config):
    return f"everywatt: {BINARY}"


def pytest_configure(config):
    if not BINARY.exists():
        raise pytest.UsageError(f"{BINARY} does not exist: make build, or name a binary by EVERYWATT_BIN")


@pytest.fixture
def everywatt(tmp_path):
    return Everywatt(tmp_path)


@pytest.fixture(scope="module")
def shared_everywatt(tmp_path_factory):
    """One ledger for a module whose tests look at runs made together."""
    return Everywatt(tmp_path_factory.mktemp("everywatt"))


@pytest.fixture(scope="module")
def public_folder():
    """A folder that every user may write to, which pytest's own is not."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="everywatt-test-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def as_nobody(public_folder):
    """everywatt run by a user without rights; root only can become one."""
    assert os.geteuid() == 0, "these tests become another user: run them as root"
    binary = public_folder / "everywatt"
    shutil.copy(BINARY, binary)
    binary.chmod(0o755)
    home = public_folder / "nobody"
    home.mkdir()
    for path in (home, home / "ledger", home / "home"):
        path.mkdir(exist_ok=True)
        os.chown(path, NOBODY, NOBODY)
    prefix = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    return Everywatt(home, binary, prefix)


sys.path.insert(0, str(HERE))
