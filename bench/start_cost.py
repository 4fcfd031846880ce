"""Wall time that `everywatt run` adds to a command that does nothing, beside perf stat and CodeCarbon's monitor."""
import subprocess

import peers
from harness import (EVERYWATT, Page, environment, interleaved, median_interval, milliseconds, paired_difference, program,
                     quartiles, scratch, version_of, wall_time)

GOAL = 5e-3
TRUE = "/usr/bin/true"
BARE, FRESH, FULL, LOUD = "true alone", "everywatt run, new ledger", "everywatt run, ledger of 500 runs", "everywatt run, bill printed"
PERF, CODECARBON = "perf stat", "codecarbon monitor"
# Between two starts: a person at a prompt, not a loop; each run leaves the caches to others.
PAUSE = 0.05


def measure(quick):
    page = Page("start-cost", "Wall time that `everywatt run` adds", quick)
    fresh, full = scratch("start-new"), scratch("start-full")
    subprocess.run([program("many_runs"), str(full / "everywatt.db"), "500"], check=True)
    everywatt = [str(EVERYWATT), "run"]
    codecarbon = peers.codecarbon([TRUE])
    perf = peers.perf_stat([TRUE])

    def starts(command, folder):
        env = environment(folder)
        return lambda: wall_time(command, env, folder)

    rounds = 10 if quick else 200
    results = interleaved(
        {
            BARE: (starts([TRUE], fresh), 1),
            FRESH: (starts([*everywatt, "--quiet", "--", TRUE], fresh), 1),
            FULL: (starts([*everywatt, "--quiet", "--", TRUE], full), 1),
            LOUD: (starts([*everywatt, "--", TRUE], full), 1),
            PERF: (starts(perf, fresh), 1),
            CODECARBON: (starts(codecarbon, fresh), 5 if quick else 20),
        },
        rounds,
        PAUSE,
    )
    report(results, page)


def report(results, page):
    added = {name: median_interval(paired_difference(results, name, BARE)) for name in results if name != BARE}
    worst = max((added[name] for name in (FRESH, FULL, LOUD)), key=lambda spread: spread.median)
    page.text(
        "The time from making the process to having waited for it, for `/usr/bin/true` alone and under each tool; "
        "interleaved in shuffled order, outputs to /dev/null. *Added* is the median of the differences within a round, "
        "with the 95 % interval of that median (order statistics)."
    )
    page.verdict("≤ 5 ms added", f"{worst.median * 1e3:.2f} ms (the slowest of everywatt's rows)", worst.median <= GOAL)
    rows = []
    for name, by_round in results.items():
        values = list(by_round.values())
        median, spread = milliseconds(quartiles(values))
        extra = " (".join(milliseconds(added[name])) + ")" if name in added else ""
        rows.append((name, len(values), median, spread, extra))
    page.table(("what", "runs", "median", "interquartile range, ms", "added (95 % interval, ms)"), rows)
    page.text(
        f"Peers: {version_of(['perf', '--version'])}; {peers.codecarbon_version()} in offline mode on Debian's python3. "
        "CodeCarbon's figure contains the start of its Python interpreter and the import of its libraries, which its users wait for."
    )
    page.write()
