#!/usr/bin/env python3
"""make gpu-test: everywatt on a real NVIDIA GPU. Checks what must hold, and writes what the card does to
docs/measurements/gpu-CARD.md, with date and driver. Without a GPU it says so and ends with 0.

gpu_test.py EVERYWATT [INDEX]
"""
import datetime
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MEASUREMENTS = HERE.parent.parent / "docs/measurements"
SECONDS = 20


def everywatt(binary, *arguments, env):
    done = subprocess.run([binary, *arguments], env=env, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        sys.exit(f"gpu_test: everywatt {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def load(kind, index):
    """The load as a process of its own, which prints what it did."""
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(HERE)!r}); import loads, time; "
            f"gpu = loads.Gpu({index}); print({kind})"]


LOADS = {
    "no context": None,
    "idle, with a context": "time.sleep({seconds})",
    "compute": "gpu.compute({seconds})",
    "compute, again": "gpu.compute({seconds})",
    "memory": "gpu.memory({seconds})",
    "25 ms of work in 100": "gpu.pulses({seconds}, 0.025, 0.075)",
    "75 ms of work in 100": "gpu.pulses({seconds}, 0.075, 0.025)",
    "copies to the device": "gpu.copy_to_device({seconds})",
}


def measure(binary, name, code, index, env, folder):
    command = ["sleep", str(SECONDS)] if code is None else load(code.format(seconds=SECONDS), index)
    bill_file = folder / "bill.json"
    done = subprocess.run([binary, "run", "--quiet", "--name", name, "--json", str(bill_file), "--", *command], env=env,
                          capture_output=True, text=True, timeout=300, check=False)
    bill = json.loads(bill_file.read_text())
    if done.returncode != 0:
        return bill, None, done.stderr.strip().splitlines()[-1:]
    return bill, done.stdout.strip(), []


def main():
    binary, index = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": place, "EVERYWATT_DB": f"{place}/everywatt.db"}
        machine = json.loads(everywatt(binary, "doctor", "--json", env=env))
        gpus = [device for device in machine["devices"] if device["kind"] == "gpu"]
        if not gpus:
            why = [source["why"] for source in machine["sources"] if source["name"] == "nvml"]
            print(f"gpu_test: no NVIDIA GPU here ({why[0] if why and why[0] else 'none is found'}): nothing was tested")
            return 0
        gpu = gpus[index]
        periods = everywatt(binary, "calibrate", "periods", "--seconds", "3", env=env)
        rows, failures = [], []
        for name, code in LOADS.items():
            bill, said, errors = measure(binary, name, code, index, env, folder)
            device = next((d for d in bill["energy"]["devices"] if d["id"] == gpu["id"]), None)
            if device is None or device["measured_joules"] is None or errors:
                failures.append(f"{name}: {errors or (device or {}).get('reason')}")
                continue
            watts = device["measured_joules"] / bill["duration_seconds"]
            rows.append((name, f"{watts:.1f} W", f"{device['busy_joules']:.0f} J", f"{device['idle_joules'] or 0:.0f} J",
                         f"{device['other_joules'] + device['unattributed_joules']:.0f} J", f"{device['coverage']:.3f}",
                         device["sensor"], ", ".join(device["flags"]), said or ""))
            if device["coverage"] < 0.9:
                failures.append(f"{name}: observed for {device['coverage']:.2f} of the time only")
        write(gpu, machine, periods, rows, bill["environment"])
        power = {row[0]: float(row[1].split()[0]) for row in rows}
        if power.get("compute", 0) <= power.get("idle, with a context", 0):
            failures.append("work draws no more than idling")
        for failure in failures:
            print(f"gpu_test: FAILED: {failure}")
        return 1 if failures else 0


def write(gpu, machine, periods, rows, environment):
    name = re.sub(r"[^a-z0-9]+", "-", gpu["model"].lower()).strip("-")
    lines = [f"# {gpu['model']}, measured", "",
             f"{datetime.date.today()}, driver {environment.get('nvidia_driver')}, CUDA {environment.get('cuda')}. Made by `make gpu-test`.", "",
             f"Elected: {gpu['sensor']}, {gpu['provenance']}. Others: {', '.join(gpu['others']) or 'none'}.", "",
             "Renewals as seen by polling:", "", "```", *[line for line in periods.splitlines() if "nvml" in line], "```", "",
             "| load | power | busy | idle | others, nobody | coverage | sensor | flags | the load says |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
             *["| " + " | ".join(row) + " |" for row in rows], "",
             "Left out: " + "; ".join(f"{row['what']}: {row['why']}" for row in machine["excluded"] if gpu["id"] in row["what"]) + "."]
    MEASUREMENTS.mkdir(parents=True, exist_ok=True)
    page = MEASUREMENTS / f"gpu-{name}.md"
    page.write_text("\n".join(lines) + "\n")
    print(f"gpu_test: written to {page}")


if __name__ == "__main__":
    sys.exit(main())
