"""everywatt, CodeCarbon and zeus on the same GPU of the virtual lab at the same time, in real time, each beside the truth of
its own window."""
import datetime
import json
import os
import re
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

import peers
from harness import EVERYWATT, Page, environment, program, scratch
from side_by_side_scenarios import LEAD, QUICK, SCENES

GOAL = 0.5  # percentage points that a peer may be nearer: an edge of 100 ms each at both ends of a window
NS = 1_000_000_000


@dataclass
class Answer:
    """What one tool says of one scene, and the truth of the time that it measured."""

    tool: str
    begin: float = 0  # CLOCK_MONOTONIC
    end: float = 0
    joules: float | None = None
    half_width: float | None = None
    said: list = field(default_factory=list)
    truth: float = 0

    @property
    def error(self):
        return (self.joules / self.truth - 1) * 100

    @property
    def is_covered(self):
        return self.joules is not None and abs(self.joules - self.truth) <= self.half_width


# --- inside the lab: this file as the job, which starts the peers and lets them begin together

def job(begin, seconds, folder):
    path = peers.path_with_nvidia_smi(folder)
    tools = {"codecarbon": peers.codecarbon_tracker(seconds), "zeus": peers.zeus("window", seconds)}
    started = {}
    for name, command in tools.items():
        with open(folder / f"{name}.err", "w", encoding="utf-8") as err:
            started[name] = subprocess.Popen(command, env=environment(folder, PATH=path) | lab_variables(), cwd=folder, text=True,
                                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)
    lines = {name: process.stdout.readline() for name, process in started.items()}  # "ready", or already the answer
    time.sleep(max(0.0, begin - time.monotonic()))
    for process in started.values():
        try:
            process.stdin.write("go\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended
    for name, process in started.items():
        out = (lines[name] + process.communicate()[0]).strip().splitlines()
        answer = out[-1] if out and out[-1].startswith("{") else json.dumps({"error": f"ended with status {process.returncode}"})
        (folder / f"{name}.json").write_text(answer, encoding="utf-8")


def lab_variables():
    return {name: value for name, value in os.environ.items() if name.startswith("EVERYWATT_") or name == "LD_LIBRARY_PATH"}


# --- outside

def run_scene(scene, seconds, folder):
    """The three answers."""
    folder.mkdir()
    scenario = folder / "scenario.toml"
    scenario.write_text(scene.text(seconds), encoding="utf-8")
    begin = time.monotonic() + LEAD
    command = [program("everywatt-lab"), "--truth", str(folder / "truth.json"), str(scenario), "--", str(EVERYWATT), "run", "--quiet", "--json",
               str(folder / "bill.json"), "--", sys.executable, str(Path(__file__).resolve()), repr(begin), str(seconds), str(folder)]
    with open(folder / "everywatt.err", "w", encoding="utf-8") as err:
        subprocess.run(command, env=environment(folder, PYTHONDONTWRITEBYTECODE=1), check=True, stdout=subprocess.DEVNULL, stderr=err,
                       timeout=seconds + 90)
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    answers = [everywatt_answer(folder, truth)] + [peer_answer(name, folder) for name in ("codecarbon", "zeus")]
    for answer in answers:
        if answer.joules is not None:
            answer.truth = truth_between(scenario, truth, answer.begin, answer.end)["joules"]
    if scene.name == "shared":
        add_shares(answers[0], folder, truth_between(scenario, truth, answers[0].begin, answers[0].end))
    return answers


def truth_between(scenario, truth, begin, end):
    """Of the GPU, between two times of CLOCK_MONOTONIC."""
    start = truth["start"]["monotonic_ns"]
    words = [f"{at - start / NS:.9f}" for at in (begin, end)]
    done = subprocess.run([program("everywatt-lab"), "--between", *words, str(scenario)], check=True, capture_output=True, text=True)
    return next(device for name, device in json.loads(done.stdout)["devices"].items() if name.startswith("gpu:"))


def gpu_of(bill):
    return next(device for device in bill["energy"]["devices"] if device["kind"] == "gpu")


def everywatt_answer(folder, truth):
    bill = json.loads((folder / "bill.json").read_text(encoding="utf-8"))
    gpu = gpu_of(bill)
    wall = datetime.datetime.fromisoformat(bill["started"]).timestamp()  # to the millisecond
    begin = truth["start"]["monotonic_ns"] / NS + wall - truth["start"]["wall_ns"] / NS
    said = [f"± {gpu['uncertainty_joules']:.0f} J", gpu["sensor"], *gpu["flags"]]
    said += [f"{gap['reason']}: {gap['seconds']:.1f} s" for gap in bill["gaps"] if gap["device"] == gpu["id"]]
    if gpu["reason"]:
        said.append(gpu["reason"])
    return Answer("everywatt", begin, begin + bill["duration_seconds"], gpu["measured_joules"], gpu["uncertainty_joules"], said)


def add_shares(answer, folder, truth):
    gpu = gpu_of(json.loads((folder / "bill.json").read_text(encoding="utf-8")))
    job_truth = truth["accounts"]["processes"]["job-child"]["active_joules"]
    answer.said.append(f"busy energy of the job {gpu['busy_joules']:.0f} J (true: {job_truth:.0f}), of others with their idle part "
                       f"{gpu['other_joules']:.0f} J")


def peer_answer(name, folder):
    answer = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    said = warnings_in((folder / f"{name}.err").read_text(encoding="utf-8"))
    if "error" in answer:
        return Answer(name, said=[f"**ended with {answer['error']}**", *said])
    return Answer(name, answer["begin"], answer["end"], answer["joules"], None, said)


# A log's line, Python's warning, or the last line of a traceback.
TELLING = re.compile(r"^\[codecarbon (?:WARNING|ERROR) @ [\d:]+\] (.*)|.*\b(\w*Warning: .*)|^((?:\w+\.)*\w*(?:Error|Exception)\w*: .*)")


def warnings_in(text):
    """What is said of the GPU, each once."""
    found = []
    for line in text.splitlines():
        match = TELLING.match(line)
        said = match and next(part for part in match.groups() if part)
        if said and re.search("gpu|nvml|energy", said, re.IGNORECASE) and said not in found:
            found.append(said)
    kept = [textwrap.shorten(line, 200, placeholder=" …") for line in found[:4]]
    return kept + ([f"and {len(found) - 4} more"] if len(found) > 4 else [])


def row(scene, answer, is_first):
    cells = [scene.what if is_first else "", answer.tool]
    if answer.joules is None:
        return (*cells, "–", "none", "–", "; ".join(answer.said))
    said = "; ".join(answer.said) or "nothing"
    if answer.half_width is not None:
        said = ("**truth outside**, " if not answer.is_covered else "") + said
    return (*cells, f"{answer.truth:.0f} J", f"{answer.joules:.0f} J", f"{answer.error:+.2f} %", said.replace("|", "/"))


def is_nearer(answer, than):
    """By more than the edges of a window explain."""
    if answer.joules is None:
        return False
    return than.joules is None or abs(answer.error) + GOAL < abs(than.error)


def measure(quick):
    page = Page("side-by-side", "everywatt, CodeCarbon and zeus on the same GPU at the same time", quick)
    seconds = 10 if quick else 30
    folder = scratch("side-by-side")
    for package in (peers.CODECARBON, peers.ZEUS):
        peers.programs_of(package)
    rows, covered, beaten, scenes = [], 0, [], [scene for scene in SCENES if not quick or scene.name in QUICK]
    for scene in scenes:
        answers = run_scene(scene, seconds, folder / scene.name)
        ours, *others = answers
        covered += ours.is_covered
        beaten += [f"{scene.name} ({other.tool})" for other in others if is_nearer(other, ours)]
        rows += [row(scene, answer, answer is ours) for answer in answers]
        figures = ", ".join(f"{a.tool} {a.error:+.2f} %" if a.joules is not None else f"{a.tool} none" for a in answers)
        print(f"   {scene.name}: {figures}{'' if ours.is_covered else '; truth outside the interval'}", flush=True)
    write(page, seconds, rows, covered, beaten, len(scenes))


def write(page, seconds, rows, covered, beaten, count):
    page.text(
        f"One job on one machine of the virtual lab, in real time: `everywatt run` measures it, and within it CodeCarbon's tracker and zeus' "
        f"ZeusMonitor each measure {seconds} s that begin together, so that all three read the same sensors at the same time. Joules are of the "
        "GPU alone; each tool's truth is that of the window that it says it measured (`everywatt-lab --between`); everywatt's is longer by the "
        "peers' start and end. "
        "On hardware: [an H100](gpu-nvidia-h100-80gb-hbm3.md)."
    )
    page.verdict(
        f"the truth within everywatt's stated interval in every scene, and no peer nearer by more than {GOAL} %",
        f"within in {covered} of {count}; a peer nearer in {len(beaten)}" + (f": {', '.join(beaten)}" if beaten else ""),
        covered == count and not beaten)
    page.table(("machine", "tool", "truth", "measured", "error", "what the tool said of it"), rows)
    page.text(
        f"Peers: {peers.version(peers.CODECARBON)}, `OfflineEmissionsTracker` with its default of a measurement every 15 s, and "
        f"{peers.version(peers.ZEUS)}, `ZeusMonitor` with a window, as their documentation has them; warnings about processor and memory, which the "
        "lab has none of here, are left out. Neither states an uncertainty. Where the counter is honest and the driver stays, two readings of "
        "it are all that a total needs, and all three are right within the counter's renewal; zeus' reading costs nothing in between. "
        "zeus takes it that every GPU from Volta on has a counter, and without one has no figure; CodeCarbon averages the power call each second. "
        "An aliased sensor and a board's gain mislead every tool that reads them: there only the stated interval tells."
    )
    page.write()


if __name__ == "__main__":
    job(float(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
