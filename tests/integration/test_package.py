"""The Python package as `pip install .` brings it, in an environment of its own."""
import json
import subprocess

import pytest
from conftest import PYTHON, REPOSITORY

BLOCK = """
import json, logging, everywatt
from everywatt import _marks, _program
logging.basicConfig(level=logging.WARNING)
with everywatt.run(name="block") as bill:
    with everywatt.phase("work"): sum(range(10**6))
print(json.dumps({"file": everywatt.__file__, "program": _program.program(), "way": _marks.calls.__file__, "name": bill.to_dict()["name"],
                  "phases": [phase["path"] for phase in bill.to_dict()["phases"]]}))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package") / "venv"
    subprocess.run([PYTHON, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", REPOSITORY], check=True, timeout=300)
    return folder


@pytest.fixture
def environment(tmp_path):
    return {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "EVERYWATT_DB": str(tmp_path / "ledger.db"), "XDG_RUNTIME_DIR": str(tmp_path)}


def test_the_program_comes_with_it(place, environment):
    done = subprocess.run([place / "bin/everywatt", "run", "--json", "/dev/stdout", "--", "true"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["command"] == ["true"]
    assert (place / "libexec/everywatt/everywatt-net").exists()


def test_a_block_is_measured_by_what_came_with_it(place, environment):
    done = subprocess.run([place / "bin/python", "-c", BLOCK], env=environment, cwd="/", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["program"] == str(place / "bin/everywatt")
    assert said["file"].startswith(str(place)) and said["way"].startswith(str(place))
    assert said["name"] == "block" and "work" in said["phases"]
