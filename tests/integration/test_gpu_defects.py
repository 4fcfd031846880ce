"""What befalls GPUs and their driver, alone and in pairs, on machines of the virtual lab.

Defects of one GPU are paired on one GPU each; machines hold several such GPUs and a
sound one, and on a machine no defect stands twice. Defects of the machine are paired
with those of its GPUs by being the machine on which they stand."""
import copy
import itertools

import pytest

from conftest import assert_books_balance, device
from lab_machines import HANG_BEFORE_END, SHORT, Machine, sound, uuid
from lab_runs import assert_charged, assert_on_time, assert_true, gaps_of, run_all

COMPUTE_PROCESSES = [f"nvmlDeviceGetComputeRunningProcesses{version}" for version in ("_v3", "_v2", "")]
PROCESS_CALLS = ("nvmlDeviceGetProcessUtilization", "nvmlDeviceGetComputeRunningProcesses_v3",
                 "nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetMPSComputeRunningProcesses_v3")

# --- the defects of one GPU. They come in the order of the run: lost, wrap, reset, and a
# call that hangs from before the run's end to after it.

LOST = (0.7, 2.0)  # over a second: less is no gap of a counter
WRAP_AT = 2.3
RESET_AT = 3.0


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
LONG = 14.0  # a counter is compared with its board's power over 10 s


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


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("defects")
    return run_all(folder, {name: (machine.text(), machine.seconds) for name, machine in MACHINES.items()})


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
