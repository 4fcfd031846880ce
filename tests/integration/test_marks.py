"""Jobs in Python, C and C++ that mark themselves, heard by a reader written from docs/formats/marks.md alone."""
import shutil
import signal
import subprocess

import pytest
from conftest import PYTHON, REPOSITORY
from marks_reader import Listener

LIBRARY = REPOSITORY / "build/release/lib/libeverywatt.so"


@pytest.fixture
def listener(tmp_path):
    return Listener(tmp_path / "marks.sock")


def environment(listener=None, **more):
    found = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY / "python"), "EVERYWATT_LIBRARY": str(LIBRARY)}
    return found | ({"EVERYWATT_SOCKET": listener.path} if listener else {}) | more


def python(text, env):
    return subprocess.run([PYTHON, "-c", text], env=env, capture_output=True, text=True, timeout=60)


def said(process):
    """What was said by whichever thread."""
    return [mark[1:] for mark in process.marks()]


def test_each_kind_of_mark_of_python_arrives_as_it_was_meant(listener):
    done = python("""
import everywatt
with everywatt.phase("train"):
    with everywatt.waiting("allreduce"): pass
    everywatt.step()
    everywatt.step(7)
everywatt.metric("loss", 0.5)
everywatt.metric("loss", float("inf"), step=3)
everywatt.tag("größe", 12.5)
everywatt.tag("note", "ä" * 600)
everywatt.count("tokens", 2**63)
everywatt.count("flops", 1e21, "bf16")
everywatt.count("recomputed_flops", 0, "fp8")
""", environment(listener))
    assert (done.returncode, done.stderr) == (0, "")
    process = listener.process()
    assert process.name == "python3"
    assert {mark[0] for mark in process.marks()} == {process.pid}
    assert said(process) == [
        ("phase", "train"), ("wait", "allreduce"), ("wait end", "allreduce"), ("step", None), ("step", 7), ("phase end", "train"),
        ("metric", "loss", 0.5, None), ("metric", "loss", float("inf"), 3), ("tag", "größe", "12.5"), ("tag", "note", "ä" * 512),
        ("count", "tokens", 2**63), ("flops", "bf16", 1e21), ("recomputed_flops", "fp8", 0)]


# What a job calls in every step: by python/calls.c where that lies beside the library, else by ctypes.
IN_EVERY_STEP = """
import everywatt
from everywatt._marks import calls, count_samples, end_step, names
from everywatt._stages import Stages
print("ctypes" if calls is None else "calls")
stages = Stages()
stages.end()
stages.begin(names["forward"])
stages.wait(names["data"])
stages.begin(names["backward"])
stages.end()
stages.end()
count_samples(32)
end_step()
everywatt.step(2**40)
with everywatt.phase("eval"):
    with everywatt.waiting("all"): pass
other = Stages()
other.begin(names["last"])
del other
for call in (stages.begin, stages.wait, count_samples):
    try: call("a word")
    except Exception: pass
    else: raise AssertionError(call)
"""


@pytest.mark.parametrize("way", ["calls", "ctypes"])
def test_what_is_called_in_every_step_says_the_same_either_way(listener, tmp_path, way):
    library = LIBRARY
    if way == "ctypes":
        library = shutil.copy(LIBRARY, tmp_path)
    done = python(IN_EVERY_STEP, environment(listener, EVERYWATT_LIBRARY=str(library)))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", way + "\n")
    assert said(listener.process()) == [
        ("phase", "forward"), ("phase end", "forward"), ("wait", "data"), ("wait end", "data"), ("phase", "backward"),
        ("phase end", "backward"), ("count", "samples", 32), ("step", None), ("step", 2**40), ("phase", "eval"), ("wait", "all"),
        ("wait end", "all"), ("phase end", "eval"), ("phase", "last")]


def test_measured_functions_are_phases_whatever_they_are(listener):
    done = python("""
import asyncio, everywatt
@everywatt.measure
def plain(a, *, b): return a + b
@everywatt.measure("named")
def other(): raise KeyError
@everywatt.measure
async def later():
    await asyncio.sleep(0)
    return 5
@everywatt.measure
def items():
    everywatt.step(1)
    yield 1
    yield 2
assert plain(1, b=2) == 3 and plain.__name__ == "plain"
try: other()
except KeyError: pass
assert asyncio.run(later()) == 5
assert list(items()) == [1, 2]
""", environment(listener))
    assert (done.returncode, done.stderr) == (0, "")
    assert said(listener.process()) == [
        ("phase", "plain"), ("phase end", "plain"), ("phase", "named"), ("phase end", "named"), ("phase", "later"),
        ("phase end", "later"), ("phase", "items"), ("step", 1), ("phase end", "items")]


