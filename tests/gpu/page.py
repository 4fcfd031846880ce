"""docs/measurements/gpu-CARD.md, from what gpu_test.py measured."""
import datetime
import pathlib
import re
import statistics

from judge import SHARES, judge, spread

MEASUREMENTS = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/measurements"


def write(gpu, machine, told, found, checks):
    checks.extend(judge(found))
    runs = {name: run for name, run in found.items() if not isinstance(run, dict) and run.witness}
    environment = next(iter(runs.values())).bill["environment"] if runs else {}
    lines = [f"# {gpu['model']}, measured", "",
             f"{datetime.date.today()}, driver {environment.get('nvidia_driver')}, CUDA {environment.get('cuda')}, "
             f"{environment.get('cpu_model') or environment.get('cpu') or ''}. Made by `make gpu-test`: real loads under `everywatt run`, and a "
             "*witness* that polls the same registers without everywatt every 10 ms.", "",
             *_checks(checks), *_sensors(gpu, machine, told, runs), *_loads(runs), *_blindness(runs), *_performance(runs), *_repeats(runs),
             *_together(found), *_training(found), *_cost(found)]
    name = re.sub(r"[^a-z0-9]+", "-", gpu["model"].lower()).strip("-")
    page = MEASUREMENTS / f"gpu-{name}.md"
    MEASUREMENTS.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(lines).rstrip() + "\n")
    return page


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *("| " + " | ".join(row) + " |" for row in rows), ""]


def number(value, form="{:.0f}", unit=""):
    return "–" if value is None else form.format(value) + unit


def _checks(checks):
    return ["## What must hold", "", *table(("what", "", "figure"), [(what, "holds" if holds else "**fails**", figure) for what, holds, figure in checks])]


def _sensors(gpu, machine, told, runs):
    lines = ["## Sensors", "", f"Elected: {gpu['sensor']}, {gpu['provenance']}. Others: {', '.join(gpu['others']) or 'none'}.", "",
             "Renewals as `everywatt calibrate periods` sees them:", "", "```", *[line for line in told["periods"].splitlines() if "nvml" in line], "```", ""]
    rows = []
    for name, what in (("counter", "energy counter"), ("instant", "instant power"), ("average", "average power")):
        periods = [period for run in runs.values() if run.name != "no context" and (period := run.witness.period(name))]
        ratios = [run.witness.mean(name, *run.steady) / (run.witness.joules(*run.steady) / (run.steady[1] - run.steady[0]))
                  for run in runs.values() if name != "counter" and run.witness.readings[name] and run.witness.joules(*run.steady)]
        rows.append((what, number(statistics.median(periods) * 1e3 if periods else None, "{:.1f}", " ms"),
                     f"{statistics.median(ratios):.4f} ({min(ratios):.3f} to {max(ratios):.3f})" if ratios else "–"))
    costs = sorted(cost for run in runs.values() for cost in run.witness.costs)
    lines += ["As the witness sees them, over all loads:", "", *table(("register", "renewed every", "mean power against the counter's, median and range"), rows)]
    if costs:
        lines += [f"One call for all three takes {statistics.median(costs) * 1e6:.0f} µs (95th {costs[int(len(costs) * 0.95)] * 1e6:.0f} µs).", ""]
    left_out = [f"{row['what']}: {row['why']}" for row in machine["excluded"] if gpu["id"] in row["what"]]
    return lines + (["Left out: " + "; ".join(left_out) + ".", ""] if left_out else [])


def _loads(runs):
    rows = []
    for run in runs.values():
        gpu = run.gpu
        error = gpu["measured_joules"] / run.counted - 1 if run.counted else None
        rows.append((run.name, f"{run.bill['duration_seconds']:.1f} s", f"{run.watts:.1f} W", f"{gpu['measured_joules']:.0f} ± {gpu['uncertainty_joules']:.0f} J",
                     number(run.counted, "{:.1f}", " J"), number(error, "{:+.2%}"), number(gpu["busy_joules"]), number(gpu["idle_joules"]),
                     f"{gpu['other_joules'] + gpu['unattributed_joules']:.0f}", gpu["sensor"], ", ".join(gpu["flags"]) or "–"))
    return ["## Loads", "", "Whole runs, start of the interpreter and of CUDA included. The counter is what the witness read over the same time.", "",
            *table(("load", "run", "power", "everywatt", "counter", "error", "busy J", "idle J", "others', nobody's J", "sensor", "flags"), rows)]


