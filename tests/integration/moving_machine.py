"""A machine of files that moves while it is read.

A tree is unpacked from tests/machines/NAME.tree, or composed here, and a thread
moves it: counters advance by power x time, power meters swing, /proc/stat goes
on as if the jobs under test were the only ones. What each meter truly counted is
remembered against the wall clock, so that what everywatt books can be held to it:

    with Machine.composed(folder, {"package-0": 40.0}) as machine:
        bill = everywatt.run("sleep", "2", machine=machine).bill
        truth = machine.joules("package-0", *span_of(bill))
"""
import math
import os
import pathlib
import shutil
import threading
import time

MACHINES = pathlib.Path(__file__).resolve().parent.parent / "machines"
RANGE = 262_143_328_850  # max_energy_range_uj of most packages
WIDTH = 20  # a shorter number must cover a longer one within one write
CPUS = os.cpu_count() or 1

# A job that keeps some cores busy for a while, then others: python3 -c ALTERNATE "[(cores, seconds), ...]"
ALTERNATE = """
import os, sys, time
def burn(end):
    while time.monotonic() < end: pass
start = time.monotonic()
for cores, length in eval(sys.argv[1]):
    start += length
    children = []
    for _ in range(cores):
        pid = os.fork()
        if pid == 0: burn(start); os._exit(0)
        children.append(pid)
    time.sleep(max(0, start - time.monotonic()))
    for pid in children: os.waitpid(pid, 0)
"""


def cpu_lines(text):
    return [line for line in text.splitlines() if line.startswith("cpu") and line[3] != " "]


class JobTime:
    """CPU time of some processes and their children, exited ones included, as the scheduler tells it."""

    def __init__(self):
        self.roots = []
        self._seen = {}  # pid: nanoseconds

    def _look(self, pid, counts):
        try:
            if counts:
                with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
                    self._seen[pid] = max(self._seen.get(pid, 0), int(file.read().split()[0]))
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                children = file.read().split()
        except (OSError, IndexError):  # it has ended
            return
        for child in children:
            self._look(int(child), True)

    def seconds(self):
        for root in list(self.roots):
            self._look(root, False)  # the supervisor's own work is none of the job's
        return sum(self._seen.values()) * 1e-9


class Meter:
    """One moving file. `watts` is a number or a function of utilisation and time."""

    def __init__(self, path, watts, *, start=0, wraps_after=None, instant=False, unit=1e6):
        self.path = path
        self.watts = watts if callable(watts) else lambda utilisation, now: watts
        self.start = start
        self.range = wraps_after
        self.instant = instant  # a power meter: shows watts, not joules
        self.unit = unit
        self.joules = 0.0
        self.base = 0.0  # joules at the last reset
        self.garbage = None
        self.gone = False
        self.log = []  # wall seconds, joules

    def shown(self, utilisation, now):
        if self.garbage is not None:
            return self.garbage
        if self.instant:
            return str(round(self.watts(utilisation, now) * self.unit))
        count = self.start + int((self.joules - self.base) * self.unit)
        return str(count % (self.range + 1) if self.range else count)

    def joules_at(self, when):
        log = self.log
        if when <= log[0][0]:
            return log[0][1]
        for (t0, e0), (t1, e1) in zip(log, log[1:]):
            if when <= t1:
                return e0 + (e1 - e0) * (when - t0) / (t1 - t0)
        return log[-1][1]


