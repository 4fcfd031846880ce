"""A day of one channel at 10 Hz drawn at 1,000 slices, beside the same points as rows of a SQLite table."""
import json
import sqlite3
import subprocess
import time

from harness import Page, environment, program, quartiles, scratch

GOAL = 2e-3
SLICES = 1000
POINTS = {False: 864_000, True: 36_000}  # by quick: a day, or an hour


def ours(folder, quick):
    """{benchmark: [seconds of each repetition]}"""
    output = folder / "slices.json"
    subprocess.run(
        [program("slices_bench"), str(folder / "everywatt.db"), str(POINTS[quick]), f"--benchmark_repetitions={3 if quick else 15}",
         f"--benchmark_out={output}", "--benchmark_out_format=json"],
        env=environment(folder), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    times = {}
    for result in json.loads(output.read_text())["benchmarks"]:
        if result["run_type"] == "iteration":
            times.setdefault(result["run_name"].split("/")[0], []).append(result["real_time"] / 1e3)  # in ms
    return times


def rows_of_a_table(folder, quick):
    """SQLite's own aggregation over the same shape of series."""
    count = POINTS[quick]
    ledger = sqlite3.connect(folder / "rows.db")
    ledger.execute("CREATE TABLE point (time_ns INTEGER PRIMARY KEY, value INTEGER NOT NULL)")
    total = 0
    steps = ((i, 15_000_000 + i * 7919 % 1_000_003) for i in range(count))
    ledger.executemany("INSERT INTO point VALUES (?, ?)",
                       ((i * 100_000_000, total := total + step) for i, step in steps))
    ledger.commit()
    width = count * 100_000_000 // SLICES
    query = f"SELECT time_ns / {width}, min(value), max(value), avg(value), count(*) FROM point GROUP BY 1"
    times = []
    for _ in range(6):
        start = time.perf_counter()
        rows = ledger.execute(query).fetchall()
        times.append(time.perf_counter() - start)
    assert len(rows) == SLICES
    return times[1:]  # as with ours: not the first call


def measure(quick):
    page = Page("slices", "A day at 10 Hz drawn at 1,000 slices", quick)
    folder = scratch("slices")
    times = ours(folder, quick) | {"SQLite, a row a point, GROUP BY": rows_of_a_table(folder, quick)}
    names = {"first_call": "first call in a process", "later_calls": "each later call", "reopened": "store opened and drawn once"}
    rows = []
    for name, values in times.items():
        spread = quartiles(values)
        rows.append((names.get(name, name), len(values), f"{spread.median * 1e3:.3f} ms",
                     f"{spread.low * 1e3:.3f} to {spread.high * 1e3:.3f}"))
    later = quartiles(times["later_calls"])
    page.text(f"One channel's cumulative energy, {POINTS[quick]:,} points at 10 Hz (power with noise), asked for minimum, maximum and mean in 1,000 slices "
              "through `Store::slices` (bench/slices_bench.cc).")
    page.verdict("≤ 2 ms, second call in one process", f"{later.median * 1e3:.3f} ms", later.median <= GOAL)
    page.table(("what", "repetitions", "median", "interquartile range, ms"), rows)
    page.write()
