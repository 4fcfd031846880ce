"""What a current PyTorch counts of a small transformer, beside what `everywatt flops` says of its configuration."""
import json

import pytest
from conftest import assert_books_balance
from frameworks_venv import MARKS
from torch_venv import interpreter

CONFIG = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4,
          "num_key_value_heads": 2, "vocab_size": 256, "hidden_act": "silu", "max_position_embeddings": 128,
          "tie_word_embeddings": False, "torch_dtype": "float32"}
CONTEXT = 48
MODEL = f"""
import everywatt, everywatt.torch, json, sys, torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint
torch.manual_seed(0); torch.set_num_threads(1)
config, context = {CONFIG!r}, {CONTEXT}
""" + """
width, heads, keys = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
size = width // heads

def linear(inputs, outputs): return torch.nn.Linear(inputs, outputs, bias=False)

class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = linear(width, width), linear(width, keys * size), linear(width, keys * size), linear(width, width)
        self.gate, self.up = (linear(width, config["intermediate_size"]) for _ in range(2))
        self.down = linear(config["intermediate_size"], width)
        self.first, self.second = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
    def attention(self, x):
        batch, length, _ = x.shape
        q, k, v = (y.view(batch, length, -1, size).transpose(1, 2) for y in (self.q(x), self.k(x), self.v(x)))
        k, v = (y.repeat_interleave(heads // keys, 1) for y in (k, v))
        if ATTENTION == "products":
            y = torch.softmax(q @ k.transpose(2, 3) / size**0.5, -1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=ATTENTION == "causal kernel")
        return self.o(y.transpose(1, 2).reshape(batch, length, width))
    def forward(self, x):
        x = x + self.attention(self.first(x))
        y = self.second(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(config["vocab_size"], width)
        self.blocks = torch.nn.ModuleList(Block() for _ in range(config["num_hidden_layers"]))
        self.head = linear(width, config["vocab_size"])
    def forward(self, tokens):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x) if CHECKPOINT is None else checkpoint(block, x, use_reentrant=CHECKPOINT)
        return self.head(x)

model = Model()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
with everywatt.torch.watch(model, optimizer, flops=True):
    for sequences in (4, 4, 2):
        tokens = torch.randint(0, config["vocab_size"], (sequences, context))
        loss = F.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten())
        loss.backward()
        optimizer.step(); optimizer.zero_grad()
everywatt.metric("of_an_example", everywatt.torch.flops(model, tokens))
everywatt.tag("torch", torch.__version__)
"""
SEQUENCES = 10
LAYERS, HEADS, SIZE = 3, 4, 16


@pytest.fixture(scope="module")
def python():
    return interpreter()


def trained(everywatt, python, attention="products", checkpoint=None):
    text = MODEL.replace("ATTENTION", repr(attention)).replace("CHECKPOINT", repr(checkpoint))
    done = everywatt.run(python, "-c", text, env=MARKS, timeout=180)
    assert done.status == 0, done.err
    assert_books_balance(done.bill)
    return done.bill, {phase["path"]: phase for phase in done.bill["phases"]}


def formula(everywatt):
    (everywatt.folder / "config.json").write_text(json.dumps(CONFIG))
    return everywatt.json("flops", everywatt.folder / "config.json", "--context", CONTEXT)


def scores():
    """QKᵀ of all sequences in all layers."""
    return SEQUENCES * LAYERS * HEADS * 2 * CONTEXT * CONTEXT * SIZE


@pytest.mark.parametrize("attention, again", [("products", 0), ("kernel", scores()), ("causal kernel", scores())])
def test_what_is_counted_is_what_the_formula_says(everywatt, python, attention, again):
    """Attention counts in full, as the formula does without --causal; its kernels compute the scores a second time in the backward pass."""
    bill, phases = trained(everywatt, python, attention)
    told = formula(everywatt)
    assert told["model"]["convention"] == "full"
    tokens = SEQUENCES * CONTEXT
    assert bill["work"]["flops"] == {"fp32": told["training_flops_per_token"] * tokens}
    assert bill["work"]["recomputed_flops"] == {"fp32": again}
    assert bill["compute"]["hardware_flops"] == bill["compute"]["model_flops"] + again
    assert bill["metrics"]["of_an_example"] == told["training_flops_per_token"] * 2 * CONTEXT
    assert phases["forward"]["work"]["flops"] == {"fp32": told["forward_flops_per_token"] * tokens}
    assert phases["backward"]["work"]["flops"] == {"fp32": told["backward_flops_per_token"] * tokens}
    assert bill["tags"]["flops_method"] == "FlopCounterMode of the first step, times input size" and bill["tags"]["torch"].startswith("2.")
    print(json.dumps({"torch": bill["tags"]["torch"], "attention": attention, "counted": bill["work"], "a token": told["training_flops_per_token"]}))


@pytest.mark.parametrize("reentrant", [True, False])
def test_what_a_checkpoint_computes_again_is_hardware_work_alone(everywatt, python, reentrant):
    bill, phases = trained(everywatt, python, checkpoint=reentrant)
    told, tokens = formula(everywatt), SEQUENCES * CONTEXT
    assert bill["work"]["flops"] == {"fp32": told["training_flops_per_token"] * tokens}
    blocks = told["forward_flops_per_token"] * tokens - 2 * 64 * 256 * tokens  # all but the head
    last_products = LAYERS * 2 * 160 * 64 * tokens  # whose results no gradient needs: the newer kind of checkpoint stops before them
    assert bill["work"]["recomputed_flops"] == {"fp32": blocks - (0 if reentrant else last_products)}
    assert set(phases) == {"", "forward", "backward", "optimizer"}
    assert bill["compute"]["hfu"] is None and bill["compute"]["hardware_flops"] > bill["compute"]["model_flops"]


def test_a_backward_pass_that_makes_a_graph_tells_nothing_apart(everywatt, python):
    done = everywatt.run(python, "-c", """
import everywatt.torch, torch
model = torch.nn.Linear(8, 8)
with everywatt.torch.watch(model, flops=True): model(torch.ones(4, 8)).sum().backward(create_graph=True)
""", env=MARKS, timeout=120)
    assert done.status == 0, done.err
    assert done.bill["work"]["flops"] == {"fp32": 2 * 2 * 4 * 8 * 8}  # no gradient of the input
    assert done.bill["compute"]["hardware_flops"] is None
