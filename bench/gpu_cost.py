"""CPU time and memory of everywatt on a node of eight GPUs, beside CodeCarbon and zeus: all read the stand-in library of
the virtual lab, which counts their calls."""
import json
import statistics
import struct
import subprocess
import tempfile
from pathlib import Path

import own_cost
import peers
from harness import EVERYWATT, ROOT, Page, environment, program, quartiles, scratch

GOAL_CPU = 0.003
GOAL_RSS = 20e6
GOAL_RATIO = 1 / 5  # of a peer's CPU time for a reading
GPUS = 8
RUNS = 5  # of everywatt: before each peer and after the last
NODE = ROOT / "tests/lab/scenarios/h100_node.toml"

# Calls that read a quantity of a GPU, besides the fields, each of which is one. What a GPU is, as its name and its handle,
# is no quantity; the lists of graphics and MPS clients, which are rarely asked for, are one with that of compute; clocks
# of several domains are as many; a set of performance counters, which is many, counts as one.
QUANTITIES = {
    "nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetSamples",
    "nvmlDeviceGetProcessUtilization", "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetTemperature", "nvmlDeviceGetClockInfo", "nvmlDeviceGetEnforcedPowerLimit",
    "nvmlDeviceGetPerformanceState", "nvmlDeviceGetCurrentClocksEventReasons", "nvmlGpmMetricsGet",
}


def calls_in(folder):
    """{call: count} of all processes that kept their counts in the folder."""
    sums = {}
    for file in folder.iterdir():
        for name, calls in struct.iter_unpack("<56sQ", file.read_bytes()):
            if calls:
                call = name.rstrip(b"\0").decode()
                sums[call] = sums.get(call, 0) + calls
    return sums


def readings(calls):
    return sum(count for call, count in calls.items() if call in QUANTITIES or call.startswith("field "))


def processes_below(pid):
    """What the lab's command is made of, without the sleep that it measures."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            if Path(f"/proc/{child}/comm").read_text() != "sleep\n":
                found += [int(child), *processes_below(int(child))]
        except FileNotFoundError:
            pass  # it ended meanwhile
    return found


class LabWatch(own_cost.Watch):
    """A tool's processes on the lab's machine, with its calls at each look."""

    def __init__(self, command, env, folder, seconds):
        self.counts = folder / "counts"
        self.counts.mkdir()
        self.calls = []
        lab = [program("everywatt-lab"), str(NODE), "--", *command]
        super().__init__(lab, env | {"EVERYWATT_LAB_COUNT": str(self.counts)}, folder, seconds)

    def look(self, pid, at):
        cpu, rss = 0.0, 0
        for process in processes_below(pid):
            try:
                cpu += own_cost.cpu_seconds(process)
                rss += own_cost.peak_rss(process)
            except FileNotFoundError:
                pass
        self.points.append((at, cpu))
        self.rss = max(self.rss, rss)
        self.calls.append(calls_in(self.counts))

    def first(self):
        """The look from which on it measures: zeus needs seconds to start, and tries a few calls before."""
        last = len(self.calls) - 3
        return next((i for i, calls in enumerate(self.calls[:last]) if readings(calls) >= 2 * GPUS), last)

    def slices(self):
        return super().slices()[self.first():]

    def steadily(self):
        """Seconds, CPU seconds and readings from there to the last look."""
        (at, cpu), (end, cpu_end) = self.points[self.first()], self.points[-1]
        return end - at, cpu_end - cpu, readings(self.calls[-1]) - readings(self.calls[self.first()])

    def rate(self):
        seconds, _, read = self.steadily()
        return read / seconds

    def cpu_per_reading(self):
        _, cpu, read = self.steadily()
        return cpu / read if read else float("nan")


def bare_nvml(seconds):
    """CPU seconds per wall second of making everywatt's calls and nothing else: the median of three."""
    # Below a shell, so that the scenario's process is there.
    command = [program("everywatt-lab"), str(NODE), "--", "/bin/sh", "-c", f"{program('bare_nvml')} {int(seconds * 10)}; true"]
    return statistics.median(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(3))


def contestants(seconds, bill):
    run = [str(EVERYWATT), "run", "--quiet", "--json", str(bill), "--", own_cost.SLEEP, str(seconds)]
    monitor = peers.codecarbon([own_cost.SLEEP, str(seconds)])
    return (
        ("everywatt run, 100 ms", run),
        ("codecarbon tracker, 100 ms", peers.codecarbon_tracker(seconds, 0.1)),
        ("codecarbon monitor, its default of 10 s", monitor),
        ("zeus PowerMonitor, 100 ms", peers.zeus("power", seconds)),
    )


