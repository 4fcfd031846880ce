#!/usr/bin/env python3
"""watch_loop.py everywatt|zeus|codecarbon BLOCKS STEPS: what marking each step costs a small training loop in PyTorch.

Run by the interpreter that has the package; PyTorch is Debian's. A block is STEPS steps plain, marked, marked, plain (ABBA). The answer is a
line of JSON: for each block the seconds of a plain and of a marked step, or the error that ended it.
"""
import contextlib
import itertools
import json
import sys
import time

DEBIANS = "/usr/lib/python3/dist-packages"


def trainer():
    """A step of about a millisecond on one thread, and what it works on."""
    if DEBIANS not in sys.path:
        sys.path.append(DEBIANS)  # last: what the environment brings goes first
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    inputs, labels = torch.randn(64, 256), torch.randint(0, 10, (64,))

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    return model, optimizer, step


def everywatt(model, optimizer):
    import everywatt as ew
    import everywatt.torch

    if not ew.open():
        raise RuntimeError(ew.state())
    return lambda: ew.torch.watch(model, optimizer), contextlib.nullcontext


def zeus(model, optimizer):
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor()

    @contextlib.contextmanager
    def window():
        monitor.begin_window("step", sync_execution=False)
        yield
        monitor.end_window("step", sync_execution=False)

    return contextlib.nullcontext, window


def codecarbon(model, optimizer):
    from codecarbon import OfflineEmissionsTracker

    tracker, numbers = OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False, log_level="error"), itertools.count()

    @contextlib.contextmanager
    def task():
        tracker.start_task(f"step {next(numbers)}")
        yield
        tracker.stop_task()

    return contextlib.nullcontext, task


def timed(step, steps, around_all, around_each):
    with around_all():
        step()
        start = time.perf_counter()
        for _ in range(steps):
            with around_each():
                step()
        return (time.perf_counter() - start) / steps


def measure(tool, blocks, steps):
    model, optimizer, step = trainer()
    marked = {"everywatt": everywatt, "zeus": zeus, "codecarbon": codecarbon}[tool](model, optimizer)
    plain = (contextlib.nullcontext, contextlib.nullcontext)
    timed(step, steps, *plain)
    found = []
    for _ in range(blocks):
        a, b, c, d = (timed(step, steps, *how) for how in (plain, marked, marked, plain))
        found.append({"plain": (a + d) / 2, "marked": (b + c) / 2})
    return found


def main():
    try:
        answer = {"blocks": measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))}
    except Exception as error:  # whatever its users would see
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
