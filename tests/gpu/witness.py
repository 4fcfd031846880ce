"""An NVIDIA GPU's own registers, read beside everywatt and without it: a second opinion on every bill.

    with Witness(uuid) as witness:
        ...
    witness.joules(begin, end)     # by the energy counter, between two times of the wall clock
    witness.mean("instant", begin, end)
"""
import bisect
import ctypes
import statistics
import threading
import time

ENERGY, AVERAGE, INSTANT = 83, 185, 186  # NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, NVML_FI_DEV_POWER_AVERAGE, …_INSTANT
NAMES = {ENERGY: "counter", AVERAGE: "average", INSTANT: "instant"}
EVERY = 0.01


class FieldValue(ctypes.Structure):
    _fields_ = [("field", ctypes.c_uint), ("scope", ctypes.c_uint), ("timestamp", ctypes.c_longlong), ("latency", ctypes.c_longlong),
                ("kind", ctypes.c_int), ("status", ctypes.c_int), ("value", ctypes.c_ulonglong)]


class Witness:
    """Polls from a thread of its own. A register that the GPU lacks has no readings."""

    def __init__(self, uuid):
        self.nvml = ctypes.CDLL("libnvidia-ml.so.1")
        self._call("nvmlInit_v2")
        self.handle = ctypes.c_void_p()
        self._call("nvmlDeviceGetHandleByUUID", uuid.encode(), ctypes.byref(self.handle))
        self.readings = {name: [] for name in NAMES.values()}  # (time, value) of each reading
        self.costs = []  # seconds that one call for all three took
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._call("nvmlShutdown")

    def _call(self, name, *arguments):
        status = getattr(self.nvml, name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name} failed with NVML status {status}")

    def _poll(self):
        values = (FieldValue * len(NAMES))()
        for value, field in zip(values, NAMES):
            value.field = field
        while not self._stop.is_set():
            begun = time.time()
            self._call("nvmlDeviceGetFieldValues", self.handle, len(NAMES), values)
            ended = time.time()
            self.costs.append(ended - begun)
            for value, name in zip(values, NAMES.values()):
                if value.status == 0:
                    # The upper half of the union is not written for a value of 32 bits.
                    self.readings[name].append(((begun + ended) / 2, value.value if name == "counter" else value.value & 0xFFFFFFFF))
            time.sleep(EVERY)

    def renewals(self, name):
        """The readings that differ from the one before, at the middle of the two."""
        found = []
        for (before, old), (at, new) in zip(self.readings[name], self.readings[name][1:]):
            if new != old:
                found.append(((before + at) / 2, new))
        return found

    def period(self, name):
        """Median seconds between renewals; None where there are few."""
        times = [at for at, _ in self.renewals(name)]
        return statistics.median(b - a for a, b in zip(times, times[1:])) if len(times) > 10 else None

    def joules(self, begin, end):
        """By the counter, straight between its renewals; None where the GPU has no counter or its renewals do not enclose both."""
        ticks = self.renewals("counter")
        if len(ticks) < 2 or not (ticks[0][0] <= begin < end <= ticks[-1][0]):
            return None
        return (self._at(ticks, end) - self._at(ticks, begin)) / 1e3

    @staticmethod
    def _at(ticks, when):
        i = bisect.bisect_right([at for at, _ in ticks], when)
        if i == len(ticks):
            return ticks[-1][1]
        (left, low), (right, high) = ticks[i - 1], ticks[i]
        return low + (high - low) * (when - left) / (right - left)

    def mean(self, name, begin, end):
        """Watts that a register of power showed, on average over time; None where it has none."""
        values = [value for at, value in self.readings[name] if begin <= at <= end]
        return statistics.fmean(values) / 1e3 if values else None
