"""What a job pays for a mark: one from C, a phase from Python, and beside it a window of zeus and a task of CodeCarbon."""
import json
import socket
import subprocess
import tempfile

import peers
from harness import EVERYWATT, PROGRAMS, ROOT, Missing, Page, environment, program, quartiles, scratch

GOAL_C = 60e-9
GOAL_PYTHON = 1.2e-6
SCENARIO = ROOT / "tests" / "lab" / "scenarios" / "h100.toml"
ROUNDS = {"everywatt": 100, "zeus": 200, "codecarbon": 20}
WHAT = {"everywatt": "`with everywatt.phase(…)`", "zeus": "`begin_window`, `end_window`", "codecarbon": "`start_task`, `stop_task`"}


def marks_in_c(folder, quick):
    """{kind: [nanoseconds]}"""
    with tempfile.TemporaryDirectory() as place:  # a socket's path must be short
        command = [program("marks_bench"), "20" if quick else "500", place + "/socket"]
        done = subprocess.run(command, env=environment(folder), check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def pairs(tool, folder, quick):
    """Seconds of a pair, by a process of its own on a GPU of the virtual lab, which costs next to nothing to ask."""
    rounds = max(ROUNDS[tool] // 10, 2) if quick else ROUNDS[tool]
    # Somebody listens, as `everywatt run` would; the ring holds all marks of these rounds.
    with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(place + "/socket")
        listener.listen()
        env = environment(folder, PATH=peers.path_with_nvidia_smi(folder), EVERYWATT_SOCKET=place + "/socket", PYTHONPATH=ROOT / "python",
                          PYTHONDONTWRITEBYTECODE=1, EVERYWATT_LIBRARY=PROGRAMS.parent / "lib" / "libeverywatt.so")
        command = [program("everywatt-lab"), str(SCENARIO), "--", *peers.marking_pairs(tool, rounds)]
        done = subprocess.run(command, env=env, cwd=folder, check=True, capture_output=True, text=True, timeout=600)
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    if "error" in answer:
        raise Missing(f"{tool} ended with {answer['error']}")
    return answer["seconds"]


def flood(folder, quick):
    """Marks made at a million a second under `everywatt run`, those that the library dropped, and those that reached the bill."""
    with tempfile.TemporaryDirectory() as place:
        bill = f"{place}/bill.json"
        command = [str(EVERYWATT), "run", "--quiet", "--json", bill, "--", program("marks_flood"), "2" if quick else "10"]
        done = subprocess.run(command, env=environment(folder, XDG_RUNTIME_DIR=place), check=True, capture_output=True, text=True)
        with open(bill, encoding="utf-8") as file:
            return json.loads(done.stdout) | {"told": int(json.load(file)["work"]["samples"])}


def row(name, values, unit, digits):
    spread = quartiles(values)
    return name, len(values), f"{spread.median / unit:.{digits}f}", f"{spread.low / unit:.{digits}f} to {spread.high / unit:.{digits}f}"


def measure(quick):
    page = Page("marks", "What a job pays for a mark", quick)
    folder = scratch("marks")
    in_c = marks_in_c(folder, quick)
    in_python = {tool: pairs(tool, folder, quick) for tool in ROUNDS}
    report(page, in_c, in_python, flood(folder, quick))


def report(page, in_c, in_python, flooded):
    step = quartiles(in_c["step"]).median * 1e-9
    phase = quartiles(in_python["everywatt"]).median
    page.text("Each figure is the mean of a round of marks in a row; median and interquartile range are over the rounds. In C "
              "(bench/marks_bench.cc) a round has 2,000 marks, the caches are warm, and the supervisor empties the ring between rounds; "
              "the time of the clock, which each mark reads, is in it.")
    page.verdict("≤ 60 ns for one mark from C, median", f"{step * 1e9:.1f} ns (a step)", step <= GOAL_C)
    page.table(("one mark in C", "rounds", "median, ns", "interquartile range, ns"),
               [row(name, values, 1, 1) for name, values in in_c.items()])
    page.text("In Python (bench/marks_pair.py) a pair is the begin and the end of a named stretch of nothing; everywatt's are timed a "
              "thousand at a time, those of the others one by one.")
    page.verdict("≤ 1.2 µs for `with everywatt.phase(…)`, both marks, median", f"{phase * 1e6:.2f} µs", phase <= GOAL_PYTHON)
    page.table(("a pair in Python", "rounds", "median, µs", "interquartile range, µs"),
               [row(f"{tool}: {WHAT[tool]}", values, 1e-6, 2) for tool, values in in_python.items()])
    lost = flooded["made"] - flooded["told"]
    page.text(f"Four threads made {flooded['made']:,} marks in {flooded['seconds']:.1f} s under `everywatt run` (bench/marks_flood.cc).")
    page.verdict("0 of a million marks a second lost, or exactly counted", f"{lost} lost, {flooded['dropped']} counted as dropped",
                 lost == flooded["dropped"])
    page.text(f"Peers: {peers.version(peers.ZEUS)}, {peers.codecarbon_version()}, each on Debian's python3. They do more in that time: both ask "
              "the sensors at each end, in the job. everywatt only says when it was; its supervisor, which reads the sensors ten "
              "times a second, puts the energy to it. The GPU is the virtual lab's: "
              "how long a real driver takes was not measured.")
    page.write()
