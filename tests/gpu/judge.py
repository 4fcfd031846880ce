"""What must hold on any NVIDIA GPU, of what gpu_test.py measured."""
import math

SHARES = ("graphics_utilisation", "sm_utilisation", "sm_occupancy", "tensor_utilisation", "fp64_utilisation", "fp32_utilisation",
          "fp16_utilisation", "memory_bandwidth_utilisation")


def judge(found):
    """(what, whether it holds, the figure) of each check for which there are figures."""
    runs = [run for run in found.values() if not isinstance(run, dict) and run.witness]
    return [*_each_bill(runs), *_work_costs(found), *_repeats(found), *_performance(found), *_bus(found), *_shared(found), *_training(found)]


def spread(values):
    return max(values) / min(values) - 1 if min(values) > 0 else math.inf


def _each_bill(runs):
    if not runs:
        return
    coverage = min(runs, key=lambda run: run.gpu["coverage"])
    yield "the sensor was seen to work for 90 % of each run", coverage.gpu["coverage"] >= 0.9, f"least {coverage.gpu['coverage']:.3f} ({coverage.name})"
    parts = ("busy_joules", "idle_joules", "other_joules", "unattributed_joules")
    worst = max(abs(sum(run.gpu[part] or 0 for part in parts) - run.gpu["measured_joules"]) for run in runs)
    yield "busy, idle, others' and nobody's joules are what was measured", worst < 1e-4, f"{worst:.6f} J off at most"
    compared = [run for run in runs if run.counted]
    if compared:
        off = max(compared, key=lambda run: abs(run.gpu["measured_joules"] / run.counted - 1))
        error = off.gpu["measured_joules"] / off.counted - 1
        yield "each bill is what the counter says, read without everywatt, within 1 %", abs(error) <= 0.01, f"at most {error:+.2%} ({off.name})"
    shares = [run.mean(key) for run in runs for key in SHARES if run.mean(key) is not None]
    if shares:
        yield "shares of the performance monitor lie between 0 and 1", 0 <= min(shares) and max(shares) <= 1, f"{min(shares):.3f} to {max(shares):.3f}"


def _work_costs(found):
    if "compute" in found and "idle, with a context" in found:
        work, idle = found["compute"].watts, found["idle, with a context"].watts
        yield "work draws more than an idle context", work > idle, f"{work:.0f} W, {idle:.0f} W"
    for name in ("no context", "idle, with a context"):
        if name in found and found[name].gpu["idle_joules"] is not None:
            share = found[name].gpu["busy_joules"] / found[name].gpu["measured_joules"]
            yield f"{name}: hardly anything is booked as work", share < 0.05, f"{share:.1%}"


def _repeats(found):
    for kind, names in {"multiply-adds": ("compute", "compute, again"), "a matrix product": ("matmul", "matmul, again", "matmul, once more")}.items():
        if all(name in found for name in names):
            costs = [found[name].joules_a_unit for name in names]
            yield f"the joules of {kind}, repeated, agree within 3 %", spread(costs) <= 0.03, ", ".join(f"{cost * 1e12:.3f} pJ/FLOP" for cost in costs)


def _performance(found):
    for name, key, least in (("compute", "fp32_utilisation", 0.5), ("memory", "memory_bandwidth_utilisation", 0.5), ("matmul", "tensor_utilisation", 0.5)):
        share = found[name].mean(key) if name in found else None
        busy = share is not None and found[name].mean("graphics_utilisation")
        if busy:
            yield f"{name}: while the GPU works, {key} is at least {least:.0%}", share / busy >= least, f"{share / busy:.1%}"


def _bus(found):
    run = found.get("copies to the GPU")
    received = run and run.mean("pcie_received_bytes")
    if received:
        ratio = received / run.said["amount"]
        yield ("bytes over the bus are those of the copies, and no more than the bus adds to them", 0.97 <= ratio <= 1.2,
               f"{ratio:.3f} of {run.said['amount'] / 1e9:.1f} GB")


def _shared(found):
    if "together, 130 ms" not in found:
        return
    one, other = found["together, 130 ms"].values()
    for mine, its in ((one, other), (other, one)):
        share = mine.gpu["other_joules"] / its.gpu["busy_joules"]
        yield f"{mine.name}, beside another run: what is others' holds the other's work", share >= 0.95, f"{share:.0%} of it"
    yield ("runs that work by turns on one GPU say that their work is divided by samples",
           all("divided-by-samples" in run.gpu["flags"] for run in (one, other)), ", ".join(one.gpu["flags"]))


def _training(found):
    if "training" not in found:
        return
    run = found["training"]
    compute, metrics = run.bill["compute"], run.bill["metrics"]
    if compute.get("model_flops"):
        ratio = compute["model_flops"] / run.said["flops"]
        yield "training: FLOPs are those of the model's weights and attention, within 10 %", 0.9 <= ratio <= 1.1, f"{ratio:.3f}"
    else:
        yield "training: FLOPs were counted", False, str(compute.get("reasons"))
    if compute.get("mfu") is not None:
        yield "training: the share of the peak is one", 0 < compute["mfu"] < 1, f"MFU {compute['mfu']:.1%}"
    took = sum(float(value) for name, value in metrics.items() if name.startswith("device_seconds/"))
    window = run.said["end"] - run.said["begin"]
    yield "training: the device's seconds by phase fill the loop", 0.8 * window <= took <= 1.01 * window, f"{took:.2f} s of {window:.2f} s"
