"""What every figure shares: running programs and timing them from outside, medians and intervals, the machine's
description, and the Markdown page that a figure leaves in docs/measurements/.

Nothing here knows what is measured. Times are seconds unless a name says otherwise.
"""
import datetime
import math
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEASUREMENTS = ROOT / "docs" / "measurements"
EVERYWATT = Path(os.environ.get("EVERYWATT_BIN", ROOT / "build/bench/bin/everywatt")).resolve()
PROGRAMS = EVERYWATT.parent  # the benchmarks' own programs stand beside the program they measure
SCRATCH = ROOT / "build" / "bench-scratch"  # on a disk, as a user's ledger is, not in memory
BUSY = 0.3  # load average per CPU beyond which others are in the figures
CLOCK_TICK = 1 / os.sysconf("SC_CLK_TCK")


class Missing(Exception):
    """A program that a figure needs is not there; the text says how to get it."""


def program(name):
    path = PROGRAMS / name
    if not path.exists():
        raise Missing(f"{name} is not built: make bench builds it, or set EVERYWATT_BIN to the everywatt beside it")
    return str(path)


def installed(name, package):
    path = shutil.which(name)
    if not path:
        raise Missing(f"{name} is not installed (Debian package {package})")
    return path


def scratch(name):
    """An empty folder of its own for one figure."""
    folder = SCRATCH / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def environment(folder, **more):
    """A bare environment: no user's configuration, a ledger in `folder`, a short PATH."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "EVERYWATT_DB": str(Path(folder) / "everywatt.db"),
    } | {key: str(value) for key, value in more.items()}


def wall_time(command, env, folder):
    """Seconds from before the process is made until it has been waited for. Its exit status must be 0."""
    quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
    here = os.getcwd()
    os.chdir(folder)
    try:
        start = time.perf_counter()
        pid = os.posix_spawn(command[0], command, env, file_actions=quiet)
        _, status = os.waitpid(pid, 0)
        took = time.perf_counter() - start
    finally:
        os.chdir(here)
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {os.waitstatus_to_exitcode(status)}")
    return took


def interleaved(contestants, rounds, pause=0.0):
    """Runs {name: (callable, every)} in shuffled order, round after round; one whose `every` is k only in each k-th.

    Returns {name: {round: result}}. What disturbs the machine then disturbs all alike.
    """
    order = random.Random(1)
    results = {name: {} for name in contestants}
    for number in range(rounds):
        due = [name for name, (_, every) in contestants.items() if number % every == 0]
        for name in order.sample(due, len(due)):
            results[name][number] = contestants[name][0]()
            time.sleep(pause)
    return results


@dataclass
class Spread:
    median: float
    low: float
    high: float


def quartiles(values):
    """Median and interquartile range."""
    if len(values) < 2:
        return Spread(values[0], values[0], values[0])
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high)


def median_interval(values):
    """Median and its 95 % interval from order statistics: no assumption on the distribution but independence."""
    ordered = sorted(values)
    count = len(ordered)
    outside, rank = 0.0, 0
    while rank < count // 2:  # the largest rank whose binomial tail is at most 2.5 %
        outside += math.comb(count, rank) / 2**count
        if outside > 0.025:
            break
        rank += 1
    rank = max(rank - 1, 0)
    return Spread(statistics.median(ordered), ordered[rank], ordered[count - 1 - rank])


def mean_half_width(values):
    """Mean and the half-width of its 95 % interval by Student's t (Cornish-Fisher expansion: Abramowitz & Stegun 26.7.5)."""
    count = len(values)
    z, n = 1.959964, count - 1
    t = z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    return statistics.mean(values), t * statistics.stdev(values) / math.sqrt(count)


def paired_difference(results, name, base):
    """Round by round, `name` minus `base`."""
    return [value - results[base][number] for number, value in results[name].items() if number in results[base]]


def unpack_machine(name, folder):
    """Unpacks tests/machines/NAME.tree (lines "== path", each followed by that file's text) below `folder`."""
    path, lines = None, []

    def keep():
        if path:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(lines))

    for line in (ROOT / "tests/machines" / f"{name}.tree").read_text().splitlines(keepends=True):
        if line.startswith("== "):
            keep()
            path, lines = line[3:].strip(), []
        else:
            lines.append(line)
    keep()
    return folder


def first(pattern, text, default="unknown"):
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else default


def machine():
    """One sentence on what all this ran on; no names of hosts."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = first(r"^model name\s*:\s*(.*)$", cpuinfo, platform.machine())
    kind = "a virtual machine" if re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE) else "bare metal"
    memory = int(first(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), "0")) / 2**20
    system = first(r'^PRETTY_NAME="?([^"]*)', Path("/etc/os-release").read_text(), "Linux")
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{os.cpu_count()} CPUs of {model} ({kind}), {memory:.0f} GiB, {system}, Linux {kernel}"


def version_of(command):
    """The first line that says a version."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0] if done.stdout or done.stderr else "unknown"


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def commit():
    """The commit, and whether anything differs from it that can change a figure: the pages of others cannot."""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":!docs/measurements")
    return (git("describe", "--always") or "unknown") + ("-dirty" if changed else "")


class Page:
    """The Markdown page of one figure. Written whole at the end, so that a failed run leaves the last good page."""

    def __init__(self, name, title, quick):
        self.name = name
        self.quick = quick
        self.load = os.getloadavg()[0]
        self.parts = [f"# {title}"]

    def text(self, *paragraphs):
        self.parts += paragraphs

    def table(self, header, rows):
        lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
        lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
        self.parts.append("\n".join(lines))

    def verdict(self, goal, value, reached):
        self.parts.append(f"**Goal: {goal}. Measured: {value}. {'Reached.' if reached else 'Missed.'}**")
        print(f"   goal {goal}; measured {value}: {'reached' if reached else 'MISSED'}", flush=True)

    def company(self):
        """Figures taken beside others' work are no figures of ours; the page says so."""
        if self.load <= BUSY * (os.cpu_count() or 1):
            return ""
        print(f"   the machine was not idle (load average {self.load:.2f}): take the figure again when it is", flush=True)
        return "**Others were at work on the machine: these figures are upper bounds.** "

    def write(self):
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        self.parts.append(
            f"Measured {today} at commit {commit()} on {machine()}; load average {self.load:.2f} before. {self.company()}"
            f"Made by `make bench` (`bench/run_all.py --only {self.name}`)."
        )
        folder = SCRATCH if self.quick else MEASUREMENTS  # a quick run only checks that the figure can be taken
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.md"
        path.write_text("\n\n".join(self.parts) + "\n")
        print(f"   written to {path.relative_to(ROOT)}", flush=True)


def milliseconds(spread):
    """A Spread of seconds as cells: median, range."""
    return f"{spread.median * 1e3:.2f} ms", f"{spread.low * 1e3:.2f} to {spread.high * 1e3:.2f}"
