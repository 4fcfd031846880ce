"""A job under everywatt is the job itself: exit status, streams, environment, limits, children."""
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from conftest import PYTHON, assert_books_balance, burn, finish

# Prints what a process can see of how it was started.
SELF_PORTRAIT = """
import json, os, resource, sys
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
def is_open(fd):
    try: os.fstat(fd); return True
    except OSError: return False
print(json.dumps({
    "signals": {k: status[k].strip() for k in ("SigBlk", "SigIgn", "SigCgt")},
    "privileges": {k: status[k].strip() for k in ("NoNewPrivs", "Uid", "Gid", "CapEff", "Seccomp", "Cpus_allowed_list")},
    "environment": dict(os.environ),
    "descriptors": [fd for fd in range(64) if is_open(fd)],
    "folder": os.getcwd(), "umask": os.umask(0o77), "nice": os.nice(0),
    "limits": [resource.getrlimit(n) for n in range(16)],
    "session": os.getsid(0), "group_is_own": os.getpgrp() == os.getpid(),
    "deathsig": __import__("ctypes").CDLL(None).prctl(2, __import__("ctypes").byref(d := __import__("ctypes").c_int())) or d.value,
}))
"""


def portrait(argv, **more):
    out = subprocess.run(argv, capture_output=True, check=True, timeout=20, **more).stdout
    return json.loads(out)


# --- exit status

STATUSES = [(["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 128 + 9),
            (["sh", "-c", "kill -15 $$"], 128 + 15), (["/etc/passwd"], 126), (["no-such-command-anywhere"], 127),
            (["sh", "-c", "exit 255"], 255), (["/"], 126)]


@pytest.mark.parametrize("command, status", STATUSES, ids=[str(s) + "-" + c[0] for c, s in STATUSES])
def test_the_exit_status_is_the_commands_own(everywatt, command, status):
    done = everywatt.run(*command)
    assert done.status == status
    if status in (126, 127):
        assert len(done.lines) == 1 and command[0] in done.err
        return
    assert done.bill["exit_status"] == status
    assert done.bill["status"] == ("finished" if status == 0 else "killed" if status in (137, 143) else "failed")
    assert bool(done.bill["ended_by"]) == (status in (137, 143))
    assert_books_balance(done.bill)


def test_a_command_that_never_started_leaves_no_run_that_looks_alive(everywatt):
    everywatt.run("no-such-command-anywhere")
    runs = everywatt.json("ls")["runs"]
    assert [run for run in runs if run["status"] == "running"] == []


# --- signals sent to the supervisor

COUNTS = """
import os, signal, sys, time
sent = getattr(signal, sys.argv[1])
counted = []
signal.signal(sent, lambda *_: counted.append(1))
open(sys.argv[2], "w").write("ready")
end = time.monotonic() + 1.5
while time.monotonic() < end: time.sleep(0.05)
print(len(counted))
sys.exit(20 + len(counted))
"""


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


SENT = ["SIGTERM", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGHUP", "SIGQUIT", "SIGWINCH", "SIGCONT", "SIGALRM", "SIGRTMIN"]


def test_a_signal_sent_to_the_supervisor_reaches_the_job_once(everywatt, tmp_path):
    jobs = {}
    for name in SENT:
        ready = tmp_path / f"ready-{name}"
        jobs[name] = (everywatt.start(PYTHON, "-S", "-c", COUNTS, name, ready, start_new_session=True), ready)
    for name, (job, ready) in jobs.items():
        wait_for(ready.exists, 20)
        time.sleep(0.1)
        job.send_signal(getattr(signal, name))
    counts = {name: int(finish(job).out) for name, (job, _) in jobs.items()}
    assert counts == {name: 1 for name in SENT}


def test_a_signal_that_ends_the_job_ends_the_run_with_its_bill(everywatt, tmp_path):
    job = everywatt.start("sh", "-c", f"echo > {tmp_path}/ready; exec sleep 20", start_new_session=True)
    wait_for((tmp_path / "ready").exists)
    job.send_signal(signal.SIGTERM)
    done = finish(job)
    assert done.status == 128 + 15
    assert done.bill["status"] == "killed" and "15" in done.bill["ended_by"]


def test_ignored_signals_stay_ignored(everywatt, tmp_path):
    """As under nohup: the parent ignores SIGINT and SIGHUP, and so does the job."""
    def ignore():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    marker = tmp_path / "ready"
    job = everywatt.start("sh", "-c", f"echo > {marker}; sleep 1; exit 3", preexec_fn=ignore, start_new_session=True)
    wait_for(marker.exists)
    os.killpg(job.pid, signal.SIGINT)
    os.killpg(job.pid, signal.SIGHUP)
    assert finish(job).status == 3


# --- what the job inherits

def test_a_job_sees_what_it_would_see_without_everywatt(everywatt, tmp_path):
    """Mask, dispositions, descriptors, limits, folder, umask, nice, session; of the environment only EVERYWATT_* is new."""
    def prepare():
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGRTMIN, signal.SIGTERM})
        os.umask(0o27)
        os.nice(3)
    kept = os.open("/dev/null", os.O_RDONLY)
    how = {"env": everywatt.environment({}), "cwd": tmp_path, "pass_fds": (kept,), "preexec_fn": prepare,
           "restore_signals": False}
    direct = portrait([PYTHON, "-S", "-c", SELF_PORTRAIT], **how)
    through = portrait([everywatt.binary, "run", "--quiet", "--", PYTHON, "-S", "-c", SELF_PORTRAIT], **how)
    os.close(kept)
    added = {k: v for k, v in through.pop("environment").items() if direct["environment"].get(k) != v}
    removed = set(direct.pop("environment")) - set(how["env"])
    assert removed == set() or removed == {"LC_CTYPE"}
    assert added and all(name.startswith("EVERYWATT_") for name in added)
    assert "EVERYWATT_RUN_ID" in added
    assert through == direct
    assert kept in through["descriptors"]
    assert through["deathsig"] == 0


def test_the_job_runs_in_the_group_and_session_of_its_caller(everywatt):
    """So that terminal signals and a shell's job control reach it as ever."""
    script = "print(__import__('os').getpgrp())"
    job = everywatt.start(PYTHON, "-S", "-c", script, start_new_session=True)
    assert int(finish(job).out) == job.pid


# --- streams

def test_ten_megabytes_pass_byte_for_byte(everywatt):
    data = os.urandom(10_000_000)
    done = subprocess.run([everywatt.binary, "run", "--quiet", "--", "cat"], input=data, capture_output=True,
                          env=everywatt.environment(), timeout=30, check=True)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()
    assert done.stderr == b""


def test_errors_of_the_job_come_first_and_unchanged(everywatt):
    done = everywatt.run("sh", "-c", r"printf 'a\000b\377no newline' >&2", flags=["--quiet"])
    assert done.err == b"a\x00b\xffno newline".decode(errors="replace")
    loud = everywatt.run("sh", "-c", "printf one; printf two >&2")
    assert loud.out == b"one" and loud.err.startswith("two\n")


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "0<&-", "0<&- 1>&- 2>&-"])
def test_closed_streams_stay_closed_and_harm_nothing(everywatt, closed, tmp_path):
    """A closed descriptor must not become the ledger's: the job would write into it."""
    job = f"echo out; echo err >&2; cat; echo $? > {tmp_path}/STATUS"
    report = 'for fd in 0 1 2; do test -e /proc/self/fd/$fd && printf $fd; done > FILE; '.replace("FILE", f"{tmp_path}/FDS")

    def once(prefix):
        command = [*prefix, "sh", "-c", report + job]
        shell = " ".join(f"'{word}'" for word in command) + " " + closed
        done = subprocess.run(["sh", "-c", shell], env=everywatt.environment(), capture_output=True, timeout=20, check=False)
        return done.returncode, done.stdout, (tmp_path / "STATUS").read_text(), (tmp_path / "FDS").read_text()

    direct = once(["env"])
    through = once([everywatt.binary, "run", "--quiet", "--"])
    assert through == direct
    bill = everywatt.show()
    assert bill["status"] in ("finished", "failed")
    assert_books_balance(bill)


