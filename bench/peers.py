"""The programs that everywatt is held against, and how each is called."""
import subprocess
import sys

from harness import ROOT, Missing, installed

# Pinned: a figure is comparable with the last one only against the same peer.
CODECARBON = "codecarbon==3.3.2"
ZEUS = "zeus==0.16.0"
# Apart: a package that one brings may change what the other does.
FOLDERS = {CODECARBON: ROOT / "build" / "venv-bench", ZEUS: ROOT / "build" / "venv-zeus"}
PROGRAMS = ROOT / "bench"


def perf_stat(command):
    return [installed("perf", "linux-perf"), "stat", *command]


def programs_of(package):
    """The bin folder of a virtual environment with the package, which is made where it is not yet."""
    folder = FOLDERS[package]
    stamp = folder / package
    if not stamp.exists():
        print(f"   installing {package} into {folder.relative_to(ROOT)}", flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([folder / "bin/pip", "install", "-q", "--disable-pip-version-check", package], check=True)
        except subprocess.CalledProcessError as error:
            raise Missing(f"{package} could not be installed: {error}") from error
        stamp.touch()
    return folder / "bin"


def codecarbon(command):
    """CodeCarbon's command-line monitor, offline, so that no network is in the figure."""
    tool = programs_of(CODECARBON) / "codecarbon"
    return [str(tool), "monitor", "--offline", "--country-iso-code", "FRA", "--no-api", "--", *command]


def codecarbon_tracker(seconds, period=None):
    """bench/peer_codecarbon.py: its tracker over so many seconds; without a period at its default of 15 s."""
    command = [str(programs_of(CODECARBON) / "python"), str(PROGRAMS / "peer_codecarbon.py"), str(seconds)]
    return command + ([str(period)] if period else [])


def zeus(what, seconds):
    """bench/peer_zeus.py: a "window" of ZeusMonitor, or its PowerMonitor at 10 Hz ("power")."""
    return [str(programs_of(ZEUS) / "python"), str(PROGRAMS / "peer_zeus.py"), what, str(seconds)]


def marking_pairs(tool, rounds):
    """bench/marks_pair.py: begin and end of a phase, window or task, so many times, by the interpreter that has the tool."""
    return [python_of(tool), str(PROGRAMS / "marks_pair.py"), tool, str(rounds)]


def watched_loop(tool, blocks, steps):
    """bench/watch_loop.py: a training loop of which each step is marked, by the interpreter that has the tool."""
    return [python_of(tool), str(PROGRAMS / "watch_loop.py"), tool, str(blocks), str(steps)]


def python_of(tool):
    package = {"zeus": ZEUS, "codecarbon": CODECARBON}.get(tool)
    return str(programs_of(package) / "python") if package else "/usr/bin/python3"


def codecarbon_version():
    return version(CODECARBON)


def version(package):
    return package.replace("==", " ")


def path_with_nvidia_smi(folder):
    """A PATH for the peers: CodeCarbon looks for GPUs only where `nvidia-smi --help` works, as it does beside every driver."""
    tool = folder / "bin" / "nvidia-smi"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    return f"{tool.parent}:/usr/bin:/bin"
