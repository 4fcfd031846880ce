"""CPU time and memory of everywatt itself while a command runs, taken from outside, beside CodeCarbon's monitor."""
import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import peers
from harness import CLOCK_TICK, EVERYWATT, Page, environment, program, quartiles, scratch, unpack_machine

GOAL_CPU = 0.001
GOAL_RSS = 15e6
SLICE = 5.0  # seconds; the spread is over these
SLEEP = "/usr/bin/sleep"


def cpu_seconds(pid):
    """Of this one process, not of its children: nanoseconds of each living thread, or the group's ticks with the dead ones."""
    threads = 0.0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            threads += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0]) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    group = (int(fields[11]) + int(fields[12])) * CLOCK_TICK
    return max(threads, group - 2 * CLOCK_TICK)  # utime and stime are each rounded to ticks


def peak_rss(pid):
    """VmHWM; ru_maxrss would also hold the memory of whoever made the process (it survives execve)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


class Watch:
    """One run of a command under a tool, with the tool's CPU time at slices of wall time."""

    def __init__(self, command, env, folder, seconds):
        process = subprocess.Popen(command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        start = time.monotonic()
        step = min(SLICE, seconds / 4)
        self.points = []
        self.rss = 0
        # The last look is half a second before the command ends: a process that is gone has no figures.
        looks = [step * i for i in range(1, int(seconds / step))] + [seconds - 0.5]
        for look in looks:
            time.sleep(max(0.0, start + look - time.monotonic()))
            self.look(process.pid, time.monotonic() - start)
        if process.wait() != 0:
            raise RuntimeError(f"{command[0]} ended with status {process.returncode}")

    def look(self, pid, at):
        self.points.append((at, cpu_seconds(pid)))
        self.rss = max(self.rss, peak_rss(pid))

    def slices(self):
        """CPU seconds per wall second of each slice; the start is in the whole only."""
        pairs = zip(self.points, self.points[1:-1])
        return [(cpu2 - cpu1) / (at2 - at1) for (at1, cpu1), (at2, cpu2) in pairs]

    def whole(self):
        at, cpu = self.points[-1]
        return cpu / at


@contextlib.contextmanager
def busy_machine():
    """Somebody else's work on every CPU."""
    worker = subprocess.Popen([program("fixed_work"), "0", str(len(os.sched_getaffinity(0)))], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        worker.kill()
        worker.wait()


def moved(text, ticks):
    """A /proc/stat after half of so much time of each CPU was work."""
    lines = text.splitlines(keepends=True)
    for i, line in enumerate(lines):
        if line.startswith("cpu") and line[3].isdigit():
            fields = line.split()
            fields[1], fields[4] = str(int(fields[1]) + ticks), str(int(fields[4]) + ticks)
            lines[i] = " ".join(fields) + "\n"
    return "".join(lines)


class Film:
    """What the files of a recorded machine hold at each tenth of a second: made beforehand, so that showing it costs next to nothing."""

    TICKS, MICROJOULES = 5, 15_000_000  # of a CPU and of an energy zone in a tenth of a second

    def __init__(self, folder, seconds):
        stat = folder / "proc/stat"
        text, self.stats = stat.read_text(), []
        for _ in range(int(seconds * 10)):
            text = moved(text, self.TICKS)
            self.stats.append(text.encode())
        self.stat = os.open(stat, os.O_RDWR)
        self.zones = []
        for zone in folder.glob("sys/class/powercap/*/energy_uj"):
            limit = int((zone.parent / "max_energy_range_uj").read_text())
            self.zones.append((os.open(zone, os.O_RDWR), int(zone.read_text()), limit))

    def show(self, number):
        rewrite(self.stat, self.stats[number % len(self.stats)])
        for file, start, limit in self.zones:
            rewrite(file, b"%d\n" % ((start + (number + 1) * self.MICROJOULES) % limit))


def rewrite(file, text):
    """In place and in one write, as the kernel's files change: an open descriptor sees the new text, never none."""
    os.pwrite(file, text, 0)
    os.ftruncate(file, len(text))  # a counter that went round is shorter than it was


@contextlib.contextmanager
def moving_machine(folder, seconds):
    film, done = Film(folder, seconds), threading.Event()

    def play():
        number = 0
        while not done.wait(0.1):
            film.show(number)
            number += 1

    player = threading.Thread(target=play)
    player.start()
    try:
        yield
    finally:
        done.set()
        player.join()


def measure(quick):
    # The recorded machine is in memory, as the kernel's own files are: a disk notes when a file that changes was read.
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="own-cost-") as memory:
        measure_with(quick, Path(memory))


def measure_with(quick, memory):
    page = Page("own-cost", "CPU time and memory of everywatt itself", quick)
    seconds = 6 if quick else 60
    folder = scratch("own-cost")
    large = unpack_machine("cpus_256", memory / "cpus_256")
    plain = environment(folder)
    recorded = environment(folder, EVERYWATT_SYSFS=large / "sys", EVERYWATT_PROCFS=large / "proc")
    bill = folder / "bill.json"
    run = [str(EVERYWATT), "run", "--quiet", "--json", str(bill), "--"]
    sleep = [SLEEP, str(seconds)]
    burn = ["/usr/bin/timeout", "--preserve-status", "-s", "KILL", str(seconds), program("fixed_work"), "0", str(len(os.sched_getaffinity(0)))]
    shell_burn = ["/bin/sh", "-c", " ".join(burn) + "; true"]
    cases = (
        ("everywatt, idle machine", run + sleep, plain, contextlib.nullcontext()),
        ("everywatt, others work on every CPU", run + sleep, plain, busy_machine()),
        ("everywatt, the job works on every CPU", run + shell_burn, plain, contextlib.nullcontext()),
        ("everywatt, 256 recorded CPUs, still", run + sleep, recorded, contextlib.nullcontext()),
        ("everywatt, 256 recorded CPUs, moving", run + sleep, recorded, moving_machine(large, seconds + 5)),
        ("codecarbon monitor, idle machine", peers.codecarbon(sleep), plain, contextlib.nullcontext()),
    )
    rows, ours = [], []
    for name, command, env, surroundings in cases:
        with surroundings:
            watch = Watch(command, env, folder, seconds)
        own = json.loads(bill.read_text())["overhead"] if command[0] == str(EVERYWATT) else None
        spread = quartiles(watch.slices())
        if own:
            ours.append((watch.whole(), watch.rss))
        billed = f"{own['cpu_seconds'] / seconds * 100:.3f} %, {own['peak_rss_bytes'] / 1e6:.1f} MB" if own else ""
        rows.append((name, f"{watch.whole() * 100:.3f} %", f"{spread.median * 100:.3f} %",
                     f"{spread.low * 100:.3f} to {spread.high * 100:.3f}", f"{watch.rss / 1e6:.1f} MB", billed))
        print(f"   {name}: {watch.whole() * 100:.3f} % of a CPU, {watch.rss / 1e6:.1f} MB", flush=True)
    worst = max(whole for whole, _ in ours), max(rss for _, rss in ours)
    page.text(
        f"CPU seconds per wall second of the supervisor alone over a command of {seconds} s at the default period (100 ms), read from outside "
        "(`/proc/PID/task/*/schedstat`, `/proc/PID/stat`; peak memory from `VmHWM`). *Whole* includes the start; *steady* is the median "
        f"over slices of {min(SLICE, seconds / 4):g} s after the first. The last column is what everywatt's own bill says."
    )
    page.verdict("≤ 0.1 % of one CPU, ≤ 15 MB", f"at most {worst[0] * 100:.3f} %, {worst[1] / 1e6:.1f} MB",
                 worst[0] <= GOAL_CPU and worst[1] <= GOAL_RSS)
    page.table(("what", "whole", "steady", "interquartile range, %", "peak memory", "the bill says"), rows)
    page.text(
        f"For comparison, a process that only sleeps 100 ms at a time takes {bare_loop(seconds / 4) * 100:.3f} % here, one that also reads "
        f"`/proc/stat` each time {bare_loop(seconds / 4, '/proc/stat') * 100:.3f} %, and one that reads the recorded machine's two energy "
        f"counters and keeps nothing {bare_loop(seconds / 4, *energy_counters(large)) * 100:.3f} %: the price of waking up and looking. "
        "everywatt looks at such counters twice a second while nobody speaks (docs/decisions/016-a-counter-wakes-nobody.md). "
        "The recorded machine's files are ordinary ones in memory; a kernel with 256 CPUs needs longer to make its `/proc/stat` than a file takes to read. "
        f"Peer: {peers.codecarbon_version()}, offline, at its default period of 10 s; its *whole* holds the start of Python."
    )
    page.write()


def energy_counters(folder):
    """The packages' own, which a run reads at each tick."""
    return sorted(str(zone) for zone in folder.glob("sys/class/powercap/intel-rapl:?/energy_uj"))


def bare_loop(seconds, *paths):
    """CPU seconds per wall second of the least a sampler can do."""
    command = [program("bare_loop"), str(int(seconds * 10)), *paths]
    ratios = [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(3)]
    return statistics.median(ratios)
