"""What this machine permits as root, for real: a cgroup of the run's own, network bytes by connection.
Nothing here is skipped: run these as root."""
import json
import os
import pathlib
import re
import socket
import subprocess
import time

import pytest

from conftest import PYTHON, assert_books_balance, burn, device, finish

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture(scope="module")
def root():
    assert os.geteuid() == 0, "a cgroup, a network namespace and a PID namespace are made by root: run this as root"


# --- the run's own cgroup

def test_cpu_time_comes_from_a_cgroup_of_the_runs_own(everywatt):
    done = everywatt.run("sh", "-c", "cat /proc/self/cgroup; exec " + " ".join(f"'{w}'" for w in burn(1, 1.2)))
    assert done.status == 0, done.err
    assert done.bill["process"]["cpu_method"] == "cgroup"
    own = [line for line in done.out.decode().splitlines() if line.startswith("0::")]
    assert len(own) == 1 and f"/everywatt-{done.bill['id']}" in own[0]
    assert done.bill["process"]["cpu_seconds"] == pytest.approx(1.2, abs=0.15)


def test_the_cgroup_is_removed_with_the_run(everywatt):
    done = everywatt.run("cat", "/proc/self/cgroup")
    path = [line for line in done.out.decode().splitlines() if line.startswith("0::")][0][3:]
    mounts = re.findall(r" (\S+) [^\n]* - cgroup2 ", pathlib.Path("/proc/self/mountinfo").read_text())
    assert mounts, "there is no cgroup v2 here"
    assert not any(pathlib.Path(mount + path).exists() for mount in mounts)


SPAWNS = """
import os, resource, subprocess, sys
for _ in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        sum(i * i for i in range(20000))
        os._exit(0)
    os.waitpid(pid, 0)
own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
print(own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime)
"""


@pytest.mark.parametrize("by", ["cgroup", "process-tree"])
def test_a_thousand_short_lived_children_are_counted(everywatt, as_nobody, by):
    """Also where no cgroup can be made: then by the tree of processes and what they leave to their parents."""
    who = everywatt if by == "cgroup" else as_nobody
    done = who.run(PYTHON, "-S", "-c", SPAWNS, "1000")
    assert done.bill["process"]["cpu_method"] == by
    assert done.bill["process"]["cpu_seconds"] == pytest.approx(float(done.out), rel=0.05, abs=0.05)


# --- a PID namespace

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc"]


