"""`everywatt ls` of 10,000 runs, beside the sqlite3 shell asked for the same rows of the same file."""
import subprocess

from harness import EVERYWATT, Page, environment, installed, interleaved, milliseconds, program, quartiles, scratch, wall_time

GOAL = 50e-3
RUNS = 10_000
# What ls shows: each run with the energy charged to it, summed over the devices that count.
QUERY = """SELECT run.id, run.name, run.project, run.status, run.started_wall_ns, run.ended_wall_ns, sum(charged_uj)
FROM run LEFT JOIN device ON device.run = run.key AND device.counted
LEFT JOIN device_sum ON device_sum.run = run.key AND device_sum.name = device.name
GROUP BY run.key ORDER BY run.recorded_wall_ns DESC"""


def measure(quick):
    page = Page("many-runs", "`everywatt ls` of 10,000 runs", quick)
    folder = scratch("many-runs")
    ledger = folder / "everywatt.db"
    count = 500 if quick else RUNS
    subprocess.run([program("many_runs"), str(ledger), str(count)], check=True)
    env = environment(folder)
    listed = subprocess.run([str(EVERYWATT), "ls"], env=env, check=True, capture_output=True, text=True).stdout
    if listed.count("\n") < count:
        raise RuntimeError(f"everywatt ls shows {listed.count(chr(10))} lines of {count} runs")
    contestants = {
        "everywatt ls": [str(EVERYWATT), "ls"],
        "everywatt ls --json": [str(EVERYWATT), "ls", "--json"],
        "sqlite3 shell, the same rows": [installed("sqlite3", "sqlite3"), "-readonly", str(ledger), QUERY],
    }
    results = interleaved({name: (lambda command=command: wall_time(command, env, folder), 1) for name, command in contestants.items()},
                          5 if quick else 50)
    spreads = {name: quartiles(list(by_round.values())) for name, by_round in results.items()}
    page.text(f"Wall time of the whole command, output to /dev/null, over a ledger of {count:,} runs of two devices and eight entries each "
              f"({ledger.stat().st_size / 1e6:.1f} MB), warm, interleaved.")
    worst = max(spreads["everywatt ls"].median, spreads["everywatt ls --json"].median)
    page.verdict("`ls` ≤ 50 ms", f"{spreads['everywatt ls'].median * 1e3:.1f} ms (`--json` {spreads['everywatt ls --json'].median * 1e3:.1f} ms)",
                 worst <= GOAL)
    page.table(("what", "times", "median", "interquartile range, ms"),
               [(name, len(results[name]), *milliseconds(spread)) for name, spread in spreads.items()])
    page.write()