def measure(quick):
    page = Page("gpu-cost", "CPU time and memory of everywatt on eight GPUs", quick)
    seconds = 16 if quick else 60
    folder = scratch("gpu-cost")
    bill = folder / "bill.json"

    def run(name, command):
        own = Path(tempfile.mkdtemp(dir=folder))
        env = environment(own, PATH=peers.path_with_nvidia_smi(folder))
        subprocess.run([str(EVERYWATT), "run", "--quiet", "--", "/bin/true"], env=env, cwd=own, check=True)  # makes the ledger
        watch = LabWatch(command, env, own, seconds)
        print(f"   {name}: " + ", ".join(f"{what} {figure}" for what, figure in zip(COLUMNS[1:], row(name, watch)[1:])), flush=True)
        return watch

    ours, *others = contestants(seconds, bill)
    runs, watches = [], {}
    for name, command in others:
        runs.append(run(*ours))
        watches[name] = run(name, command)
    runs += [run(*ours) for _ in range(RUNS - len(runs))]
    runs.sort(key=LabWatch.whole)
    write(page, seconds, runs, {ours[0]: runs[len(runs) // 2]} | watches, json.loads(bill.read_text()))


COLUMNS = ("what", "whole", "steady", "interquartile range, %", "peak memory", "GPU readings a second", "CPU per reading")


def row(name, watch):
    steady = quartiles(watch.slices())
    return (name, f"{watch.whole() * 100:.3f} %", f"{steady.median * 100:.3f} %", f"{steady.low * 100:.3f} to {steady.high * 100:.3f}",
            f"{watch.rss / 1e6:.1f} MB", f"{watch.rate():.1f}", f"{watch.cpu_per_reading() * 1e6:.2f} µs")


def write(page, seconds, runs, watches, bill):
    ours, *others = watches.values()
    ratios = [ours.cpu_per_reading() / other.cpu_per_reading() for other in others]
    page.text(
        f"CPU seconds per wall second of all of a tool's processes over {seconds} s on a machine of the virtual lab "
        f"(`{NODE.relative_to(ROOT)}`: eight H100, two packages with their memory), read from outside (`/proc/PID/task/*/schedstat`, "
        "`/proc/PID/stat`; peak memory from `VmHWM`, summed over processes). *Whole* includes the start, in a ledger that is there, as for all but a "
        "user's first run; *steady* is the median over "
        f"slices of {min(own_cost.SLICE, seconds / 4):g} s once it reads all GPUs. A *reading* is one quantity of one GPU; they were counted "
        "by the library that all of them called (`EVERYWATT_LAB_COUNT`, docs/formats/lab.md), and CPU per reading is of that "
        "time too. On hardware calls cost more: [an H100](gpu-nvidia-h100-80gb-hbm3.md). "
        f"everywatt ran {len(runs)} times, before each peer and after the last: its figures are those of the run in the middle, by *whole*, which was "
        f"{runs[0].whole() * 100:.3f} to {runs[-1].whole() * 100:.3f} %."
    )
    # The goal is of eight quantities each; see explanation().
    reached = ours.whole() <= GOAL_CPU and ours.rss <= GOAL_RSS and max(ratios) <= GOAL_RATIO
    page.verdict(
        "≤ 0.3 % of one CPU, ≤ 20 MB, ≤ 1/5 of each peer's CPU per reading",
        f"{ours.whole() * 100:.3f} % whole (median of {len(runs)}), {ours.rss / 1e6:.1f} MB, at most {max(ratios):.3f} of a peer's", reached)
    page.table(COLUMNS, [row(name, watch) for name, watch in watches.items()])
    page.text(*explanation(seconds, ours, bill))
    page.write()


def explanation(seconds, ours, bill):
    length = ours.points[-1][0] - ours.points[0][0]
    asked = sorted((call, (count - ours.calls[0].get(call, 0)) / length / GPUS) for call, count in ours.calls[-1].items())
    each = ", ".join(f"{call} {rate:.1f}" for call, rate in asked if rate > 0.05)
    yield (
        "Of each GPU everywatt reads ten times a second the energy counter, power at the instant and averaged; five times the samples of its work and "
        "who has a context, and of processes where more than one has; once a second clocks, temperatures, limits, memory, "
        "what held it back, NVLink's bytes and performance counters. What goes beyond is the hunt for the moment "
        f"at which registers are renewed. Calls a second and GPU: {each}. Beside them it reads {len(bill['energy']['devices']) - GPUS} counters of packages and "
        "memory in files, twice a second, and keeps a ledger; CodeCarbon estimates processor and memory. Those are in the CPU time and not in the readings."
    )
    sleeping, calling = own_cost.bare_loop(seconds / 4), bare_nvml(seconds / 4)
    print(f"   a loop that sleeps: {sleeping * 100:.3f} %; one that reads the same: {calling * 100:.3f} %", flush=True)
    yield (
        f"A process that only sleeps 100 ms at a time takes {sleeping * 100:.3f} % here, and one that reads the GPUs by the same code and keeps "
        f"nothing (`bench/bare_nvml.cc`) {calling * 100:.3f} %: the difference is what the stand-in costs, and reading it. What the stand-in costs is in each "
        "tool's figure; NVIDIA's library takes its own time in its place."
    )
    yield (
        f"Peers: {peers.version(peers.CODECARBON)} offline, its monitor, and its tracker at the fastest period that was asked of it; "
        f"{peers.version(peers.ZEUS)}, whose PowerMonitor reads two powers of each GPU in two processes (its ZeusMonitor reads the counters at "
        "both ends of a window and takes no time between). CodeCarbon looks at the counter once a period and at the utilisation once a second."
    )
