"""A current PyTorch as PyPI has it, once, into build/venv-torch. Its wheel is made for NVIDIA's GPUs and cannot be imported without their
libraries, some gigabytes of packages of their own; it computes on the processors here."""
from venvs import programs

PACKAGES = ["torch==2.15.0", "numpy==2.4.6"]


def interpreter():
    """The environment's Python."""
    return programs("torch", ["--no-cache-dir", "--no-compile", *PACKAGES]) / "python"
