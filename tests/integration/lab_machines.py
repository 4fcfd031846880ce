"""Machines of the virtual lab as data, for tests that let much befall them."""
import dataclasses
import json


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def table(header, keys):
    return header + "\n" + "".join(f"{key} = {toml(value)}\n" for key, value in keys.items())


@dataclasses.dataclass
class Gpu:
    """A GPU, or two dies of one, and what befalls it."""
    keys: dict
    befalls: list = dataclasses.field(default_factory=list)  # tables of [[defect]], but for the index
    twin: dict | None = None


@dataclasses.dataclass
class Machine:
    gpus: list  # of (names of defects, Gpu)
    seconds: float
    node: dict = dataclasses.field(default_factory=dict)
    befalls: list = dataclasses.field(default_factory=list)

    def text(self):
        parts = [table("[node]", self.node), table("[[package]]", PACKAGE)]
        defects = [table("[[defect]]", defect) for defect in self.befalls]
        index = 0
        for _, gpu in self.gpus:
            for die in filter(None, (gpu.keys, gpu.twin)):
                parts += [table("[[gpu]]", die), table("[[gpu.process]]", {"pid": "job-child"})]
                defects += [table("[[defect]]", defect | {"gpu": index}) for defect in gpu.befalls]
                index += 1
        return "\n".join(parts + defects)


SHORT = 5.5  # seconds, of most runs
HANG_BEFORE_END = 1.3  # seconds: where a call hangs from before a run's end to after it


def load(seconds):
    """Quiet, a second of work, quiet. Not too much of it: test_truth.py has a counter that falls victim to a greater step."""
    begin = seconds - HANG_BEFORE_END - 1.5
    return {"watts": {"steps": [[0, 80], [begin, 240], [begin + 1, 80]]}, "idle_watts": 80,
            "utilisation": {"steps": [[0, 0], [begin, 1], [begin + 1, 0]]}}


# The processor's counter goes round on every machine, as theirs do.
RANGE_UJ = 262_143_328_850
PACKAGE = {"watts": 90, "utilisation": 0.25, "idle_watts": 60, "range_uj": RANGE_UJ,
           "start_uj": RANGE_UJ - round(90e6 * 1.2)}


def sound(seconds):
    return Gpu({"name": "NVIDIA H100 80GB HBM3", "counter": {"start": 5_000_000}} | load(seconds))


def uuid(index):
    return f"GPU-1ab00000-0000-4000-8000-{index:012x}"
