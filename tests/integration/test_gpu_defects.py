"""What befalls GPUs and their driver, alone and in pairs, on machines of the virtual lab.

Defects of one GPU are paired on one GPU each; machines hold several such GPUs and a
sound one, and on a machine no defect stands twice. Defects of the machine are paired
with those of its GPUs by being the machine on which they stand."""
import copy
import dataclasses
import itertools
import json

import pytest

from conftest import assert_books_balance, device
from lab_runs import assert_charged, gaps_of, run_all, run_on_lab, truth_between

COMPUTE_PROCESSES = [f"nvmlDeviceGetComputeRunningProcesses{version}" for version in ("_v3", "_v2", "")]
PROCESS_CALLS = ("nvmlDeviceGetProcessUtilization", "nvmlDeviceGetComputeRunningProcesses_v3",
                 "nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetMPSComputeRunningProcesses_v3")

# --- machines as data

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


# --- the defects of one GPU. They come in the order of the run: lost, wrap, reset, and a
# call that hangs from before the run's end to after it.

LOST = (0.7, 2.0)  # over a second: less is no gap of a counter
WRAP_AT = 2.3
RESET_AT = 3.0
HANG_BEFORE_END = 1.3  # and for 3 s


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


def not_supported(gpu, _):
    calls = ["field 186", "field 191", "nvmlDeviceGetUtilizationRates"]
    gpu.befalls.append({"kind": "answers", "status": "not_supported", "calls": calls})


def no_permission(gpu, _):
    gpu.befalls.append({"kind": "answers", "status": "no_permission", "calls": list(PROCESS_CALLS)})


def lost(gpu, _):
    gpu.befalls.append({"kind": "answers", "status": "gpu_is_lost", "from_s": LOST[0], "to_s": LOST[1]})


def hang(gpu, seconds):
    begin = seconds - HANG_BEFORE_END
    gpu.befalls.append({"kind": "hangs", "length_s": 3, "from_s": begin, "to_s": begin + 0.3})


def reset(gpu, _):
    gpu.keys["counter"]["resets_s"] = [RESET_AT]


def wrap(gpu, _):
    """The counter of the GPU goes round, which NVML has no word for."""
    gpu.keys["counter"] |= {"range": 1 << 32, "start": (1 << 32) - round(80e3 * WRAP_AT)}


def low_at_idle(gpu, _):
    gpu.keys["counter"] |= {"low_below_watts": 100, "low_factor": 0.57}


def module(gpu, _):
    gpu.keys |= {"name": "NVIDIA GH200 120GB", "module": {"watts": 600}}


def twin(gpu, _):
    """A second die, whose power the first one's meters show."""
    gpu.twin = {"name": gpu.keys["name"], "watts": 0, "utilisation": gpu.keys["utilisation"]}


OF_A_GPU = {defect.__name__: defect
            for defect in (module, not_supported, no_permission, lost, hang, reset, wrap, low_at_idle, twin)}
SHORT, LONG = 5.5, 14.0  # a counter is compared with its board's power over 10 s


def befallen(names, seconds):
    gpu = copy.deepcopy(sound(seconds))
    for name, befall in OF_A_GPU.items():  # a twin is like what its brother has become
        if name in names:
            befall(gpu, seconds)
    return tuple(names), gpu


def rounds(players):
    """Every pair once, in rounds in which each plays at most once (the circle method)."""
    circle = list(players) + [None] * (len(players) % 2)
    for _ in range(len(circle) - 1):
        half = len(circle) // 2
        yield [tuple(filter(None, pair)) for pair in zip(circle[:half], reversed(circle[half:]))]
        circle = [circle[0], circle[-1], *circle[1:-1]]


# --- the defects of a machine, and which pairs make no sense

OF_A_MACHINE = ("missing", "sixteen", "zero", "absent", "foreign")
MISSING = {"kind": "missing", "calls": ["nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetFieldValues",
                                        *COMPUTE_PROCESSES]}
