"""The programs that everywatt is held against, and how each is called."""
import subprocess
import sys

from harness import ROOT, Missing, installed

# Pinned: a figure is comparable with the last one only against the same peer.
CODECARBON = "codecarbon==3.3.2"
VENV = ROOT / "build" / "venv-bench"


def perf_stat(command):
    return [installed("perf", "linux-perf"), "stat", *command]


def codecarbon(command):
    """CodeCarbon's command-line monitor, offline, so that no network is in the figure."""
    tool = VENV / "bin" / "codecarbon"
    stamp = VENV / CODECARBON
    if not (tool.exists() and stamp.exists()):
        print(f"   installing {CODECARBON} into build/venv-bench", flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
            subprocess.run([VENV / "bin/pip", "install", "-q", "--disable-pip-version-check", CODECARBON], check=True)
        except subprocess.CalledProcessError as error:
            raise Missing(f"{CODECARBON} could not be installed: {error}") from error
        stamp.touch()
    return [str(tool), "monitor", "--offline", "--country-iso-code", "FRA", "--no-api", "--", *command]


def codecarbon_version():
    return CODECARBON.replace("==", " ")