def test_as_pid_1_of_a_namespace_the_status_is_the_commands_own(everywatt, tmp_path):
    bill = tmp_path / "bill.json"
    script = "echo $PPID; (sleep 0.2 & ) ; sleep 1.2; exit 5"
    done = subprocess.run([*UNSHARE, everywatt.binary, "run", "--json", bill, "--", "sh", "-c", script],
                          env=everywatt.environment(), capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 5, done.stderr
    assert done.stdout == "1\n", "everywatt was PID 1"
    bill = json.loads(bill.read_text())
    assert bill["exit_status"] == 5 and bill["energy"]["measured_joules"] > 0
    assert everywatt.show(bill["id"])["exit_status"] == 5


ORPHANS = """
import os, time
for _ in range(50):
    pid = os.fork()
    if pid == 0:
        os.fork()
        os._exit(0)
    os.waitpid(pid, 0)
time.sleep(0.5)
states = [open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()[0] for p in os.listdir("/proc") if p.isdigit()]
print(states.count("Z"))
"""


def test_as_pid_1_orphans_are_reaped(everywatt):
    """The orphans of a container's job must not stay as zombies."""
    done = subprocess.run([*UNSHARE, everywatt.binary, "run", "--quiet", "--", PYTHON, "-S", "-c", ORPHANS],
                          env=everywatt.environment(), capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0\n"


def test_as_pid_1_a_signal_from_outside_reaches_the_job(everywatt, tmp_path):
    """As `docker stop` does it: SIGTERM to PID 1 of the namespace."""
    job = everywatt.folder / "ready"
    process = subprocess.Popen([*UNSHARE, everywatt.binary, "run", "--", "sh", "-c", f": > {job}; exec sleep 20"],
                               env=everywatt.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while not job.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    first = int(subprocess.run(["ps", "--ppid", str(process.pid), "-o", "pid="], capture_output=True, text=True, check=True).stdout)
    time.sleep(0.1)
    os.kill(first, 15)
    assert process.wait(10) == 128 + 15
    assert everywatt.show()["status"] == "killed"


# --- the network

SERVER = """
import socket, sys, threading
listener = socket.create_server((sys.argv[1], 0), backlog=64)
print(listener.getsockname()[1], flush=True)
def serve(connection):
    wanted = int(connection.recv(16).split()[0])
    while connection.recv(1 << 20): pass
    connection.sendall(b'x' * wanted)
    connection.close()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

# Sends and receives over COUNT connections; each is held open for a while and has its last bytes just before its end.
CLIENT = """
import socket, sys, time
host, port, count, sent, wanted, hold = sys.argv[1], *map(int, sys.argv[2:6]), float(sys.argv[6])
for _ in range(count):
    c = socket.create_connection((host, port))
    c.sendall(b'%-16d' % wanted)
    time.sleep(0.01)
    c.sendall(b'y' * (sent // 2 - 16))
    time.sleep(hold)
    c.sendall(b'y' * (sent - sent // 2))
    c.shutdown(socket.SHUT_WR)
    got = 0
    while chunk := c.recv(1 << 20): got += len(chunk)
    assert got == wanted, got
    c.close()
"""


@pytest.fixture(scope="module")
def another_host(root):
    """A network namespace behind a pair of virtual cables, with a server in it."""
    name, here, there = f"ew{os.getpid()}", f"ewa{os.getpid()}"[:15], f"ewb{os.getpid()}"[:15]
    network = f"10.{os.getpid() % 200 + 20}.77"

    def ip(*args):
        subprocess.run(["ip", *args], check=True, capture_output=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        ip("addr", "add", f"{network}.1/24", "dev", here)
        ip("link", "set", here, "up")
        ip("-n", name, "addr", "add", f"{network}.2/24", "dev", there)
        ip("-n", name, "link", "set", there, "up")
        ip("-n", name, "link", "set", "lo", "up")
        server = subprocess.Popen(["ip", "netns", "exec", name, PYTHON, "-S", "-c", SERVER, f"{network}.2"], stdout=subprocess.PIPE)
        port = int(server.stdout.readline())
        socket.create_connection((f"{network}.2", port), timeout=5).close()
        yield f"{network}.2", port, name
        server.kill()
        server.wait()
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


def bytes_of(bill, kind):
    found = [row for row in bill["network"] if row["class"] == kind]
    assert len(found) == 1, f"of {kind} nothing is said, not even that it is a lower bound: {bill['network']}"
    return found[0]


def assert_counted_or_said_to_be_more(row, sent, received):
    """Right, or less and said to be: what was not seen must not pass for nothing."""
    told = (row["sent_bytes"], row["received_bytes"])
    if row["lower_bound"]:
        assert told[0] <= sent * 1.02 and told[1] <= received * 1.02
    else:
        assert told == pytest.approx((sent, received), rel=0.02)


@pytest.mark.parametrize("opened_after", ["0", "1.3"])
def test_bytes_between_the_last_look_and_the_end_of_a_connection_are_counted(everywatt, another_host, opened_after):
    """The kernel's notice of a destroyed socket carries its last figures: half of the bytes come right before it."""
    host, port, _ = another_host
    client = [PYTHON, "-S", "-c", CLIENT, host, port, "1", "3000000", "5000000", "6.2"]
    done = everywatt.run("sh", "-c", 'sleep "$1"; shift; "$@"', "sh", opened_after, *client)
    assert done.status == 0, done.err
    row = bytes_of(done.bill, "private")
    assert row["sent_bytes"] == pytest.approx(3_000_000, rel=0.02)
    assert row["received_bytes"] == pytest.approx(5_000_000, rel=0.02)


def test_connections_that_came_and_went_between_looks_do_not_pass_for_nothing(everywatt, another_host):
    host, port, _ = another_host
    done = everywatt.run("sh", "-c", 'sleep 1.3; "$@"', "sh", PYTHON, "-S", "-c", CLIENT, host, port, "40", "100000", "200000", "0")
    assert done.status == 0, done.err
    assert_counted_or_said_to_be_more(bytes_of(done.bill, "private"), 4_000_000, 8_000_000)


def test_traffic_of_others_is_not_the_runs(everywatt, another_host):
    host, port, _ = another_host
    job = everywatt.start("sleep", "1.5")
    subprocess.run([PYTHON, "-S", "-c", CLIENT, host, str(port), "5", "1000000", "1000000", "0.1"], check=True)
    bill = finish(job).bill
    assert sum(row["sent_bytes"] + row["received_bytes"] for row in bill["network"]) == 0


def test_loopback_is_told_apart(everywatt):
    with subprocess.Popen([PYTHON, "-S", "-c", SERVER, "127.0.0.1"], stdout=subprocess.PIPE) as server:
        port = int(server.stdout.readline())
        done = everywatt.run(PYTHON, "-S", "-c", CLIENT, "127.0.0.1", port, "1", "1200000", "1800000", "1.3")
        server.kill()
    assert done.status == 0, done.err
    assert_counted_or_said_to_be_more(bytes_of(done.bill, "loopback"), 1_200_000, 1_800_000)
    assert not any(r["sent_bytes"] for r in done.bill["network"] if r["class"] != "loopback")


def test_a_job_in_another_network_namespace_is_counted_or_a_lower_bound(everywatt, another_host):
    """A job that enters a namespace of its own speaks there; what is not seen must not pass for all."""
    host, port, name = another_host
    command = ["ip", "netns", "exec", name, PYTHON, "-S", "-c", CLIENT, host, str(port), "2", "500000", "500000", "0.4"]
    done = everywatt.run(*command)
    assert done.status == 0, done.err
    sent = sum(row["sent_bytes"] for row in done.bill["network"])
    assert sent == pytest.approx(1_000_000, rel=0.05) or all(row["lower_bound"] for row in done.bill["network"]), done.bill["network"]


def test_without_the_right_to_notifications_bytes_are_a_lower_bound(as_nobody, another_host):
    host, port, _ = another_host
    done = as_nobody.run(PYTHON, "-S", "-c", CLIENT, host, port, "10", "100000", "100000", "0")
    assert done.status == 0, done.err
    for row in done.bill["network"]:
        assert row["lower_bound"] is True
        assert row["sent_bytes"] <= 1_050_000


# --- disk, memory, a process that runs already

WRITES = """
import os, sys, time
much = bytearray(os.urandom(1) * 120_000_000)
with open(sys.argv[1], "wb") as file:
    file.write(much[:30_000_000])
    file.flush()
    os.fsync(file.fileno())
time.sleep(0.3)
"""


def test_disk_bytes_and_memory_are_those_of_the_run(everywatt, tmp_path):
    process = everywatt.run(PYTHON, "-S", "-c", WRITES, tmp_path / "data").bill["process"]
    assert process["peak_memory_bytes"] is None or 110e6 < process["peak_memory_bytes"] < 260e6
    assert process["disk_written_bytes"] is None or process["disk_written_bytes"] == pytest.approx(30e6, rel=0.2)
    assert process["disk_written_bytes"] is not None or process["peak_memory_bytes"] is not None


def test_attach_measures_a_running_process_to_its_end(everywatt, tmp_path):
    job = subprocess.Popen(burn(1, 2.5))
    time.sleep(0.3)
    done = everywatt("attach", job.pid, "--name", "attached", "--json", tmp_path / "bill.json")
    assert done.returncode == 0, done.stderr
    _, status, used = os.wait4(job.pid, 0)
    assert status == 0
    bill = json.loads((tmp_path / "bill.json").read_text())
    assert bill == everywatt.show("attached")
    assert bill["origin"] == "attach" and bill["duration_seconds"] == pytest.approx(2.2, abs=0.4)
    # What it did before is not on the bill; its last look may miss a tick of the end.
    used = used.ru_utime + used.ru_stime
    assert used - 0.6 < bill["process"]["cpu_seconds"] <= used
    assert device(bill, "package:0")["busy_joules"] > 0
    assert_books_balance(bill)


def test_the_supervisors_own_work_is_on_the_bill(everywatt):
    bill = everywatt.run("sleep", "2").bill
    assert 0 < bill["overhead"]["cpu_seconds"] < 0.1
    assert 1e6 < bill["overhead"]["peak_rss_bytes"] <= 15 * 2**20


def test_the_machines_environment_is_written_down(everywatt):
    environment = everywatt.run("true").bill["environment"]
    assert environment["host"] == socket.gethostname()
    assert environment["kernel"] == os.uname().release
    assert int(environment["cpus"]) == len(os.sched_getaffinity(0)) or int(environment["cpus"]) == os.cpu_count()
    assert environment["working_directory"] == os.getcwd()
