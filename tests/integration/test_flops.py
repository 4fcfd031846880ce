"""The operations of models, as the program tells them."""
import json

import pytest

LLAMA = {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32000, "hidden_act": "silu",
         "max_position_embeddings": 4096, "tie_word_embeddings": False, "torch_dtype": "float16"}
MIXTRAL = LLAMA | {"model_type": "mixtral", "intermediate_size": 14336, "num_key_value_heads": 8,
                   "num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": None}
H100 = ["--device", "NVIDIA H100 80GB HBM3", "--precision", "bf16"]


@pytest.fixture
def llama(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    return tmp_path / "config.json"


def test_a_config_tells_parameters_and_work(everywatt, llama):
    told = everywatt.json("flops", llama, "--tokens", "2T")
    assert told["schema"] == "everywatt.flops/1"
    assert told["model"]["parameters"]["total"] == 6_738_415_616
    matmul = told["model"]["parameters"]["active_matmul"]
    assert told["forward_flops_per_token"] == 2 * matmul + 2 * 32 * 32 * 256 * 4096
    assert told["training_flops_per_token"] == 6 * matmul + 6 * 32 * 32 * 256 * 4096
    assert told["training"]["model_flops"] == pytest.approx(told["training_flops_per_token"] * 2e12)
    assert told["training"]["hardware_flops"] == told["training"]["model_flops"]
    assert told["training"]["convention"] == "full"
    assert told["training"]["six_nd_flops"] == pytest.approx(6 * 6_738_415_616 * 2e12)


def test_a_folder_and_the_options_name_say_the_same(everywatt, llama):
    plain = everywatt.json("flops", llama, "--tokens", "1e12", "--context", "2048")
    for args in ([llama.parent], ["--config", llama]):
        told = everywatt.json("flops", *args, "--tokens", "1T", "--sequence-length", "2048")
        assert told | {"title": ""} == plain | {"title": ""}


def test_what_is_counted_is_a_choice(everywatt, llama):
    full = everywatt.json("flops", llama, "--tokens", "1T")["training"]
    causal = everywatt.json("flops", llama, "--tokens", "1T", "--causal", "--recompute", "full")["training"]
    assert causal["convention"] == "causal-counted"
    assert causal["attention_flops"] == pytest.approx(full["attention_flops"] / 2)
    assert causal["model_flops"] == pytest.approx(full["model_flops"] - full["attention_flops"] / 2)
    assert causal["hardware_flops"] == pytest.approx(causal["model_flops"] * 4 / 3)


def test_steps_of_a_batch_are_tokens(everywatt, llama):
    assert everywatt.json("flops", llama, "--steps", "1000", "--batch", "512")["training"]["tokens"] == 1000 * 512 * 4096
    assert everywatt.json("flops", llama)["training"] is None


def test_adapters_take_less_than_all_weights(everywatt, llama):
    full = everywatt.json("flops", llama)
    lora = everywatt.json("flops", llama, "--lora-rank", "16", "--lora-targets", "q,v")
    assert lora["model"]["parameters"]["adapters"] == 2 * 32 * 16 * 8192
    assert 0.6 < lora["training_flops_per_token"] / full["training_flops_per_token"] < 0.8
    done = everywatt("flops", llama, "--lora-rank", "16", "--lora-targets", "query")
    assert done.returncode == 2 and "'query'" in done.stderr and "gate" in done.stderr


def test_experts_that_are_not_used_take_no_work(everywatt, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(MIXTRAL))
    told = everywatt.json("flops", tmp_path)
    counts = told["model"]["parameters"]
    assert counts["total"] == 46_702_792_704 and counts["active"] == 12_879_925_248
    assert told["forward_flops_per_token"] - told["forward_attention_flops_per_token"] == 2 * counts["active_matmul"]


def test_a_run_is_rated_by_the_peak_of_its_devices(everywatt, llama):
    told = everywatt.json("flops", llama, "--tokens", "1e9", *H100, "--seconds", "10000", "--devices", "8", "--joules", "4e7")
    assert told["device"]["name"] == "H100 SXM5" and told["device"]["peak_flops_per_second"] == 989e12
    assert told["device"]["confidence"] == "high" and told["device"]["source"]
    use = told["utilisation"]
    assert use["basis"] == "vs spec"
    assert use["mfu"] == pytest.approx(told["training"]["model_flops"] / (8 * 10000 * 989e12))
    assert use["flops_per_joule"] == pytest.approx(told["training"]["model_flops"] / 4e7)
    assert everywatt.json("flops", llama, "--tokens", "1e9", *H100, "--seconds", "10")["utilisation"]["mfu"] > 1


@pytest.mark.parametrize("device, precision, word", [("NVIDIA H800", "bf16", "H800"), ("Tesla V100-SXM2-16GB", "bf16", "no units"),
                                                     ("Tesla V100-SXM2-16GB", "int8", "not known")])
def test_an_unknown_peak_gives_a_reason_and_no_number(everywatt, llama, device, precision, word):
    args = ["flops", llama, "--tokens", "1e9", "--device", device, "--precision", precision, "--seconds", "10"]
    use = everywatt.json(*args)["utilisation"]
    assert use["mfu"] is None and use["hfu"] is None and word in use["reason"]
    assert "MFU" in everywatt(*args).stdout and "no figure" in everywatt(*args).stdout


# The examples of the European Commission's guidelines of 18 July 2025, annex; they round.
@pytest.mark.parametrize("parameters, tokens, flops", [("3.8e9", "3.3T", 7.5e22), ("0.6e9", "36T", 1.3e23), ("1.54e9", "18T", 1.66e23),
                                                       ("1.7e9", "36T", 3.7e23), ("2.5e9", "12T", 1.8e23), ("2.6e9", "10T", 1.56e23)])
def test_the_commissions_examples_by_architecture(everywatt, parameters, tokens, flops):
    training = everywatt.json("flops", "--parameters", parameters, "--tokens", tokens)["training"]
    assert training["model_flops"] == pytest.approx(flops, rel=0.01) and training["convention"] == "6ND"


@pytest.mark.parametrize("hours, peak, flops", [("200000", ["--peak-tflops", "300"], 1.08e23), ("370000", H100, 6.59e23)])
def test_the_commissions_examples_by_hardware(everywatt, hours, peak, flops):
    told = everywatt.json("flops", "--gpu-hours", hours, *peak, "--utilisation", "0.5")
    assert told["hardware_based"]["flops"] == pytest.approx(flops, rel=0.001)


def test_the_answer_fits_on_a_terminal(everywatt, llama):
    done = everywatt("flops", llama, "--tokens", "2T", "--recompute", "full", *H100, "--seconds", "1e6", "--devices", "1024")
    assert done.returncode == 0 and done.stderr == ""
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    for word in ("6,738,415,616", "attention", "TFLOP/s in bf16", "vs spec", "recomputation"):
        assert word in done.stdout, word


@pytest.mark.parametrize("text, word", [("", "JSON"), ("{", "JSON"), ("[]", "JSON"), ("{}", "missing"), ('{"model_type": "t5"}', "t5"),
                                        (json.dumps(LLAMA | {"hidden_size": -4}), "hidden_size"),
                                        (json.dumps(LLAMA | {"text_config": {}}), "text_config")])
def test_a_malformed_config_is_told_by_file_and_field(everywatt, tmp_path, text, word):
    (tmp_path / "config.json").write_text(text)
    done = everywatt("flops", tmp_path)
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and str(tmp_path / "config.json") in done.stderr and word in done.stderr, done.stderr


def test_a_config_that_is_not_there_is_named(everywatt, tmp_path):
    done = everywatt("flops", tmp_path / "none.json")
    assert done.returncode == 1 and "none.json" in done.stderr and len(done.stderr.splitlines()) == 1
