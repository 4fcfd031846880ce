"""`with everywatt.run() as bill:` in jobs that nobody supervises, in several ranks, and inside a run."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest
from conftest import BINARY, PYTHON, REPOSITORY, assert_books_balance
from guide_blocks import blocks

PRELUDE = """
import everywatt, json, os, signal, subprocess, sys, threading, time
def burn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end: pass
"""
FIGURES = ("energy_joules", "total_joules", "idle_joules", "duration_seconds", "uncertainty_joules", "run_id")
# A bill is longer than what a pipe takes in one piece: ranks speak one after the other.
SAY = f"""
import fcntl
def say(bill):
    with open(os.environ["XDG_RUNTIME_DIR"] + "/said.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        print(json.dumps({{name: getattr(bill, name) for name in {FIGURES!r}}} | {{"bill": bill.to_dict()}}), flush=True)
"""
RANKS = """
import os, subprocess, sys
ranks = []
for rank in range(int(sys.argv[1])):
    env = os.environ | {"LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": sys.argv[1], "TORCHELASTIC_RUN_ID": "none"}
    ranks.append(subprocess.Popen([sys.executable, "-c", sys.argv[2], str(rank)], env=env))
for rank in ranks: rank.wait()
"""


@pytest.fixture
def place(tmp_path_factory, everywatt):
    """The environment of a job: a folder of its own for sockets, this repository's package and program."""
    runtime = tmp_path_factory.mktemp("r")
    return everywatt.environment(env={"XDG_RUNTIME_DIR": str(runtime), "PYTHONPATH": str(REPOSITORY / "python"),
                                      "EVERYWATT_BIN": str(BINARY), "EVERYWATT_LIBRARY": str(BINARY.parent.parent / "lib/libeverywatt.so")})


def python(text, env, *arguments):
    done = subprocess.run([PYTHON, "-c", PRELUDE + SAY + text, *arguments], env=env, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return done


def answers(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def meters(env):
    """The meters that still run for this test, by the folder of their sockets."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if env["XDG_RUNTIME_DIR"].encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def wait_for_no_meter(env):
    deadline = time.monotonic() + 10
    while meters(env) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not meters(env)


def test_a_block_is_a_run_of_its_own_with_its_marks(everywatt, place):
    done = python("""
with everywatt.run(name="block", project="digits", model="lenet", tags={"lr": 1e-3}) as bill:
    with everywatt.phase("train"):
        for _ in range(5): burn(0.2); everywatt.step()
say(bill)
print(time.process_time())
""", place)
    said, worked = answers(done)
    bill = everywatt.show(said["run_id"])
    assert done.stderr == "" and said["bill"] == bill
    assert_books_balance(bill)
    assert [bill[key] for key in ("name", "project", "model", "status", "origin")] == ["block", "digits", "lenet", "finished", "attach"]
    assert bill["tags"] == {"lr": "0.001"} and bill["work"]["steps"] == 5
    assert said["energy_joules"] == said["total_joules"] == bill["energy"]["total_joules"] > 0
    for key in ("idle_joules", "uncertainty_joules"):
        assert said[key] == bill["energy"][key]
    assert said["duration_seconds"] == pytest.approx(1.0, abs=0.4)
    train = next(phase for phase in bill["phases"] if phase["path"] == "train")
    assert train["duration_seconds"] == pytest.approx(1.0, abs=0.2) and train["energy_joules"] > 0
    assert 0.1 < bill["process"]["cpu_seconds"] <= worked + 0.02  # the meter's own are not in it
    wait_for_no_meter(place)
    assert not list(pathlib.Path(place["XDG_RUNTIME_DIR"]).glob("everywatt-*/*"))


def test_blocks_one_after_the_other_are_runs_with_marks_of_their_own(everywatt, place):
    first, second = answers(python("""
for name in ("first", "second"):
    with everywatt.run(name=name) as bill:
        with everywatt.phase("in " + name): burn(0.2)
        child = subprocess.run([sys.executable, "-c", "import everywatt; everywatt.step()"])
    say(bill)
""", place))
    assert first["run_id"] != second["run_id"]
    for name, said in (("first", first), ("second", second)):
        assert said["bill"]["name"] == name and said["bill"]["work"]["steps"] == 1  # of the child
        assert {phase["path"] for phase in said["bill"]["phases"]} == {"", "in " + name}


def test_a_block_within_a_block_and_one_of_another_thread_are_phases_of_it(place):
    outer, inner = answers(python("""
with everywatt.run(name="outer") as outer:
    with everywatt.run(name="inner") as inner: burn(0.6)
    def other():
        with everywatt.run(name="beside"): time.sleep(0.1)
    thread = threading.Thread(target=other); thread.start(); thread.join()
say(outer); say(inner)
""", place))
    assert inner["run_id"] == outer["run_id"]
    phases = {phase["path"]: phase for phase in outer["bill"]["phases"]}
    assert set(phases) == {"", "inner", "beside"}
    assert inner["energy_joules"] == phases["inner"]["energy_joules"] > 0
    assert inner["duration_seconds"] == pytest.approx(0.6, abs=0.15)
    assert inner["idle_joules"] is None and inner["uncertainty_joules"] is None


def test_inside_a_run_a_block_is_its_phase_and_knows_its_joules_at_once(everywatt, place):
    keep = {key: place[key] for key in ("PYTHONPATH", "EVERYWATT_BIN", "EVERYWATT_LIBRARY", "XDG_RUNTIME_DIR")}
    done = everywatt.run(PYTHON, "-c", PRELUDE + SAY + """
with everywatt.phase("epoch"):
    with everywatt.run(name="eval", tags={"split": "test"}) as bill: burn(1.2)
say(bill)
""", env=keep)
    said = json.loads(done.out)
    assert said["run_id"] == done.bill["id"] and said["bill"]["status"] == "running"
    phase = next(phase for phase in done.bill["phases"] if phase["path"] == "epoch/eval")
    assert said["duration_seconds"] == pytest.approx(phase["duration_seconds"], abs=0.01)
    assert said["energy_joules"] == pytest.approx(phase["energy_joules"], rel=0.5)  # the floor is known better at the end
    assert done.bill["tags"] == {"split": "test"}
    assert len(everywatt.json("ls")["runs"]) == 1


def test_disabled_nothing_happens_and_no_figure_is_known(everywatt, place):
    said, = answers(python("""
with everywatt.run(name="block") as bill: pass
say(bill)
""", place | {"EVERYWATT_DISABLED": "1"}))
    assert said == dict.fromkeys(FIGURES) | {"bill": {}}
    assert not everywatt.database.exists()


def test_without_the_program_the_job_goes_on_with_one_warning(place):
    for missing in ({"EVERYWATT_BIN": "/nowhere/everywatt"}, {"EVERYWATT_BIN": "/bin/true"}):
        done = python("""
with everywatt.run() as bill: print("worked", bill.total_joules)
""", place | missing)
        assert done.stdout == "worked None\n" and len(done.stderr.splitlines()) == 1 and "nothing is measured" in done.stderr


def test_inside_a_run_a_missing_program_is_a_warning_and_no_figure(everywatt, place):
    keep = {key: place[key] for key in ("PYTHONPATH", "EVERYWATT_LIBRARY")}
    done = everywatt.run(PYTHON, "-c", "import everywatt\nwith everywatt.run(name='part') as bill: pass\nprint(bill.total_joules, bill.to_dict())",
                         flags=["--quiet"], env=keep | {"EVERYWATT_BIN": "/nowhere/everywatt"})
    assert done.status == 0 and done.out == b"None {}\n" and "/nowhere/everywatt" in done.err
    assert any(phase["path"] == "part" for phase in done.bill["phases"])


def test_an_exception_leaves_the_block_and_the_bill_is_there(everywatt, place):
    said, = answers(python("""
try:
    with everywatt.run(name="raises") as bill:
        burn(0.1); raise KeyError("x")
except KeyError: say(bill)
""", place))
    assert said["bill"]["status"] == "finished" and said["energy_joules"] > 0


def test_a_job_that_is_killed_in_its_block_has_its_bill(everywatt, place):
    job = subprocess.Popen([PYTHON, "-c", PRELUDE + """
with everywatt.run(name="killed"):
    with everywatt.phase("train"): burn(2.5); print("now", flush=True); time.sleep(60)
"""], env=place, stdout=subprocess.PIPE)
    assert job.stdout.readline() == b"now\n"
    job.send_signal(signal.SIGKILL)
    job.wait()
    wait_for_no_meter(place)
    bill = everywatt.show()  # of the last second what its parent did not take away first
    assert bill["name"] == "killed" and bill["status"] != "running"
    assert any(phase["path"] == "train" and phase["energy_joules"] > 0 for phase in bill["phases"])


RANK = PRELUDE + SAY + """
with everywatt.run(name="ranks") as bill:
    until = time.process_time() + 0.3
    with everywatt.phase(f"rank {os.environ['LOCAL_RANK']}"):
        while time.process_time() < until: pass
    if os.environ["LOCAL_RANK"] == os.environ.get("DIES"): os.kill(os.getpid(), signal.SIGKILL)
say(bill)
"""


def ranks(place, number, **more):
    done = subprocess.run([PYTHON, "-c", RANKS, str(number), RANK], env=place | more, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    wait_for_no_meter(place)
    return answers(done)


def test_ranks_of_one_launcher_share_one_meter_and_one_bill(everywatt, place):
    said = ranks(place, 8)
    assert len(said) == 8 and len(everywatt.json("ls")["runs"]) == 1
    assert all(other == said[0] for other in said)
    bill = said[0]["bill"]
    assert bill == everywatt.show() and bill["status"] == "finished"
    assert {f"rank {rank}" for rank in range(8)} <= {phase["path"] for phase in bill["phases"]}
    assert bill["process"]["cpu_seconds"] > 8 * 0.3 * 0.9
    assert_books_balance(bill)


@pytest.mark.parametrize("dies", ["0", "7"])
def test_a_rank_that_is_killed_leaves_the_others_their_bill(everywatt, place, dies):
    said = ranks(place, 8, DIES=dies)
    assert len(said) == 7 and all(other == said[0] for other in said) and said[0]["energy_joules"] > 0
    assert len(everywatt.json("ls")["runs"]) == 1 and said[0]["bill"]["status"] == "finished"


def test_a_launcher_that_is_used_again_gets_a_run_each_time(everywatt, place):
    twice = RANKS.replace("for rank in ranks: rank.wait()", "for rank in ranks: rank.wait()\nranks.clear()").replace(
        "ranks = []", "ranks = []\nfor again in range(2):").split("\n")
    head = twice.index("for again in range(2):")
    text = "\n".join(twice[:head + 1] + ["    " + line for line in twice[head + 1:]])
    done = subprocess.run([PYTHON, "-c", text, "2", RANK], env=place, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert len({said["run_id"] for said in answers(done)}) == 2 == len(everywatt.json("ls")["runs"])


def test_attach_listens_where_it_is_told_and_takes_labels(everywatt, tmp_path_factory):
    socket = tmp_path_factory.mktemp("s") / "m.sock"
    job = subprocess.Popen(["sleep", "1"])
    done = everywatt("attach", "--quiet", "--print-id", "--socket", socket, "--project", "p", "--model", "m", "--tag", "k=v", job.pid)
    job.wait()
    bill = everywatt.show()
    assert done.returncode == 0 and done.stdout == bill["id"] + "\n"
    assert (bill["project"], bill["model"], bill["tags"]) == ("p", "m", {"k": "v"}) and not socket.exists()


def test_attach_refuses_a_socket_that_it_cannot_make(everywatt, tmp_path):
    taken = tmp_path / "file"
    taken.write_text("mine")
    done = everywatt("attach", "--socket", taken, os.getpid())
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and str(taken) in done.stderr
    assert taken.read_text() == "mine"


CELL = """
class Shell:
    def __init__(self): self.magics = {}
    def register_magic_function(self, function, kind): self.magics[kind, function.__name__] = function
    def run_cell(self, cell):
        exec(cell, {})
        return type("Result", (), {"success": True})
import everywatt.notebook
shell = Shell()
everywatt.notebook.load_ipython_extension(shell)
bill = shell.magics["cell", "everywatt"]("sums", "total = sum(range(5_000_000))")
"""


def test_a_cell_is_measured_and_its_bill_is_shown(place):
    done = python(CELL + "print(); say(bill)", place)
    shown, said = done.stdout.rsplit("\n\n", 1)
    assert shown.startswith("sums  finished") and json.loads(said)["bill"]["name"] == "sums"


def test_what_the_guide_shows_runs(everywatt, place):
    (_, block), = blocks("python.md")
    done = subprocess.run([PYTHON, "-c", block], env=place, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.split()[-1] == everywatt.show()["id"] and everywatt.show()["name"] == "fine-tuning"
