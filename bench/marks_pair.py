#!/usr/bin/env python3
"""marks_pair.py everywatt|zeus|codecarbon ROUNDS: what the begin and the end of a named stretch cost, as each tool's documentation has it.

Run by the interpreter that has the package. The answer is a line of JSON: the seconds of one pair, a figure for each round, or
the error that ended it. Warnings go to stderr.
"""
import json
import sys
import time

BATCH = 1000  # pairs of everywatt's in one round; the others' are timed one by one


def everywatt(rounds):
    import everywatt as ew

    if not ew.open():
        raise RuntimeError(ew.state())
    name = "evaluation"
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(BATCH):
            with ew.phase(name):
                pass
        times.append((time.perf_counter() - start) / BATCH)
    if ew.dropped():
        raise RuntimeError(f"{ew.dropped()} marks were dropped")
    return times


def zeus(rounds):
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor()
    # There is no framework whose kernels would have to be waited for.
    return timed(rounds, lambda: monitor.begin_window("evaluation", sync_execution=False),
                 lambda: monitor.end_window("evaluation", sync_execution=False))


def codecarbon(rounds):
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False, log_level="error")
    numbers = iter(range(rounds))
    return timed(rounds, lambda: tracker.start_task(f"evaluation {next(numbers)}"), tracker.stop_task)


def timed(rounds, begin, end):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        begin()
        end()
        times.append(time.perf_counter() - start)
    return times


def main():
    measure = {"everywatt": everywatt, "zeus": zeus, "codecarbon": codecarbon}[sys.argv[1]]
    try:
        answer = {"seconds": measure(int(sys.argv[2]))}
    except Exception as error:  # whatever its users would see
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