SENSELESS = {
    ("absent", "foreign"): "a library that is absent is of no kind",
    ("missing", "absent"): "a library that is absent lacks every call",
    ("missing", "foreign"): "a library of another kind lacks every call",
    ("sixteen", "zero"): "a machine has zero GPUs or sixteen",
    **{(name, "zero"): "where there is no GPU none has it" for name in OF_A_GPU},
}
ALL = (*OF_A_GPU, *OF_A_MACHINE)


def is_senseless(pair):
    return pair in SENSELESS or pair[::-1] in SENSELESS


def machines():
    """By name, with every pair on one of them."""
    everyone = [n for n in OF_A_GPU if n != "low_at_idle"]
    found = {"alone": Machine([befallen([name], SHORT) for name in everyone], SHORT)}
    for number, pairs in enumerate(rounds(everyone)):
        found[f"pairs-{number}"] = Machine([befallen(pair, SHORT) for pair in pairs] + [befallen([], SHORT)], SHORT)
    others = [befallen(["low_at_idle", name], LONG) for name in everyone]
    found["low-at-idle"] = Machine([befallen(["low_at_idle"], LONG), *others, befallen([], LONG)], LONG)
    each = lambda: [befallen([name], SHORT) for name in OF_A_GPU]
    many = [befallen([name], LONG) for name in OF_A_GPU]
    many += [befallen([], LONG) for _ in range(15 - len(many))]  # the twin makes sixteen
    plain = [befallen([], SHORT) for _ in range(16)]
    found["missing"] = Machine(each() + [befallen([], SHORT)], SHORT, befalls=[MISSING])
    found["sixteen"] = Machine(many, LONG)
    found["missing+sixteen"] = Machine(plain, SHORT, befalls=[MISSING])
    found["zero"] = Machine([], 2.0)
    found["missing+zero"] = Machine([], 2.0, befalls=[MISSING])
    for kind in ("absent", "foreign"):
        node = {"library": kind}
        found[kind] = Machine(each(), 2.0, node=node)
        found[f"sixteen+{kind}"] = Machine(plain, 2.0, node=node)
        found[f"zero+{kind}"] = Machine([], 2.0, node=node)
    return found


MACHINES = machines()


def is_of(name, defect):
    """The machine of that name is the defect."""
    return defect in name.split("+")


def place_of(pair):
    """The machine on which both are, and the index of the GPU that has what is of a GPU."""
    of_gpu = {defect for defect in pair if defect in OF_A_GPU}
    of_machine = set(pair) - of_gpu
    for name, machine in MACHINES.items():
        if {defect for defect in OF_A_MACHINE if is_of(name, defect)} != of_machine:
            continue
        index = 0
        for names, gpu in machine.gpus:
            if set(names) == of_gpu:
                return name, index
            index += 2 if gpu.twin else 1
        if not of_gpu:
            return name, None
    return None


def uuid(index):
    return f"GPU-1ab00000-0000-4000-8000-{index:012x}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("defects")
    return run_all(folder, {name: (machine.text(), machine.seconds) for name, machine in MACHINES.items()})


# --- what holds, whatever befalls

LATE = 0.5  # seconds; the hang would make it two


def assert_on_time(run, machine):
    life = (run.file["end"]["monotonic_ns"] - run.file["start"]["monotonic_ns"]) / 1e9
    assert run.status == 0, run.err
    assert 0 <= run.begin < LATE
    assert machine.seconds <= run.bill["duration_seconds"] < machine.seconds + LATE
    assert life - run.end < LATE


def assert_true(run, row, truth):
    """Null with a reason; else all that was there while it was seen, and nothing more than there was."""
    joules = truth[row["id"]]["joules"]
    if row["measured_joules"] is None:
        assert row["reason"] and row["total_joules"] is None, row
        return
    assert row["measured_joules"] > 0 or joules == 0, row
    gaps = gaps_of(run, row)
    unseen = sum(truth_between(run.scenario, *gap)[row["id"]]["joules"] for gap in gaps)
    tenth = 0.1 * joules / run.bill["duration_seconds"]  # a gap begins and ends between two readings
    assert joules - unseen - len(gaps) * tenth - row["uncertainty_joules"] <= row["measured_joules"], (row, joules, gaps)
    assert row["measured_joules"] <= joules + row["uncertainty_joules"], (row, joules, gaps)
    if row["coverage"] < 0.9:
        assert gaps, row


