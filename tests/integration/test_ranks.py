"""Jobs of several ranks: who waits for whom, and what that costs."""
import pytest
from conftest import PYTHON
from test_phases import MARKS

# Ranks that step together over pipes, as over a barrier: each works, says that it waits, and goes on when all have come.
JOB = """
import everywatt, os, sys, time
ranks, steps, slow, part, every = 4, int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
step_seconds = 0.04
to_hub = [os.pipe() for _ in range(ranks)]
from_hub = [os.pipe() for _ in range(ranks)]
children = []
for rank in range(ranks):
    child = os.fork()
    if child == 0:
        everywatt.tag("rank", rank)
        for step in range(steps):
            time.sleep(step_seconds * (1 + (part if rank == slow and step % every == 0 else 0)))
            with everywatt.waiting("barrier"):
                os.write(to_hub[rank][1], b".")
                os.read(from_hub[rank][0], 1)
            everywatt.step()
        os._exit(0)
    children.append(child)
for step in range(steps):
    for rank in range(ranks): os.read(to_hub[rank][0], 1)
    for rank in range(ranks): os.write(from_hub[rank][1], b".")
for child in children: os.waitpid(child, 0)
"""


def measured(everywatt, steps, slow, part, every=1):
    done = everywatt.run(PYTHON, "-c", JOB, str(steps), str(slow), str(part), str(every), env=MARKS)
    assert done.status == 0, done.err
    bill = everywatt.show()
    ranks = {rank["rank"]: rank for rank in bill["ranks"]}
    assert set(ranks) == {0, 1, 2, 3}
    assert sum(r["waited_joules"] for r in ranks.values()) == pytest.approx(sum(r["caused_joules"] for r in ranks.values()), abs=1e-5)
    assert sum(r["energy_joules"] for r in ranks.values()) <= bill["energy"]["total_joules"] + 1e-5
    return bill, ranks


def test_a_rank_that_is_slow_in_every_step_is_named_with_what_it_cost(everywatt):
    bill, ranks = measured(everywatt, 60, slow=2, part=0.3)
    assert [s["rank"] for s in bill["stragglers"]] == [2]
    for rank in (0, 1, 3):  # each waits 0.3 of 0.04 s in each of 59 steps
        assert ranks[rank]["wait_on_others_seconds"] == pytest.approx(0.3 * 0.04 * 59, rel=0.25)
    waited = sum(r["waited_joules"] for r in ranks.values())
    assert ranks[2]["caused_joules"] >= 0.9 * waited > 0
    shown = everywatt("show", "--ranks")
    assert shown.returncode == 0 and "rank 2 is late" in shown.stdout and shown.stdout.count("\n") > 6


def test_a_rank_that_is_slow_in_some_steps_is_named_with_its_share(everywatt):
    bill, _ = measured(everywatt, 80, slow=1, part=1.0, every=8)
    assert [s["rank"] for s in bill["stragglers"]] == [1]
    assert bill["stragglers"][0]["steps_share"] == pytest.approx(1 / 8, abs=0.05)


def test_equal_ranks_are_not_named(everywatt):
    bill, _ = measured(everywatt, 60, slow=-1, part=0)
    assert bill["stragglers"] == []


def test_a_job_without_ranks_says_so(everywatt):
    everywatt.run(PYTHON, "-c", "pass")
    shown = everywatt("show", "--ranks")
    assert shown.returncode == 0 and "has no ranks" in shown.stdout
