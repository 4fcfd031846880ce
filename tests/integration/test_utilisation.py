"""MFU, HFU and operations for a joule on bills of machines of the virtual lab: what a job counted against the peak of what it had."""
import pytest
from conftest import PYTHON, assert_books_balance
from lab_runs import run_on_lab
from test_phases import MARKS

GPU = """
[[gpu]]
name = "NAME"
watts = 400
idle_watts = 70
utilisation = 0.8
[[gpu.process]]
pid = "job-child"
"""
H100 = "NVIDIA H100 80GB HBM3"
# Two epochs of a second each, in which it does half of what an H100 can do and a tenth of that again.
JOB = """
import everywatt, time
peak = 989e12
for _ in range(2):
    with everywatt.phase("epoch"):
        begin = time.monotonic()
        time.sleep(1)
        took = time.monotonic() - begin
        everywatt.count("flops", FLOPS, PRECISION)
        everywatt.count("recomputed_flops", FLOPS / 10, PRECISION)
    with everywatt.phase("eval"): time.sleep(0.5)
"""


def measured(folder, gpus, flops="0.5 * peak * took", precision="bf16", env=None):
    job = JOB.replace("FLOPS", flops).replace("PRECISION", repr(precision))
    run = run_on_lab(folder, "".join(GPU.replace("NAME", name) for name in gpus), PYTHON, "-c", job, env=MARKS | (env or {}))
    assert run.status == 0, run.err
    assert_books_balance(run.bill)
    return run, run.bill["compute"], {phase["path"]: phase for phase in run.bill["phases"]}


def test_a_run_has_mfu_and_hfu_of_the_gpu_that_it_had_in_each_phase_and_as_a_whole(tmp_path):
    run, compute, phases = measured(tmp_path / "one", [H100], env={"CUDA_VISIBLE_DEVICES": "0"})
    assert phases["epoch"]["compute"]["mfu"] == pytest.approx(0.5, rel=0.03)
    assert phases["epoch"]["compute"]["hfu"] == pytest.approx(0.55, rel=0.03)
    assert phases["eval"]["compute"] is None
    reserved, = [device["reserved"] for device in compute["device_seconds"] if device["id"].startswith("gpu:")]
    assert compute["mfu"] == pytest.approx(compute["model_flops"] / (reserved * 989e12))
    assert compute["mfu"] == pytest.approx(0.5 * 2 / run.bill["duration_seconds"], rel=0.03)
    assert compute["hardware_flops"] == pytest.approx(1.1 * compute["model_flops"])
    assert compute["flops_per_joule"] == pytest.approx(compute["model_flops"] / run.bill["energy"]["total_joules"])
    peak, = compute["peaks"]
    assert (peak["accelerator"], peak["precision"], peak["peak_flops_per_second"]) == ("H100 SXM5", "bf16", 989e12)
    assert peak["share"] == pytest.approx(1, abs=0.02) and peak["source"] and peak["confidence"] == "high"
    assert compute["reasons"] == {}
    said = " ".join(run.err.split())
    assert f"MFU {100 * compute['mfu']:.0f} % of what H100 SXM5 can do at most" in said and "GFLOP/J" in said
    assert all(len(line) <= 80 for line in run.err.splitlines() if "/ledger/" not in line)  # a path is not broken


def test_a_gpu_that_is_reserved_and_not_used_counts(tmp_path):
    idle = GPU.replace("NAME", H100).split("[[gpu.process]]")[0]
    job = JOB.replace("FLOPS", "0.5 * peak * took").replace("PRECISION", "'bf16'")
    shown = {}
    for visible in ("0", "0,1"):
        run = run_on_lab(tmp_path / visible.replace(",", ""), GPU.replace("NAME", H100) + idle, PYTHON, "-c", job,
                         env=MARKS | {"CUDA_VISIBLE_DEVICES": visible})
        assert run.status == 0, run.err
        shown[visible] = {phase["path"]: phase for phase in run.bill["phases"]}["epoch"]["compute"]["mfu"]
    assert shown["0,1"] == pytest.approx(shown["0"] / 2, rel=0.05)


def test_more_than_the_peak_is_shown(tmp_path):
    run, compute, phases = measured(tmp_path / "more", [H100], flops="4 * peak * took", env={"CUDA_VISIBLE_DEVICES": "0"})
    assert phases["epoch"]["compute"]["mfu"] == pytest.approx(4, rel=0.03) and compute["mfu"] > 1


@pytest.mark.parametrize("name, precision, word", [("NVIDIA H800", "bf16", "'NVIDIA H800'"), ("Tesla V100-SXM2-16GB", "bf16", "no units"),
                                                   (H100, "fp4", "no units")])
def test_what_has_no_peak_has_no_mfu_and_says_why(tmp_path, name, precision, word):
    run, compute, phases = measured(tmp_path / "unknown", [name], precision=precision, env={"CUDA_VISIBLE_DEVICES": "0"})
    for figures in (compute, phases["epoch"]["compute"]):
        assert figures["mfu"] is None and figures["hfu"] is None and word in figures["reasons"]["mfu"]
        assert figures["flops_per_joule"] > 0 and figures["model_flops"] > 0
    assert compute["peaks"][0]["peak_flops_per_second"] is None and word in compute["peaks"][0]["reason"]
    assert "no MFU: " in " ".join(run.err.split())


def test_a_slice_of_a_gpu_has_no_peak(tmp_path):
    cut = GPU.replace("NAME", "NVIDIA A100-SXM4-80GB").replace("[[gpu.process]]", '''mig = true
[[gpu.instance]]
profile = "3g.40gb"
gpu_instance = 2
compute_slices = 3
memory_slices = 4
utilisation = 0.5
[[gpu.process]]
instance = 2''')
    run = run_on_lab(tmp_path / "cut", cut, PYTHON, "-c", JOB.replace("FLOPS", "peak").replace("PRECISION", "'bf16'"), env=MARKS)
    assert run.status == 0, run.err
    assert run.bill["compute"]["mfu"] is None and "MIG" in run.bill["compute"]["reasons"]["mfu"]


def test_on_processors_alone_there_is_work_for_a_joule(everywatt):
    done = everywatt.run(PYTHON, "-c", "import everywatt; everywatt.count('flops', 1e12)", env=MARKS)
    compute = done.bill["compute"]
    assert compute["mfu"] is None and "no accelerator" in compute["reasons"]["mfu"]
    assert compute["flops_per_joule"] == pytest.approx(1e12 / done.bill["energy"]["total_joules"])
    assert compute["hardware_flops"] is None and "everywatt_recomputed_flops" in compute["reasons"]["hardware_flops"]


def test_who_counts_nothing_has_no_figure(everywatt):
    done = everywatt.run(PYTHON, "-c", "pass")
    compute = done.bill["compute"]
    assert compute["model_flops"] is None and compute["flops_per_joule"] is None
    assert "no floating-point operations" in compute["reasons"]["model_flops"]
    assert "compute" not in done.err
