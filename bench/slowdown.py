"""How much longer a CPU-bound job takes under everywatt: ABBA blocks until the interval is narrow enough."""
import math
import os
import statistics
import subprocess
import time

from harness import EVERYWATT, Page, environment, mean_half_width, program, scratch

GOAL = 0.003
SECONDS_OF_WORK = 1.0
FEWEST_BLOCKS = 8


def job_seconds(prefix, rounds, threads, env):
    """The job's own time for its work, as it says itself: what the start costs is another figure."""
    done = subprocess.run([*prefix, program("fixed_work"), str(rounds), str(threads)],
                          env=env, check=True, capture_output=True, text=True)
    return int(done.stdout.split()[0]) / 1e9


def calibrated_rounds(threads, env, seconds):
    rounds = 10_000_000
    took = min(job_seconds([], rounds, threads, env) for _ in range(3))
    return int(rounds * seconds / took)


def compare(threads, env, quick):
    """Mean log ratio with its half-width, and the times, of blocks A B B A (A: alone, B: measured)."""
    under = [str(EVERYWATT), "run", "--quiet", "--"]
    rounds = calibrated_rounds(threads, env, 0.1 if quick else SECONDS_OF_WORK)
    deadline = time.monotonic() + (5 if quick else 420)
    ratios, alone, measured = [], [], []
    while True:
        block = [job_seconds(prefix, rounds, threads, env) for prefix in ([], under, under, [])]
        alone += [block[0], block[3]]
        measured += [block[1], block[2]]
        ratios.append((math.log(block[1]) + math.log(block[2]) - math.log(block[0]) - math.log(block[3])) / 2)
        if len(ratios) < FEWEST_BLOCKS:
            continue
        mean, half = mean_half_width(ratios)
        if half <= GOAL or time.monotonic() > deadline:
            return mean, half, ratios, alone, measured


def measure(quick):
    page = Page("slowdown", "Slowdown of a CPU-bound job", quick)
    env = environment(scratch("slowdown"))
    every = len(os.sched_getaffinity(0))
    rows, answers = [], []
    for what, threads in (("one thread", 1), (f"a thread on each of {every} CPUs", every)):
        mean, half, ratios, alone, measured = compare(threads, env, quick)
        # An interval wider than that contains 0 whatever the truth is.
        answers.append(half <= GOAL and (abs(mean) <= half or mean + half <= GOAL))
        rows.append((what, len(ratios), f"{statistics.median(alone):.4f} s", f"{statistics.median(measured):.4f} s",
                     f"{mean * 100:+.3f} %", f"{(mean - half) * 100:+.3f} to {(mean + half) * 100:+.3f} %",
                     f"{statistics.median(ratios) * 100:+.3f} %"))
        print(f"   {what}: {mean * 100:+.3f} % ± {half * 100:.3f} after {len(ratios)} blocks", flush=True)
    page.text(
        "A fixed amount of integer work (bench/fixed_work.cc), timed by the job itself, in blocks alone, measured, measured, "
        "alone (ABBA), so that a drift of the machine falls out. Blocks are added until the 95 % half-width of the mean log "
        "ratio is at most 0.3 %, or the time is up. With a thread on every CPU each tick of the meter must take its time from the job."
    )
    page.verdict("the interval, at most ± 0.3 % wide, contains 0 or lies below 0.3 %", "; ".join(row[0] + " " + row[5] for row in rows), all(answers))
    page.table(("job", "blocks", "alone, median", "measured, median", "slowdown, mean", "95 % interval", "median of blocks"), rows)
    page.write()
