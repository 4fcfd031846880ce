"""Says what a job does while everywatt measures it, so that phases and steps stand on its bill.

    import everywatt

    for epoch in range(3):
        with everywatt.phase("epoch"):
            for batch in batches:
                loss = train(batch)
                everywatt.count("tokens", batch.tokens)
                everywatt.step()
            with everywatt.phase("eval"):
                everywatt.metric("loss", evaluate())

Run it as ``everywatt run -- python train.py``. Without everywatt around it, or with EVERYWATT_DISABLED=1, all of this does
nothing. A mark is stamped where it is made and costs a fraction of a microsecond; nothing here waits, raises on account of
everywatt, or makes a system call. Threads may mark at the same time, forked children mark on their own.

Where nobody starts the program so, ``with everywatt.run() as bill:`` measures a block. Frameworks: everywatt.torch,
everywatt.transformers, everywatt.lightning, everywatt.keras, everywatt.jax, everywatt.wandb, ``%load_ext everywatt.notebook``.
"""
from ._bill import Bill
from ._marks import close, count, dropped, input_workers, measure, metric, open, phase, state, step, tag, waiting
from ._run import run

__all__ = ["Bill", "close", "count", "dropped", "input_workers", "measure", "metric", "open", "phase", "run", "state", "step", "tag",
           "waiting"]
__version__ = "0.1.0"