class Machine:
    def __init__(self, root, *, period=0.004, load=None):
        self.root = pathlib.Path(root)
        self.meters = {}  # by a name of our own
        self.stat = None  # None: stands; "jobs": work of the jobs that run on it, and of nobody else; a number: that utilisation
        self.period = period
        self.load = load
        self.work_log = []  # wall seconds, seconds of CPU time of the jobs
        self._files = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._moved = threading.Event()
        self._thread = None
        self._synthetic = None
        self._last = None
        self._jobs = JobTime()
        self.utilisation = 0.0

    # --- making

    @classmethod
    def recorded(cls, folder, name):
        """Unpacks a recorded machine; its counters get different powers, so that a wrong sum shows."""
        machine = cls(folder, period=0.02)
        path, lines, modes = None, [], {}
        for line in (MACHINES / f"{name}.tree").read_text(encoding="utf-8").splitlines():
            if path is None and line.startswith("!mode "):
                _, mode, denied = line.split(" ", 2)
                modes[denied] = int(mode, 8)
            elif line.startswith("== "):
                if path is not None:
                    machine.write(path, "\n".join(lines) + "\n")
                path, lines = line[3:], []
            elif path is not None:
                lines.append(line)
        machine.write(path, "\n".join(lines) + "\n")
        machine._set_moving()
        for denied, mode in modes.items():
            (machine.root / denied).chmod(mode)
        return machine

    @classmethod
    def composed(cls, folder, zones, *, start=None, stat="jobs", period=0.004):
        """One package of this machine's CPUs with powercap zones: {"package-0": watts, "dram": watts, "psys": watts}."""
        machine = cls(folder, period=period)
        machine.stat = stat
        cpuinfo = ("processor\t: {}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\n"
                   "model name\t: Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz\nflags\t\t: fpu vme de pse tsc msr\n\n")
        machine.write("proc/cpuinfo", "".join(cpuinfo.format(cpu) for cpu in range(CPUS)))
        machine.write("proc/meminfo", "MemTotal:       16777216 kB\n")
        machine.write("proc/stat", machine._stat_of_jobs())
        machine.write("proc/sys/kernel/random/boot_id", "0b7e2a34-3f60-4d8a-9a57-269ef2a74de4\n")
        topology = "sys/devices/system/cpu/cpu{}/topology"
        for cpu in range(CPUS):
            machine.write(topology.format(cpu) + "/physical_package_id", "0\n")
            machine.write(topology.format(cpu) + "/die_id", "0\n")
            machine.write(topology.format(cpu) + "/die_cpus_list", f"0-{CPUS - 1}\n" if CPUS > 1 else "0\n")
        machine.write("sys/devices/system/cpu/online", f"0-{CPUS - 1}\n" if CPUS > 1 else "0\n")
        places = {"package-0": "intel-rapl:0", "dram": "intel-rapl:0:0", "psys": "intel-rapl:1"}
        for name, watts in zones.items():
            zone = f"sys/class/powercap/{places[name]}"
            machine.write(f"{zone}/name", name + "\n")
            machine.write(f"{zone}/max_energy_range_uj", f"{RANGE}\n")
            begin = (start or {}).get(name, 123_456_789)
            machine.add(name, Meter(f"{zone}/energy_uj", watts, start=begin, wraps_after=RANGE))
        return machine

    def add(self, name, meter):
        self.meters[name] = meter
        self.write(meter.path, meter.shown(0.0, 0.0))

    def _set_moving(self):
        """Gives every meter of a recorded tree a motion; a pair of zones of one name moves as one."""
        if (self.root / "proc/stat").exists():
            self.stat = 0.25
        for file in sorted(self.root.glob("sys/class/powercap/*/energy_uj")):
            zone = file.parent
            above = zone.parent / zone.name.rsplit(":", 1)[0] / "name"
            name = (zone / "name").read_text().strip()
            package = above.read_text().strip() if above.exists() and above.parent != zone else ""
            watts = 20.0 + sum(map(ord, package + name)) % 83
            limit = zone / "max_energy_range_uj"
            self.add(str(file.relative_to(self.root)),
                     Meter(str(file.relative_to(self.root)), watts, start=int(file.read_text()),
                           wraps_after=int(limit.read_text()) if limit.exists() else None))
        swings = list(self.root.glob("sys/class/hwmon/*/**/power*_average")) + list(self.root.glob("sys/class/hwmon/*/curr*_input"))
        for file in sorted(swings):
            unit = 1e6 if "power" in file.name else 1e3
            mean = int(file.read_text()) / unit
            path = str(file.relative_to(self.root))
            self.add(path, Meter(path, swing(mean), instant=True, unit=unit))

    # --- moving

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="ascii", errors="surrogateescape")

    def __enter__(self):
        self._step()
        self._thread = threading.Thread(target=self._move, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        for descriptor in self._files.values():
            os.close(descriptor)
        self._forget_presence()

    def _forget_presence(self):
        """The folder in which the runs of this machine knew of each other: one per boot and roots, and this one ends here."""
        boot = self.root / "proc/sys/kernel/random/boot_id"
        text = f"{boot.read_text().rstrip() if boot.exists() else ''}|{self.root / 'sys'}|{self.root / 'proc'}"
        key = 0xCBF29CE484222325
        for byte in text.encode():  # FNV-1a
            key = (key ^ byte) * 0x100000001B3 % 2**64
        shutil.rmtree(f"/dev/shm/everywatt-{key:016x}", ignore_errors=True)

    def _move(self):
        try:  # the jobs may keep all CPUs busy: the machine moves all the same
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pass
        while not self._stop.wait(self.period):
            self._step()

    def _step(self):
        with self._lock:
            text = self._advance_stat()
            now = time.time()
            elapsed = 0.0 if self._last is None else now - self._last
            self._last = now
            for meter in self.meters.values():
                meter.joules += meter.watts(self.utilisation, now) * elapsed
                if not meter.gone:
                    self._overwrite(meter.path, meter.shown(self.utilisation, now).ljust(WIDTH, "\n"))
                meter.log.append((now, meter.joules))
            if text:
                self._overwrite("proc/stat", text)

    def _advance_stat(self):
        if self.stat is None:
            return None
        return self._stat_of_jobs() if self.stat == "jobs" else self._synthetic_stat()

    def _stat_of_jobs(self):
        """As the kernel would count if nothing else ran: in ticks of 10 ms, spread over the CPUs."""
        now, worked = time.time(), self._jobs.seconds()
        if not self.work_log:
            self.work_log.append((now, worked))
        begin = self.work_log[0][0]
        before, then = self.work_log[-1]
        if now > before:
            self.utilisation = (worked - then) / ((now - before) * CPUS)
        self.work_log.append((now, worked))
        ticks, total = int(worked * 100), int((now - begin) * 100)
        lines = ""
        for cpu in range(CPUS):
            busy = 100_000 + ticks // CPUS + (cpu < ticks % CPUS)
            lines += f"cpu{cpu} {busy} 0 0 {900_000 + total - ticks // CPUS} 0 0 0 0 0 0\n"
        return f"cpu  {CPUS * 100_000 + ticks} 0 0 {CPUS * (900_000 + total) - ticks} 0 0 0 0 0 0\n{lines}"

    def follow(self, pid):
        """What this process and its children do is the work of this machine."""
        self._jobs.roots.append(pid)

    def _synthetic_stat(self):
        now = time.time()
        if self._synthetic is None:
            lines = cpu_lines((self.root / "proc/stat").read_text())
            self._synthetic = (now, [(line.split()[0], [int(w) for w in line.split()[1:]]) for line in lines])
        begin, cpus = self._synthetic
        ticks = (now - begin) * 100
        busy, idle = int(ticks * self.stat), int(ticks * (1 - self.stat))
        return "".join(f"{name} {c[0] + busy} {c[1]} {c[2]} {c[3] + idle} {' '.join(map(str, c[4:]))}\n" for name, c in cpus)

    def _overwrite(self, path, text):
        """In place and in one write, as the kernel shows it to who keeps the file open."""
        if path not in self._files:
            self._files[path] = os.open(self.root / path, os.O_WRONLY)
            if path == "proc/stat":
                os.ftruncate(self._files[path], 0)
        os.pwrite(self._files[path], text.encode("ascii", "surrogateescape"), 0)

    # --- mishaps

    def reset(self, name):
        """The counter begins again at 0."""
        with self._lock:
            meter = self.meters[name]
            meter.start, meter.base = 0, meter.joules

    def show_instead(self, name, text):
        """What the file says in place of a number; None: the number again."""
        with self._lock:
            self.meters[name].garbage = text

    def remove(self, name):
        """The zone goes, as it does when its driver is unloaded."""
        with self._lock:
            meter = self.meters[name]
            meter.gone = True
            zone = (self.root / meter.path).parent
            for file in zone.iterdir():
                file.unlink()
            zone.rmdir()

    # --- truth

    def joules(self, name, begin, end):
        meter = self.meters[name]
        return meter.joules_at(end) - meter.joules_at(begin)

    def idle_joules(self, begin, end, floor):
        """floor x (1 - U) x time, by the work that was truly done."""
        log = [entry for entry in self.work_log if begin <= entry[0] <= end]
        return floor * ((end - begin) - (log[-1][1] - log[0][1]) / CPUS)

    def environment(self):
        return {"EVERYWATT_SYSFS": str(self.root / "sys"), "EVERYWATT_PROCFS": str(self.root / "proc")}


def swing(mean):
    """Watts that rise and fall by a fifth within two seconds."""
    return lambda utilisation, now: mean * (1 + 0.2 * math.sin(math.pi * now))
