"""Trainer, Lightning, Keras and JAX, as they are on PyPI, with everywatt's callbacks: what stands on the bill."""
import pytest
from conftest import assert_books_balance
from frameworks_venv import MARKS, interpreter
from guide_blocks import blocks


@pytest.fixture(scope="module")
def python():
    return interpreter()


def measured(everywatt, python, text):
    done = everywatt.run(python, "-c", text, env=MARKS, timeout=180, cwd=everywatt.folder)
    assert done.status == 0, done.err
    assert_books_balance(done.bill)
    return done.bill, {phase["path"]: phase for phase in done.bill["phases"]}


TRAINER = """
import torch, everywatt.transformers
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
torch.set_num_threads(1)
config = BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, num_labels=2)
data = [{"input_ids": torch.randint(0, 50, (12,)), "labels": torch.tensor(i % 2)} for i in range(20)]
arguments = TrainingArguments("out", per_device_train_batch_size=4, per_device_eval_batch_size=4, num_train_epochs=2, logging_steps=2,
                              evaluation_strategy="epoch", save_strategy="no", report_to=[], gradient_accumulation_steps=GRADIENTS,
                              use_cpu=True, bf16=BF16)
trainer = Trainer(BertForSequenceClassification(config), arguments, train_dataset=data, eval_dataset=data[:8],
                  callbacks=[everywatt.transformers.EverywattCallback()])
trainer.train()
import everywatt; everywatt.metric("expected_flops", trainer.state.total_flos); everywatt.metric("expected_steps", trainer.state.global_step)
"""


@pytest.mark.parametrize("gradients, bf16, steps", [(1, False, 10), (5, True, 2)])
def test_trainer(everywatt, python, gradients, bf16, steps):
    bill, phases = measured(everywatt, python, TRAINER.replace("GRADIENTS", str(gradients)).replace("BF16", str(bf16)))
    assert bill["work"]["steps"] == steps == bill["metrics"]["expected_steps"]
    assert bill["work"]["samples"] == 40
    for name, times in (("forward", 10), ("backward", 10), ("optimizer", steps)):
        assert phases[f"epoch/{name}"]["count"] == times
    assert phases["epoch"]["count"] == 2 and phases["epoch/wait:data"]["count"] >= 10
    evaluations = [phase for path, phase in phases.items() if path.split("/")[-1] == "eval"]
    assert sum(phase["count"] for phase in evaluations) == 2
    precision = "bf16" if bf16 else "fp32"
    assert bill["work"]["flops"] == {precision: bill["metrics"]["expected_flops"]}
    assert bill["tags"]["precision"] == precision and bill["tags"]["batch_size"] == "4"
    assert bill["metrics"]["eval_loss"] > 0


# Lightning asks for hooks on sharded tensors, in a module of PyTorch 1.13 that Python 3.11 cannot read; there are no such tensors here.
SHARDS = """
import sys, types
shards = types.ModuleType("torch.distributed._shard.sharded_tensor")
shards.pre_load_state_dict_hook = shards.state_dict_hook = lambda *_: None
sys.modules["torch.distributed._shard"], sys.modules[shards.__name__] = types.ModuleType("torch.distributed._shard"), shards
"""
LIGHTNING = SHARDS + """
import torch, pytorch_lightning as pl, everywatt.lightning
torch.set_num_threads(1)
class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 2)
    def training_step(self, batch, _):
        loss = torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss
    def validation_step(self, batch, _):
        self.log("val_loss", torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1]))
    def configure_optimizers(self): return torch.optim.SGD(self.parameters(), lr=0.1)
data = torch.utils.data.TensorDataset(torch.randn(20, 8), torch.randint(0, 2, (20,)))
loader = torch.utils.data.DataLoader(data, batch_size=4)
trainer = pl.Trainer(accelerator="cpu", max_epochs=2, accumulate_grad_batches=GRADIENTS, callbacks=[everywatt.lightning.EverywattCallback()],
                     logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
trainer.fit(Module(), loader, loader)
"""


