"""Four ranks of PyTorch that talk through gloo on loopback: who keeps the others waiting, and what that costs."""
import pytest
from conftest import PYTHON
from lab_runs import run_on_lab
from test_phases import MARKS

# A GPU a rank, each of which draws the same all the time: what a rank waits costs its GPU's power times its wait.
WATTS = 300
MACHINE = "[[package]]\nwatts = 1\nidle_watts = 1\ndram_watts = 1\ndram_idle_watts = 1\ncpus = 4\n" + "".join(f"""
[[gpu]]
name = "NVIDIA H100 80GB HBM3"
watts = {WATTS}
idle_watts = 70
utilisation = 1
[[gpu.process]]
pid = "job/1/{rank + 1}"
""" for rank in range(4))
# What a rank does in a step is a function of the rank and the step: seconds of work before it has its gradients.
JOB = """
import everywatt, everywatt.torch, os, random, sys, time, torch
import torch.distributed as dist, torch.multiprocessing as mp
common = random.Random(SEED)
steps = [max(0.2, common.gauss(1, JITTER)) for _ in range(STEPS + 1)]
def work(rank, file):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method="file://" + file, rank=rank, world_size=4)
    everywatt.tag("rank", rank)
    time.sleep(1.5)  # who has a context on a GPU is asked once a second
    came = []  # when its gradients were there, step by step
    LOOP
    with open(file + f".came{rank}", "w") as out: out.write(" ".join(map(str, came)))
if __name__ == "__main__":
    mp.start_processes(work, (sys.argv[1],), nprocs=4, start_method="fork")
"""
REDUCE = """
    gradients = torch.ones(1000)
    for step, part in enumerate(steps):
        time.sleep(SECONDS)
        came.append(time.monotonic())
        with everywatt.waiting("gradients"): dist.all_reduce(gradients)
        everywatt.step()
"""
# The loop of a user: the model's gradients are what is waited for, the loader is what may be slow.
WATCHED = """
    class Data(torch.utils.data.Dataset):
        def __len__(self): return STEPS + 1
        def __getitem__(self, i): time.sleep(SECONDS); return torch.ones(8)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(8, 8))
    optimizer, loader = torch.optim.SGD(model.parameters(), lr=0.1), torch.utils.data.DataLoader(Data())
    with everywatt.torch.watch(model, optimizer, loader):
        for x in loader:
            loss = model(x).sum()
            came.append(time.monotonic())
            loss.backward(); optimizer.step()
"""


def program(loop, seconds, steps, jitter=0.0, seed=1):
    text = JOB.replace("LOOP", loop.strip()).replace("SECONDS", seconds)
    return text.replace("STEPS", str(steps)).replace("JITTER", str(jitter)).replace("SEED", str(seed))


def on_gpus(tmp_path, *of_job, **more):
    run = run_on_lab(tmp_path / "run", MACHINE, PYTHON, "-c", program(*of_job, **more), str(tmp_path / "store"), env=MARKS)
    assert run.status == 0, run.err
    ranks = {rank["rank"]: rank for rank in run.bill["ranks"]}
    assert set(ranks) == {0, 1, 2, 3}
    assert sum(r["waited_joules"] for r in ranks.values()) == pytest.approx(sum(r["caused_joules"] for r in ranks.values()), abs=1e-5)
    return run, ranks


def waited(tmp_path):
    """Seconds that each rank waited for the last, by when each came: a sleep of 30 ms is longer on a busy machine. The first step begins the count."""
    came = [[float(time) for time in (tmp_path / f"store.came{rank}").read_text().split()][1:] for rank in range(4)]
    return [sum(max(step) - step[rank] for step in zip(*came)) for rank in range(4)]


@pytest.mark.parametrize("loop", [REDUCE, WATCHED], ids=["reduce", "loader"])
def test_a_rank_that_sleeps_is_named_and_its_joules_are_those_that_the_others_waited(tmp_path, loop):
    # 70 ms of work; one rank sleeps 30 % of its step of 100 ms.
    run, ranks = on_gpus(tmp_path, loop, "0.07 + 0.03 * (rank == 2)", 60)
    assert [straggler["rank"] for straggler in run.bill["stragglers"]] == [2]
    straggler, = run.bill["stragglers"]
    assert straggler["behind"] == pytest.approx(0.3, abs=0.06) and straggler["steps_share"] > 0.95
    truth = waited(tmp_path)
    assert truth[0] == pytest.approx(60 * 0.03, rel=0.3)
    for rank in (0, 1, 3):
        assert ranks[rank]["steps"] == 60
        assert ranks[rank]["wait_on_others_seconds"] == pytest.approx(truth[rank], rel=0.1)
        assert ranks[rank]["waited_joules"] == pytest.approx(WATTS * truth[rank], rel=0.1)
    assert ranks[2]["caused_joules"] == pytest.approx(WATTS * sum(truth), rel=0.1)


def test_a_rank_that_sleeps_in_some_steps_is_named_with_its_share(tmp_path):
    run, ranks = on_gpus(tmp_path, REDUCE, "0.04 + 0.03 * (rank == 1 and step % 5 == 0)", 80)
    straggler, = run.bill["stragglers"]
    assert straggler["rank"] == 1 and straggler["steps_share"] == pytest.approx(1 / 5, abs=0.03)
    assert straggler["caused_share"] > 0.9
    # In the other steps, too, somebody is the last by some.
    assert ranks[1]["caused_joules"] == pytest.approx(straggler["caused_share"] * WATTS * sum(waited(tmp_path)), rel=0.1)


def test_equal_ranks_are_never_named_however_their_steps_vary(everywatt, tmp_path):
    for seed in range(20):
        job = program(REDUCE, "0.02 * part", 30, jitter=0.3, seed=seed)
        done = everywatt.run(PYTHON, "-c", job, str(tmp_path / f"store-{seed}"), env=MARKS, timeout=120)
        assert done.status == 0, done.err
        assert len(done.bill["ranks"]) == 4 and done.bill["ranks"][0]["steps"] == 30
        assert done.bill["stragglers"] == [], (seed, done.bill["ranks"])
