"""Weights & Biases offline: a bill read back from the files that its own SDK wrote."""
import json
import subprocess

import pytest
from frameworks_venv import MARKS, interpreter
from guide_blocks import blocks

JOB = """
import time, everywatt, everywatt.wandb, wandb, json
run = wandb.init(project="digits", config={"lr": 0.1})
with everywatt.run(name="training", tags={"seed": 1}) as bill, everywatt.wandb.follow(run, seconds=0.3):
    end = time.monotonic() + 2.5
    step = 0
    while time.monotonic() < end:
        with everywatt.phase("train"): sum(range(300_000))
        everywatt.step()
        run.log({"loss": 1 / (step + 1)}, step=step)
        step += 1
everywatt.wandb.log(bill)
run.finish()
json.dump({"bill": bill.to_dict(), "steps": step}, open("said.json", "w"))
"""
# Its file is a log of LevelDB's form (doc/log_format.md there: blocks of 32 KiB, chunks of checksum, length, type) after 7 bytes of its own.
READ = """
import glob, json, struct
from wandb.proto import wandb_internal_pb2
path, = glob.glob("wandb/offline-run-*/run-*.wandb")
data, at, record, history, summary, config = open(path, "rb").read(), 7, b"", [], {}, {}
def values(items): return {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items}
def take(message):
    kind = message.WhichOneof("record_type")
    if kind == "history": history.append(values(message.history.item))
    if kind == "summary": summary.update(values(message.summary.update))
    if kind == "run": config.update(values(message.run.config.update))
    if kind == "config": config.update(values(message.config.update))
while at + 7 <= len(data):
    if at % 32768 > 32768 - 7:
        at += -at % 32768
        continue
    _, size, kind = struct.unpack("<IHB", data[at:at + 7])
    record += data[at + 7:at + 7 + size]
    at += 7 + size
    if kind in (1, 4):  # whole, last
        take(wandb_internal_pb2.Record.FromString(record))
        record = b""
print(json.dumps([history, summary, config]))
"""


@pytest.fixture(scope="module")
def python():
    return interpreter()


def test_a_bill_stands_beside_the_loss_and_the_steps_stay_the_jobs(everywatt, python, tmp_path):
    env = everywatt.environment(env=MARKS)
    for text in (JOB, READ):
        done = subprocess.run([python, "-c", text], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    history, summary, config = json.loads(done.stdout)
    said = json.loads((tmp_path / "said.json").read_text())
    bill = said["bill"]
    for key in ("total_joules", "busy_joules", "measured_joules", "uncertainty_joules"):
        assert summary[f"energy/{key}"] == bill["energy"][key]
    assert summary["energy/joules_per_step"] == bill["work"]["joules_per_step"]
    assert summary["energy/phase/train_joules"] > 0
    assert config["everywatt"]["run_id"] == bill["id"] and config["everywatt"]["tags"] == {"seed": "1"} and config["lr"] == 0.1
    losses = [row for row in history if "loss" in row]
    assert len(losses) == said["steps"] and [row["_step"] for row in losses] == list(range(said["steps"]))
    followed = [row["energy/total_joules"] for row in history if "energy/total_joules" in row]
    assert len(followed) >= 3 and followed == sorted(followed)


def test_without_a_run_it_says_so(everywatt, python, tmp_path):
    done = subprocess.run([python, "-c", "import everywatt, everywatt.wandb; everywatt.wandb.log(everywatt.Bill())"],
                          env=everywatt.environment(env=MARKS), cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "call wandb.init first" in done.stderr


def test_what_the_guide_shows_runs(everywatt, python, tmp_path):
    (_, block), = blocks("wandb.md")
    env = everywatt.environment(env=MARKS)
    for text in (block, READ):
        done = subprocess.run([python, "-c", text], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    history, summary, _ = json.loads(done.stdout)
    assert len([row for row in history if "loss" in row]) == 100
    assert summary["energy/duration_seconds"] == everywatt.show("training")["duration_seconds"]
