#!/usr/bin/env python3
"""peer_codecarbon.py SECONDS [PERIOD]: CodeCarbon's tracker, offline, over so many seconds, as its documentation has it.

Run by the interpreter that has the package. Says "ready", waits for a line, then measures; the answer is a line of JSON:
the joules of all GPUs and the window by CLOCK_MONOTONIC, or the error that ended it. Warnings go to stderr.
"""
import json
import sys
import time


def measure(seconds, options):
    from codecarbon import OfflineEmissionsTracker

    tracker = OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False, log_level="warning", **options)
    print("ready", flush=True)
    sys.stdin.readline()
    tracker.start()
    begin = tracker._start_time  # the window that it says it measured: perf_counter is CLOCK_MONOTONIC on Linux
    time.sleep(seconds)
    tracker.stop()
    data = tracker.final_emissions_data
    return {"joules": data.gpu_energy * 3.6e6, "begin": begin, "end": begin + data.duration}


def main():
    options = {"measure_power_secs": float(sys.argv[2])} if len(sys.argv) > 2 else {}
    try:
        answer = measure(float(sys.argv[1]), options)
    except Exception as error:  # whatever its users would see
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