def test_forked_workers_mark_on_their_own(listener):
    done = python("""
import multiprocessing, os, everywatt
def work(i):
    everywatt.step(i)
everywatt.step(100)
with everywatt.phase("pool"):
    workers = [multiprocessing.get_context("fork").Process(target=work, args=(i,)) for i in range(2)]
    for worker in workers: worker.start()
    for worker in workers: worker.join()
""", environment(listener))
    assert (done.returncode, done.stderr) == (0, "")
    parent, *children = [listener.process() for _ in range(3)]
    assert [mark[:2] for mark in said(parent)] == [("step", 100), ("phase", "pool"), ("phase end", "pool")]
    assert sorted(said(child)[0] for child in children) == [("step", 0), ("step", 1)]
    assert {child.parent for child in children} == {parent.pid}


def test_what_was_marked_before_a_kill_is_there(listener):
    job = subprocess.Popen([PYTHON, "-c", """
import everywatt, time
for i in range(1000): everywatt.metric("i", i, i)
print("marked", flush=True)
time.sleep(60)
"""], env=environment(listener), stdout=subprocess.PIPE)
    assert job.stdout.readline() == b"marked\n"
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert said(listener.process()) == [("metric", "i", float(i), i) for i in range(1000)]


def test_words_that_are_unknown_are_warned_of_once_and_counted(listener):
    done = python("""
import everywatt
for _ in range(3): everywatt.count("joules", 1)
everywatt.count("flops", 1, "fp128")
everywatt.count("tokens", float("nan"))
everywatt.count("tokens", -1)
assert everywatt.dropped() == 6
""", environment(listener))
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "everywatt: 'joules' is not counted; known are tokens, samples, bytes.",
        "everywatt: 'fp128' is not counted; known are fp64, fp32, tf32, fp16, bf16, fp8, int8, fp4."]


MARK_ALL = """
import everywatt
with everywatt.phase("p"), everywatt.waiting("w"):
    everywatt.step(); everywatt.metric("m", 1); everywatt.tag("k", "v"); everywatt.count("tokens", 1); everywatt.count("flops", 1)
print(everywatt.open(), everywatt.dropped(), everywatt.state())
"""


def test_without_a_supervisor_nothing_happens():
    done = python(MARK_ALL, environment())
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("False 0 marks go nowhere: EVERYWATT_SOCKET is not set")


def test_disabled_nothing_happens(listener):
    done = python(MARK_ALL, environment(listener, EVERYWATT_DISABLED="1", EVERYWATT_LIBRARY="/nowhere"))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "False 0 marks go nowhere: EVERYWATT_DISABLED=1\n")


def test_a_missing_library_is_one_line_and_no_more(listener):
    done = python(MARK_ALL, environment(listener, EVERYWATT_LIBRARY="/nowhere/libeverywatt.so"))
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1 and "/nowhere/libeverywatt.so" in done.stderr
    assert done.stdout.startswith("False 0 marks go nowhere: /nowhere/libeverywatt.so")


def test_the_library_of_a_build_is_found_without_being_named(listener):
    env = environment(listener)
    del env["EVERYWATT_LIBRARY"]
    done = python("import everywatt; everywatt.step(1)", env)
    assert (done.returncode, done.stderr) == (0, "")
    assert said(listener.process()) == [("step", 1)]


def test_what_make_install_brings_is_enough_for_c_and_cxx(listener, tmp_path):
    prefix = tmp_path / "prefix"
    subprocess.run(["cmake", "--install", REPOSITORY / "build/release", "--prefix", prefix], check=True, capture_output=True)
    env = environment(listener, PKG_CONFIG_PATH=str(prefix / "lib/pkgconfig"), LD_LIBRARY_PATH=str(prefix / "lib"))
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "everywatt"], env=env, check=True, capture_output=True, text=True)
    for compiler, file, standard in (("cc", "marks.c", "c99"), ("c++", "marks.cc", "c++20")):
        program = tmp_path / compiler
        subprocess.run([compiler, f"-std={standard}", REPOSITORY / "examples" / file, *flags.stdout.split(), "-o", program], env=env,
                       check=True)
        subprocess.run([program], env=env, check=True, capture_output=True, timeout=60)
        assert ("phase", "epoch" if compiler == "cc" else "pi") in said(listener.process())


def test_the_library_needs_libc_and_shows_nothing_but_its_functions():
    needed = subprocess.run(["readelf", "-d", LIBRARY], check=True, capture_output=True, text=True).stdout
    assert [line.split("[")[1].rstrip("]") for line in needed.splitlines() if "NEEDED" in line] == ["libc.so.6"]
    assert "[libeverywatt.so.0]" in needed
    shown = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], check=True, capture_output=True, text=True).stdout
    names = {line.split()[-1] for line in shown.splitlines()}
    assert "everywatt_phase_begin" in names
    assert all(name.startswith("everywatt_") for name in names), names
