#!/usr/bin/env python3
"""Takes every figure that everywatt promises, each beside its peer, and writes it to docs/measurements/.

run_all.py [--quick] [--only NAME]...

EVERYWATT_BIN names the program (build/bench/bin/everywatt where it is not set); the benchmarks' own programs stand
beside it. --quick takes seconds, checks that all figures can be taken, and leaves docs/measurements/ alone.
"""
import argparse
import shutil
import subprocess
import sys
import traceback

import accuracy
import codec
import gpu_cost
import many_runs
import marks
import own_cost
import side_by_side
import slices
import slowdown
import start_cost
import watch_cost
from harness import EVERYWATT, SCRATCH, Missing, machine

FIGURES = {
    "accuracy": (accuracy.measure, "GPU energy against the truth of the virtual lab"),
    "start-cost": (start_cost.measure, "wall time that `everywatt run` adds to a command"),
    "own-cost": (own_cost.measure, "CPU time and memory of everywatt itself"),
    "gpu-cost": (gpu_cost.measure, "CPU time and memory of everywatt on eight GPUs"),
    "side-by-side": (side_by_side.measure, "everywatt, CodeCarbon and zeus on the same GPU at the same time"),
    "slowdown": (slowdown.measure, "slowdown of a CPU-bound job"),
    "marks": (marks.measure, "what a job pays for a mark, in C and in Python"),
    "watch-cost": (watch_cost.measure, "what a PyTorch loop pays for being watched"),
    "series-codec": (codec.measure, "bytes of a series beside its entropy"),
    "slices": (slices.measure, "a day at 10 Hz drawn at 1,000 slices"),
    "many-runs": (many_runs.measure, "`everywatt ls` of 10,000 runs"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few seconds each, only to see that it works")
    parser.add_argument("--only", action="append", choices=FIGURES, metavar="NAME", help=", ".join(FIGURES))
    arguments = parser.parse_args()
    if not EVERYWATT.exists():
        sys.exit(f"run_all.py: {EVERYWATT} does not exist: make bench builds it, or set EVERYWATT_BIN")
    print(f"== {machine()}", flush=True)
    failed = []
    for name in arguments.only or FIGURES:
        measure, what = FIGURES[name]
        print(f"== {name}: {what}", flush=True)
        try:
            measure(arguments.quick)
        except Missing as missing:
            print(f"   left out: {missing}", flush=True)
            failed.append(name)
        except (RuntimeError, OSError, ValueError, KeyError, subprocess.SubprocessError):
            traceback.print_exc()
            failed.append(name)
    if not arguments.quick:
        shutil.rmtree(SCRATCH, ignore_errors=True)
    if failed:
        sys.exit(f"run_all.py: without a figure: {', '.join(failed)}")


if __name__ == "__main__":
    main()