@pytest.mark.parametrize("gradients, steps", [(1, 10), (5, 2)])
def test_lightning(everywatt, python, gradients, steps):
    bill, phases = measured(everywatt, python, LIGHTNING.replace("GRADIENTS", str(gradients)))
    assert bill["work"]["steps"] == steps and bill["work"]["samples"] == 40
    for name, times in (("forward", 10), ("backward", 10), ("optimizer", steps), ("eval", 2)):
        assert phases[f"epoch/{name}"]["count"] == times, name
    assert phases["sanity_check"]["count"] == 1 and phases["epoch/wait:data"]["duration_seconds"] > 0
    assert bill["metrics"]["train_loss"] > 0 and bill["metrics"]["val_loss"] > 0
    assert bill["tags"]["precision"] == "fp32" and bill["tags"]["batch_size"] == "4"


KERAS = """
import keras, numpy, everywatt.keras
model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x, y = numpy.random.rand(40, 8), numpy.random.rand(40, 1)
model.fit(x, y, batch_size=8, epochs=2, validation_data=(x, y), verbose=0, callbacks=[everywatt.keras.EverywattCallback()])
"""


def test_keras(everywatt, python):
    bill, phases = measured(everywatt, python, KERAS)
    assert bill["work"]["steps"] == 10 and phases["epoch/step"]["count"] == 10
    assert phases["epoch/eval"]["count"] == 2 and phases["epoch/wait:data"]["count"] >= 10
    assert bill["metrics"]["loss"] > 0 and bill["metrics"]["val_loss"] > 0
    assert bill["tags"] == {"precision": "fp32", "keras_backend": "jax"}


JAX = """
import time, jax, jax.numpy as jnp, everywatt.jax
def slow(x): return jax.lax.fori_loop(0, 40, lambda _, y: jnp.tanh(y @ x), x)
update, x = jax.jit(slow), jnp.ones((600, 600)) / 600
update(x).block_until_ready()
for _ in range(3):
    with everywatt.jax.step(samples=600) as done: done(update(x))
everywatt.metric("step", 1)
begin = time.monotonic(); update(x).block_until_ready(); everywatt.metric("seconds", time.monotonic() - begin)
try:
    with everywatt.jax.step("failed"): raise ValueError
except ValueError: pass
everywatt.metric("flops", everywatt.jax.flops(lambda a, b: a @ b, jnp.ones((10, 20)), jnp.ones((20, 30))))
"""


def test_jax_steps_end_when_their_arrays_are_there(everywatt, python):
    bill, phases = measured(everywatt, python, JAX)
    assert phases["step"]["count"] == 3 == bill["work"]["steps"] and bill["work"]["samples"] == 1800
    assert phases["step"]["duration_seconds"] > 3 * 0.3 * bill["metrics"]["seconds"]  # handing over alone takes a thousandth
    assert phases["failed"]["count"] == 1
    assert bill["metrics"]["flops"] == pytest.approx(2 * 10 * 20 * 30, rel=0.1)


IPYTHON = """
from IPython.testing.globalipapp import start_ipython
shell = start_ipython()
shell.run_line_magic("load_ext", "everywatt.notebook")
shell.run_cell("%%everywatt sums\\ntotal = sum(range(3_000_000))")
bill = shell.user_ns["_"]
assert bill.duration_seconds > 0 and bill.to_dict()["name"] == "sums" and shell.user_ns["total"] > 0
"""


def test_a_cell_of_ipython(everywatt, python):
    import subprocess

    done = subprocess.run([python, "-c", IPYTHON], env=everywatt.environment(env=MARKS), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "sums  finished" in done.stdout


GIVEN = {
    "Hugging Face Trainer": TRAINER.split("trainer = Trainer")[0].replace("GRADIENTS", "1").replace(
        "BF16", "False") + "model = BertForSequenceClassification(config)\n",
    "Lightning": LIGHTNING.split("trainer = pl.Trainer")[0] + "module = Module()\n",
    "Keras 3": KERAS.split("model.fit")[0],
    "JAX": "import jax, jax.numpy as jnp\nupdate = jax.jit(lambda p, b: p + b.sum())\nparameters, batches = jnp.zeros(()), [jnp.ones(4)] * 5\n",
}
STEPS = {"Hugging Face Trainer": 10, "Lightning": 10, "Keras 3": 4, "JAX": 5}


@pytest.mark.parametrize("heading, block", blocks("trainers.md"), ids=lambda text: text[:8].strip())
def test_what_the_guide_shows_runs(everywatt, python, heading, block):
    bill, phases = measured(everywatt, python, GIVEN[heading] + block)
    assert bill["work"]["steps"] == STEPS[heading]
