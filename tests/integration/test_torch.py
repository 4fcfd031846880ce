"""everywatt.torch on Debian's PyTorch: a training loop that stays as it is, and what stands on its bill."""
import json
import subprocess

import pytest
from conftest import BINARY, PYTHON, REPOSITORY, assert_books_balance
from guide_blocks import blocks

MARKS = {"PYTHONPATH": str(REPOSITORY / "python"), "EVERYWATT_LIBRARY": str(BINARY.parent.parent / "lib/libeverywatt.so")}
PRELUDE = """
import everywatt, everywatt.torch, json, os, sys, time, torch
torch.manual_seed(0); torch.set_num_threads(1)
"""
LOOP = PRELUDE + """
class Slow(torch.utils.data.Dataset):
    def __len__(self): return 40
    def __getitem__(self, i):
        time.sleep(0.005)
        return torch.randn(256), i % 10
model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = torch.utils.data.DataLoader(Slow(), batch_size=16)
def train(forward=lambda x: model(x)):
    for x, y in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(forward(x).float(), y).backward()
        optimizer.step()
"""


def measured(everywatt, text):
    done = everywatt.run(PYTHON, "-c", text, env=MARKS, timeout=120)
    assert done.status == 0, done.err
    assert_books_balance(done.bill)
    return done, {phase["path"]: phase for phase in done.bill["phases"]}


def test_a_watched_loop_has_its_phases_samples_and_steps(everywatt):
    done, phases = measured(everywatt, LOOP + """
with everywatt.torch.watch(model, optimizer, loader):
    for _ in range(3):
        with everywatt.phase("epoch"): train()
    with torch.no_grad(): model(torch.randn(4, 256))
train()
""")
    assert set(phases) == {"", "epoch", "inference", *(f"epoch/{name}" for name in ("wait:data", "forward", "backward", "optimizer"))}
    for name in ("forward", "backward", "optimizer"):
        assert phases[f"epoch/{name}"]["count"] == 9  # 40 samples are three batches
    assert phases["epoch/wait:data"]["duration_seconds"] > 3 * 40 * 0.005
    assert phases["inference"]["count"] == 1
    assert done.bill["work"]["steps"] == 9 and done.bill["work"]["samples"] == 120
    assert done.bill["tags"] == {"batch_size": "16", "precision": "fp32"}


def test_watching_changes_no_result_and_leaves_everything_as_it_was(everywatt):
    done, _ = measured(everywatt, LOOP + """
kind, step, state = type(loader), optimizer.step, {k: v.clone() for k, v in model.state_dict().items()}
def trained():
    model.load_state_dict(state); torch.manual_seed(1)
    train()
    return [p.detach().clone() for p in model.parameters()]
alone = trained()
watch = everywatt.torch.watch(model, optimizer, loader, flops=True)
assert isinstance(loader, torch.utils.data.DataLoader) and len(loader) == 3
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1000)
watched = trained()
watch.close()
assert all(torch.equal(a, b) for a, b in zip(alone, watched))
assert type(loader) is kind and not model._forward_hooks and not model._forward_pre_hooks and not model[0]._forward_hooks
""")
    assert done.bill["work"]["steps"] == 3


def test_the_precision_is_that_in_which_layers_ran(everywatt):
    for change, precision in (("model.double(); forward = lambda x: model(x.double())", "fp64"),
                              ("forward = lambda x: torch.autocast('cpu', torch.bfloat16)(model)(x)", "bf16")):
        done, _ = measured(everywatt, LOOP + f"""
{change}
watch = everywatt.torch.watch(model, optimizer, loader, flops=True)
train(forward)
""")
        assert done.bill["tags"]["precision"] == precision
        assert list(done.bill["work"]["flops"]) == [precision]


def test_flops_are_those_of_the_formulas(everywatt):
    # Of a matrix product 2 m n k; backward two more each, but none for the gradient of the first layer's input.
    done, _ = measured(everywatt, LOOP + """
with everywatt.torch.watch(model, optimizer, loader, flops=True): train()
everywatt.metric("linear", everywatt.torch.flops(model, torch.randn(16, 256)))
convolution = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 5))
example = torch.randn(2, 3, 8, 8, requires_grad=True)
everywatt.metric("convolution", everywatt.torch.flops(convolution, (example,)))
everywatt.metric("gradients", sum(p.grad is not None for p in convolution.parameters()))
""")
    sample = 2 * 256 * 512 * 2 + 2 * 512 * 10 * 3
    assert done.bill["work"]["flops"]["fp32"] == pytest.approx(40 * sample)
    assert done.bill["metrics"]["linear"] == pytest.approx(16 * sample)
    assert done.bill["metrics"]["convolution"] == pytest.approx(2 * 3 * (2 * 36 * 8 * 27 + 2 * 8 * 36 * 5))
    assert done.bill["metrics"]["gradients"] == 0
    assert done.bill["tags"]["flops_method"].endswith("of the first step, times input size")


# A block that is computed again in the backward pass, which then has a forward and a backward pass within it.
CHECKPOINTED = LOOP + """
class Checkpointed(torch.nn.Module):
    def __init__(self): super().__init__(); self.inner = model
    def forward(self, x): return torch.utils.checkpoint.checkpoint(self.inner, x.requires_grad_(), use_reentrant=True)
import torch.utils.checkpoint
whole = Checkpointed()
"""


