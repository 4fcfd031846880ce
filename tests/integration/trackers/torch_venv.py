"""A current PyTorch as PyPI has it, once, into build/venv-torch. Its wheel is made for NVIDIA's GPUs and cannot be imported without their
libraries, some gigabytes of packages of their own; it computes on the processors here."""
import fcntl
import subprocess

from conftest import REPOSITORY

PACKAGES = ["torch==2.15.0", "numpy==2.4.6"]
VENV = REPOSITORY / "build/venv-torch"


def interpreter():
    """The environment's Python; complete when its last file names these versions."""
    done = VENV / "complete.txt"
    VENV.parent.mkdir(exist_ok=True)
    with open(VENV.parent / "venv-torch.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text(encoding="ascii").split() != PACKAGES:
            subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", VENV], check=True)
            subprocess.run([VENV / "bin/pip", "install", "--quiet", "--no-cache-dir", "--no-compile", *PACKAGES], check=True)
            done.write_text("\n".join(PACKAGES), encoding="ascii")
    return VENV / "bin/python"