def _blindness(runs):
    lines = []
    for on in (25, 75):
        chosen = [run for name, run in runs.items() if name.startswith(f"{on} of 100 ms")]
        if not chosen:
            continue
        rows, means = [], {name: [] for name in ("counter", "instant", "average")}
        for run in chosen:
            begin, end = run.steady
            joules = run.witness.joules(begin, end)
            seen = {"counter": joules and joules / (end - begin), "instant": run.witness.mean("instant", begin, end),
                    "average": run.witness.mean("average", begin, end)}
            for name, value in seen.items():
                means[name] += [value] if value else []
            rows.append((run.name, f"{run.said['amount'] / (run.said['end'] - run.said['begin']):.1%}", *(number(value, "{:.1f}", " W") for value in seen.values())))
        spreads = ", ".join(f"{name} {spread(values):.1%}" for name, values in means.items() if len(values) == len(chosen))
        lines += [*table(("load", "at work", "counter", "instant power, mean", "average power, mean"), rows), f"Greatest over least: {spreads}.", ""]
    if not lines:
        return []
    return ["## Is a register blind to a part of the time?", "",
            "The same work at four phases of a grid of 100 ms. A register that sees 25 ms of every 100 shows mostly work at one phase and mostly rest at "
            "another; one that sees everything shows the same at all four. Means over the time after the first two seconds.", "", *lines]


def _performance(runs):
    keys = [key for key in SHARES if any(run.mean(key) is not None for run in runs.values())]
    if not keys:
        return []
    chosen = [run for run in runs.values() if "again" not in run.name and "once more" not in run.name and "ms" not in run.name]
    rows = [(run.name, *(number(run.mean(key), "{:.1%}") for key in keys), number(run.mean("sm_clock_mhz"), "{:.0f}", " MHz"),
             number(run.mean("temperature_celsius"), "{:.0f}", " °C")) for run in chosen]
    lines = ["## Performance monitor, clocks and the bus", "", *table(("load", *(key.removesuffix("_utilisation").replace("_", " ") for key in keys), "SM clock", "temperature"), rows)]
    copies = runs.get("copies to the GPU")
    if copies and copies.mean("pcie_received_bytes"):
        lines += [f"Copied to the GPU: {copies.said['amount'] / 1e9:.2f} GB; counted on the bus: {copies.mean('pcie_received_bytes') / 1e9:.2f} GB.", ""]
    return lines


def _repeats(runs):
    rows = [(run.name, f"{run.said['amount'] / (run.said['end'] - run.said['begin']) / 1e12:.1f} TFLOP/s", f"{run.joules_a_unit * 1e12:.3f} pJ")
            for name, run in runs.items() if name.startswith(("compute", "matmul"))]
    if not rows:
        return []
    return ["## Energy of the same work, repeated", "", "Busy joules over what was computed: multiply-adds in fp32 registers; products of bf16 matrices of 8192 × 8192.",
            "", *table(("load", "rate", "energy per floating-point operation"), rows)]


def _together(found):
    pairs = [found[name] for name in found if name.startswith("together")]
    if not pairs:
        return []
    rows = [(name, f"{run.bill['duration_seconds']:.1f} s", f"{run.gpu['measured_joules']:.0f}", *(number(run.gpu[f"{part}_joules"]) for part in
             ("busy", "idle", "other", "unattributed")), ", ".join(run.gpu["flags"]) or "–") for pair in pairs for name, run in pair.items()]
    return ["## Two runs and a process of nobody's on one GPU", "",
            "At work for 60, 20 and (nobody's) 20 ms of each period, in turn. Every 200 ms the driver names one process, it seems the one that ran last, "
            "and says how much the whole GPU worked: of a load that repeats in step with that, always the same one.", "",
            *table(("run", "lasted", "GPU, J", "busy", "idle", "others'", "nobody's", "flags"), rows)]


def _training(found):
    if "training" not in found:
        return []
    run = found["training"]
    compute, bill = run.bill["compute"], run.bill
    lines = ["## A training loop under everywatt.torch", "", f"A transformer in bf16, PyTorch {run.said['torch']}: {run.said['steps']} steps, "
             f"{number(bill['work'].get('joules_per_step'), '{:.1f}', ' J')} a step, {number(compute.get('model_flops'), '{:.3e}')} FLOPs counted "
             f"(the loop's own estimate {run.said['flops']:.3e}), MFU {number(compute.get('mfu'), '{:.1%}')}, "
             f"tags {', '.join(f'{k}={v}' for k, v in bill['tags'].items())}.", ""]
    rows = [(phase["path"] or "(none)", str(phase["count"]), f"{phase['duration_seconds']:.2f} s", number(phase["energy_joules"], "{:.0f}", " J"),
             number(bill["metrics"].get(f"device_seconds/{phase['path'].rpartition('/')[2]}"), "{:.2f}", " s"), phase["bottleneck"]["verdict"])
            for phase in bill["phases"]]
    return lines + table(("phase", "times", "on the host", "energy", "on the device, by events", "verdict"), rows)


def _cost(found):
    run = found.get("compute, no witness")
    if not run:
        return []
    own = run.bill["overhead"]
    return ["## What everywatt itself took", "", f"{own['cpu_seconds'] / run.bill['duration_seconds']:.2%} of one CPU and "
            f"{own['peak_rss_bytes'] / 1e6:.0f} MB over {run.bill['duration_seconds']:.1f} s of `compute`, without the witness: start, end, and "
            "hunts for renewals in the first seconds included."]