# --- what shows that it was seen

def assert_shows(run, defect, pair, gpu):
    flags = gpu["flags"]
    gaps = gaps_of(run, gpu)
    is_by_counter = "missing" not in pair and "low_at_idle" not in pair
    if defect in ("not_supported", "no_permission", "missing"):
        # Of whoever has it to himself, or nobody's; never another's.
        assert "utilisation-unknown" in flags and gpu["idle_joules"] is None and gpu["other_joules"] == 0, gpu
    if defect == "lost":
        assert "the GPU is lost" in run.said
        if is_by_counter:  # power is integrated across 5 s
            assert any(begin < LOST[1] and end > LOST[0] for begin, end in gaps) and gpu["coverage"] < 0.95, gpu
    if defect == "hang":
        assert gpu["coverage"] < 1 and gaps[-1][1] > run.end - 0.1 and "sensor-lost" in flags
    if defect in ("reset", "wrap") and is_by_counter:
        assert "counter-reset" in flags
    if defect == "low_at_idle" and "missing" not in pair:
        assert "counter-implausible" in flags and gpu["method"] == "integrated"
    if defect == "missing":
        assert gpu["method"] == "integrated"
    if defect == "module" and "missing" not in pair:  # scopes are fields, and there are none
        beside = device(run.bill, "module:" + gpu["id"][4:])
        assert not beside["counted"] and gpu["counted"] and device(run.bill, "package:0")["counted"]
        assert gpu["parent"] == beside["id"]
    if defect == "sixteen":
        assert len(run.gpus) == 16


def assert_machine(run, name, machine):
    assert_on_time(run, machine)
    assert_books_balance(run.bill)
    truth = run.truth()
    for row in run.devices:
        if row["method"] not in ("modelled", "assumed"):
            assert_true(run, row, truth)
        if row["kind"] == "gpu":
            assert_charged(run, row, truth)
    is_seen = not any(is_of(name, kind) for kind in ("absent", "foreign", "zero"))
    dies = sum(2 if gpu.twin else 1 for _, gpu in machine.gpus)
    assert len(run.gpus) == (dies if is_seen else 0)
    if is_of(name, "foreign"):
        assert "not NVIDIA's" in run.said


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_with_defects_is_measured_on_time_and_truly_and_charged_to_its_job(runs, name):
    assert_machine(runs[name], name, MACHINES[name])


def test_a_sound_gpu_beside_others_that_are_not_is_not_touched(runs):
    for name, machine in MACHINES.items():
        if name.startswith("pairs") or name in ("sixteen", "low-at-idle"):
            index = sum(2 if gpu.twin else 1 for _, gpu in machine.gpus) - 1
            gpu = device(runs[name].bill, "gpu:" + uuid(index))
            assert gpu["coverage"] > 0.9 and gpu["method"] == "counter", (name, gpu)
            assert not {"counter-reset", "sensor-lost", "counter-implausible"} & set(gpu["flags"])
            if "utilisation-unknown" in gpu["flags"]:  # all machines start at once: a second may pass until it is looked at
                assert gpu["unattributed_joules"] <= 0.2 * gpu["measured_joules"]


# --- what is so before the run begins: of the first of two GPUs, for a while or for good

AT_START = {
    "hangs for a while": {"kind": "hangs", "length_s": 2, "from_s": 0, "to_s": 1},
    "hangs for good": {"kind": "hangs", "length_s": 600, "from_s": 0, "to_s": 600},
    "lost for a while": {"kind": "answers", "status": "gpu_is_lost", "from_s": 0, "to_s": 2},
    "lost for good": {"kind": "answers", "status": "gpu_is_lost", "from_s": 0, "to_s": 600},
}


def machine_at_start(defect):
    befallen_gpu = sound(SHORT)
    befallen_gpu.befalls.append(defect)
    return Machine([((), befallen_gpu), ((), sound(SHORT))], SHORT)


