"""What a PyTorch loop of millisecond steps pays for being watched; beside it a window of zeus and a task of CodeCarbon around each step."""
import json
import subprocess
import tempfile

import peers
from harness import EVERYWATT, PROGRAMS, ROOT, Missing, Page, environment, median_interval, program, quartiles, scratch

GOAL = 0.01  # of a step, the upper end of the interval
SCENARIO = ROOT / "tests" / "lab" / "scenarios" / "h100.toml"
# Blocks, and steps in each quarter of one: CodeCarbon's task takes a hundred milliseconds and more.
SIZES = {"everywatt": (1200, 60), "zeus": (200, 60), "codecarbon": (12, 3)}
ONE_THREAD = {"OPENBLAS_NUM_THREADS": 1, "OMP_NUM_THREADS": 1, "MKL_NUM_THREADS": 1}
WHAT = {"everywatt": "`everywatt.torch.watch`", "zeus": "a window a step", "codecarbon": "a task a step"}


def blocks_of(tool, folder, quick):
    """By a process of its own on a GPU of the virtual lab; everywatt's under `everywatt run`, which hears its marks."""
    blocks, steps = SIZES[tool]
    command = peers.watched_loop(tool, max(blocks // 10, 2) if quick else blocks, steps)
    if tool == "everywatt":
        command = [str(EVERYWATT), "run", "--quiet", "--", *command]
    with tempfile.TemporaryDirectory() as place:  # a socket's path must be short
        env = environment(folder, PATH=peers.path_with_nvidia_smi(folder), PYTHONPATH=ROOT / "python", PYTHONDONTWRITEBYTECODE=1,
                          XDG_RUNTIME_DIR=place, EVERYWATT_LIBRARY=PROGRAMS.parent / "lib" / "libeverywatt.so", **ONE_THREAD)
        done = subprocess.run([program("everywatt-lab"), str(SCENARIO), "--", *command], env=env, cwd=folder, check=True,
                              capture_output=True, text=True, timeout=900)
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    if "error" in answer:
        raise Missing(f"{tool} ended with {answer['error']}")
    return answer["blocks"]


def row(tool, blocks):
    extra = median_interval([block["marked"] - block["plain"] for block in blocks])
    plain = quartiles([block["plain"] for block in blocks]).median
    return (f"{tool}: {WHAT[tool]}", len(blocks), f"{plain * 1e3:.3f} ms", f"{extra.median * 1e6:+.1f} µs",
            f"{extra.low * 1e6:+.1f} to {extra.high * 1e6:+.1f}", f"{extra.median / plain * 100:+.1f} %")


def measure(quick):
    page = Page("watch-cost", "What a training loop pays for being watched", quick)
    folder = scratch("watch-cost")
    found = {tool: blocks_of(tool, folder, quick) for tool in SIZES}
    extra = median_interval([block["marked"] / block["plain"] - 1 for block in found["everywatt"]])
    page.text("A small network on one thread (bench/watch_loop.py), stepped plain, marked, marked, plain in each block (ABBA), so that a drift of the "
              "machine falls out, with some steps before each that are not counted; the interval is that of the median of paired differences. everywatt marks the wait for data, samples, forward, backward, optimizer and step; the "
              "others measure one stretch a step.")
    page.verdict("≤ 1 % of a step of a millisecond", f"{extra.median * 100:+.2f} % ({extra.low * 100:+.2f} to {extra.high * 100:+.2f})", extra.high <= GOAL)
    page.table(("each step", "blocks", "plain step, median", "more, median", "95 % interval, µs", "of a step"),
               [row(tool, blocks) for tool, blocks in found.items()])
    page.text(f"Peers: {peers.version(peers.ZEUS)}, {peers.codecarbon_version()}. They do more in that time: both ask the sensors at each end, in the job. "
              "The GPU is the virtual lab's, and the loop runs on the processor.")
    page.write()
