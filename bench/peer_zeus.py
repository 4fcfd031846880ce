#!/usr/bin/env python3
"""peer_zeus.py window|power SECONDS: zeus over so many seconds, as its documentation has it.

"window": ZeusMonitor, energy of a window; "power": PowerMonitor of all GPUs at 10 Hz. Run by the interpreter that has
the package. Says "ready", waits for a line, then measures; the answer is a line of JSON: the joules of the GPUs and the
window by CLOCK_MONOTONIC, or the error that ended it. Warnings go to stderr.
"""
import json
import sys
import time


def window(seconds):
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor()
    print("ready", flush=True)
    sys.stdin.readline()
    begin = time.monotonic()
    # There is no framework whose kernels would have to be waited for.
    monitor.begin_window("window", sync_execution=False)
    time.sleep(seconds)
    measured = monitor.end_window("window", sync_execution=False)
    return {"joules": sum(measured.gpu_energy.values()), "begin": begin, "end": begin + measured.time}


def power(seconds):
    from zeus.monitor import PowerMonitor

    monitor = PowerMonitor(update_period=0.1)
    print("ready", flush=True)
    sys.stdin.readline()
    begin, wall = time.monotonic(), time.time()
    time.sleep(seconds)
    end, wall_end = time.monotonic(), time.time()
    joules = sum(monitor.get_energy(wall, wall_end).values())
    monitor.stop()
    return {"joules": joules, "begin": begin, "end": end}


def main():
    measure = {"window": window, "power": power}[sys.argv[1]]
    try:
        answer = measure(float(sys.argv[2]))
    except Exception as error:  # whatever its users would see
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