@pytest.fixture(scope="module")
def starts(tmp_path_factory):
    machines = {name: machine_at_start(defect) for name, defect in AT_START.items()}
    return run_all(tmp_path_factory.mktemp("starts"), {n: (m.text(), m.seconds) for n, m in machines.items()})


@pytest.mark.parametrize("name", AT_START)
def test_a_gpu_that_does_not_answer_when_the_run_begins_keeps_none_but_itself(starts, name):
    run = starts[name]
    assert_on_time(run, machine_at_start(AT_START[name]))
    assert_books_balance(run.bill)
    truth = run.truth()
    beside = device(run.bill, "gpu:" + uuid(1))
    # Another goes on after a quarter of a second, at the next tick, which a busy machine may have late.
    assert beside["coverage"] > 0.8 and beside["method"] == "counter", beside
    assert_true(run, beside, truth)
    assert_charged(run, beside, truth)
    if "for good" in name:
        assert [gpu["id"] for gpu in run.gpus] == [beside["id"]]
        why = "it did not answer before the end" if "hangs" in name else "the GPU is lost"
        assert f"nvml: GPU 0 is not measured: {why}" in run.said
        return
    gpu = device(run.bill, "gpu:" + uuid(0))
    assert "is not measured" not in run.said
    assert 2.2 / SHORT < gpu["coverage"] < 3.6 / SHORT, gpu  # it was there from the second second on
    assert "was not up yet" in next(g["reason"] for g in run.bill["gaps"] if g["device"] == gpu["id"])
    assert_true(run, gpu, truth)
    assert_charged(run, gpu, truth)


@pytest.mark.parametrize("name", [name for name in AT_START if "for good" in name])
def test_a_run_that_is_killed_names_the_gpu_that_did_not_come_up(tmp_path, name):
    run = run_on_lab(tmp_path / "killed", machine_at_start(AT_START[name]).text(), "sh", "-c", "sleep 2.5; kill -9 $PPID; sleep 0.2")
    assert [gpu["id"] for gpu in run.gpus] == ["gpu:" + uuid(1)]
    assert [notice for notice in run.bill["notices"] if "nvml: GPU 0 is not measured: " in notice], run.bill["notices"]


def test_a_gpu_of_which_nothing_was_booked_yet_is_null_and_not_zero(tmp_path):
    text = Machine([((), sound(SHORT)), ((), sound(SHORT))], SHORT).text()
    run = run_on_lab(tmp_path / "killed", text, "sh", "-c", "sleep 1.2; kill -9 $PPID; sleep 0.2", begin=0.1)
    assert len(run.gpus) == 2
    for gpu in run.gpus:
        assert gpu["measured_joules"] is None or gpu["measured_joules"] > 0, gpu
        assert gpu["measured_joules"] is not None or gpu["reason"] == "not measured yet", gpu


def alone_and_in_pairs():
    for defects in itertools.chain(((defect,) for defect in ALL), itertools.combinations(ALL, 2)):
        if not is_senseless(defects):
            yield pytest.param(defects, id="-".join(defects))


@pytest.mark.parametrize("defects", alone_and_in_pairs())
def test_each_defect_and_each_pair_shows_itself(runs, defects):
    name, index = place_of(defects)
    run = runs[name]
    if not run.gpus:  # nobody can ask
        assert any(is_of(name, kind) for kind in ("absent", "foreign", "zero"))
        return
    gpu = device(run.bill, "gpu:" + uuid(index)) if index is not None else run.gpus[-1]
    for defect in defects:
        assert_shows(run, defect, defects, gpu)
    if "twin" in defects:
        second = device(run.bill, "gpu:" + uuid(index + 1))
        assert second["measured_joules"] is None and second["reason"]


def test_every_pair_is_on_a_machine_or_makes_no_sense():
    pairs = list(itertools.combinations(ALL, 2))
    assert len(pairs) == 91
    for pair in pairs:
        assert is_senseless(pair) != (place_of(pair) is not None), pair