def test_a_reader_that_goes_away_ends_the_job_as_ever(everywatt):
    shell = f"{everywatt.binary} run --quiet -- yes | head -1"
    done = subprocess.run(["bash", "-c", shell + "; echo ${PIPESTATUS[0]}"], env=everywatt.environment(),
                          capture_output=True, timeout=20, check=True)
    assert done.stdout == b"y\n141\n"


def test_nothing_of_ours_goes_to_standard_output(everywatt):
    done = everywatt.run("echo", "its own")
    assert done.out == b"its own\n"
    assert "energy" in done.err


# --- children

def test_a_job_that_leaves_daemons_behind_ends_and_names_them(everywatt, tmp_path):
    pids = tmp_path / "pids"
    job = f"setsid sleep 30 >/dev/null 2>&1 </dev/null & echo $! > {pids}; (sleep 31 >/dev/null 2>&1 </dev/null & echo $! >> {pids})"
    # On a busy machine the job may be over before they have become what they are.
    job += f"; while [ $(cat $(sed 's|.*|/proc/&/comm|' {pids}) | grep -c sleep) -lt 2 ]; do sleep 0.02; done"
    begin = time.monotonic()
    try:
        done = everywatt.run("sh", "-c", job)
        took = time.monotonic() - begin
        assert done.status == 0 and took < 5
        left = [int(pid) for pid in pids.read_text().split()]
        assert all(pathlib.Path(f"/proc/{pid}").exists() for pid in left), "they were to live on"
        named = " ".join(done.bill["notices"])
        assert all(str(pid) in named for pid in left) and "sleep" in named
        assert all(str(pid) in done.err for pid in left)
    finally:
        for pid in pids.read_text().split():
            os.kill(int(pid), signal.SIGKILL)


FOUR_CHILDREN = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        while time.process_time() < 0.25: pass
        os._exit(0)
    os.wait()
"""


def test_cpu_time_of_exited_grandchildren_is_counted(everywatt):
    done = everywatt.run("sh", "-c", f"{PYTHON} -S -c '{FOUR_CHILDREN}' & wait")
    assert done.bill["process"]["cpu_seconds"] == pytest.approx(1.05, abs=0.15)


def test_a_run_within_a_run_is_its_child_and_costs_no_more(everywatt, tmp_path):
    inner_file = tmp_path / "inner.json"
    outer = everywatt.run(everywatt.binary, "run", "--quiet", "--json", inner_file, "--", *burn(1, 1.5)).bill
    inner = json.loads(inner_file.read_text())
    assert outer["parent"] is None and inner["parent"] == outer["id"]
    assert inner["energy"]["total_joules"] <= outer["energy"]["total_joules"]
    assert inner["energy"]["busy_joules"] == pytest.approx(outer["energy"]["busy_joules"], rel=0.15)
    parents = {run["id"]: run["parent"] for run in everywatt.json("ls")["runs"]}
    assert parents == {outer["id"]: None, inner["id"]: outer["id"]}
