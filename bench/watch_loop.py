#!/usr/bin/env python3
"""watch_loop.py everywatt|zeus|codecarbon BLOCKS STEPS: what marking each step costs a small training loop in PyTorch.

Run by the interpreter that has the package; PyTorch is Debian's. A block is STEPS steps plain, marked, marked, plain (ABBA), each after WARM_UP others. The answer is a
line of JSON: for each block the seconds of a plain and of a marked step, or the error that ended it.
"""
import contextlib
import itertools
import json
import sys
import time

WARM_UP = 15  # after marking begins or ends: the interpreter adapts itself to what it runs
DEBIANS = "/usr/lib/python3/dist-packages"


class Batches:
    """The same batch so many times: a loader that costs nothing."""

    def __init__(self, batch, count):
        self.batch, self.count = batch, count

    def __iter__(self):
        return itertools.repeat(self.batch, self.count)


def trainer():
    """A step of about a millisecond on one thread, what it works on, and a batch for it."""
    if DEBIANS not in sys.path:
        sys.path.append(DEBIANS)  # last: what the environment brings goes first
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step(inputs, labels):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

    # As many samples as this machine takes a millisecond for.
    for samples in (int(16 * 2 ** (i / 4)) for i in range(32)):
        batch = torch.randn(samples, 256), torch.randint(0, 10, (samples,))
        times = []
        for _ in range(30):
            start = time.perf_counter()
            step(*batch)
            times.append(time.perf_counter() - start)
        if sorted(times)[len(times) // 2] >= 0.95e-3:
            break
    return model, optimizer, step, batch


def everywatt(model, optimizer, loader):
    import everywatt as ew
    import everywatt.torch

    if not ew.open():
        raise RuntimeError(ew.state())
    return lambda: ew.torch.watch(model, optimizer, loader), contextlib.nullcontext


def zeus(model, optimizer, loader):
    from zeus.monitor import ZeusMonitor

    monitor = ZeusMonitor()

    @contextlib.contextmanager
    def window():
        monitor.begin_window("step", sync_execution=False)
        yield
        monitor.end_window("step", sync_execution=False)

    return contextlib.nullcontext, window


def codecarbon(model, optimizer, loader):
    from codecarbon import OfflineEmissionsTracker

    tracker, numbers = OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False, log_level="error"), itertools.count()

    @contextlib.contextmanager
    def task():
        tracker.start_task(f"step {next(numbers)}")
        yield
        tracker.stop_task()

    return contextlib.nullcontext, task


def timed(step, loader, around_all, around_each):
    with around_all():
        for _ in range(WARM_UP):
            with around_each():
                step(*loader.batch)
        start = time.perf_counter()
        for inputs, labels in loader:
            with around_each():
                step(inputs, labels)
        return (time.perf_counter() - start) / loader.count


def measure(tool, blocks, steps):
    model, optimizer, step, batch = trainer()
    loader = Batches(batch, steps)
    marked = {"everywatt": everywatt, "zeus": zeus, "codecarbon": codecarbon}[tool](model, optimizer, loader)
    plain = (contextlib.nullcontext, contextlib.nullcontext)
    timed(step, loader, *plain)
    found = []
    for _ in range(blocks):
        a, b, c, d = (timed(step, loader, *how) for how in (plain, marked, marked, plain))
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