@pytest.mark.parametrize("watched, forward", [("whole", "forward"), ("model", "inference")])  # its first pass keeps no gradients
def test_a_checkpoint_is_part_of_the_backward_pass_that_asks_for_it(everywatt, watched, forward):
    done, phases = measured(everywatt, CHECKPOINTED + f"""
with everywatt.torch.watch({watched}, optimizer, loader, flops=True): train(whole)
""")
    assert set(phases) == {"", "wait:data", forward, "backward", "optimizer"}
    assert phases[forward]["count"] == phases["backward"]["count"] == done.bill["work"]["steps"] == 3


def test_an_exception_in_a_forward_pass_leaves_no_phase_open(everywatt):
    _, phases = measured(everywatt, LOOP + """
everywatt.torch.watch(model, optimizer, loader)
try: model(torch.randn(2, 5))
except RuntimeError: pass
train()
""")
    assert set(phases) == {"", "wait:data", "forward", "backward", "optimizer"}


EVENTS = """
class Event:
    clock, passed = 0.0, 0.0
    def __init__(self, enable_timing): assert enable_timing
    def record(self): Event.clock += 0.5; self.time = Event.clock
    def query(self): return self.time <= Event.passed
    def elapsed_time(self, other): return 1e3 * (other.time - self.time)
waits = []
torch.cuda.Event, torch.cuda.synchronize = Event, lambda: waits.append(1)
from everywatt._device_time import DeviceTime
device = DeviceTime(sync=SYNC)
for name in ("forward", "backward", "forward"): device.begin(name); device.end()
assert len(waits) == (6 if SYNC else 0)
assert not device._seconds
Event.passed = Event.clock
device.begin("forward"); device.end()
"""


@pytest.mark.parametrize("sync", [False, True])
def test_a_gpu_is_asked_and_waited_for_only_where_wished(everywatt, sync):
    done, _ = measured(everywatt, PRELUDE + EVENTS.replace("SYNC", str(sync)))
    assert done.bill["metrics"] == {"device_seconds/forward": 1.0, "device_seconds/backward": 0.5}


PARALLEL = PRELUDE + """
import torch.distributed as dist, torch.multiprocessing as mp
def work(rank, file):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method="file://" + file, rank=rank, world_size=2)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(64, 64))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with everywatt.torch.watch(model, optimizer), everywatt.phase(f"rank{rank}"):
        for _ in range(3):
            loss = model(torch.randn(8, 64)).sum()
            if rank == 1: time.sleep(0.3)
            loss.backward(); optimizer.step()
if __name__ == "__main__":
    mp.start_processes(work, (sys.argv[1],), nprocs=2, start_method="fork")
"""


def test_ranks_that_wait_for_a_slower_one_say_so(everywatt, tmp_path):
    done = everywatt.run(PYTHON, "-c", PARALLEL, str(tmp_path / "store"), env=MARKS, timeout=120)
    assert done.status == 0, done.err
    phases = {phase["path"]: phase for phase in done.bill["phases"]}
    quick, slow = (phases[f"rank{rank}/backward/wait:gradients"]["duration_seconds"] for rank in range(2))
    assert quick > 0.6 > 0.3 > slow
    assert done.bill["work"]["steps"] == 3


# Debian's PyTorch 1.13 cannot start ranks on Python 3.11 but with streams that go to files.
TO_FILES = ["-r", "0:1,1:1", "-t", "0:2,1:2"]
TORCHRUN = PRELUDE + """
with everywatt.run(name="torchrun") as bill:
    with everywatt.phase("rank" + os.environ["LOCAL_RANK"]):
        while time.process_time() < 3: torch.randn(300, 300) @ torch.randn(300, 300)
json.dump([bill.run_id, bill.energy_joules, bill.to_dict()], open(sys.argv[1] + os.environ["LOCAL_RANK"], "w"))
"""


def test_ranks_of_torchrun_get_one_bill(everywatt, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(TORCHRUN)
    env = everywatt.environment(env=MARKS | {"EVERYWATT_BIN": str(BINARY)})
    command = [PYTHON, "-m", "torch.distributed.run", "--nproc_per_node=2", *TO_FILES, "--log_dir", tmp_path, script, tmp_path / "rank"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rank{rank}").read_text()) for rank in range(2))
    assert first == second and first[1] > 0 and len(everywatt.json("ls")["runs"]) == 1
    assert {"rank0", "rank1"} <= {phase["path"] for phase in first[2]["phases"]}


def test_what_the_guide_shows_runs(everywatt):
    (_, loop), (_, counted) = blocks("pytorch.md")
    done, phases = measured(everywatt, loop)
    assert done.bill["work"]["steps"] == 48 and done.bill["work"]["samples"] == 3 * 512
    assert {"epoch/wait:data", "epoch/forward", "epoch/backward", "epoch/optimizer"} <= set(phases)
    done, _ = measured(everywatt, counted)
    assert done.bill["work"]["flops"] == {"fp32": 2 * 2 * 8 * 1024 * 1024}  # no gradient of its input is asked for
