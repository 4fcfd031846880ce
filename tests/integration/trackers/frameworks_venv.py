"""The frameworks as their users install them, once, into build/venv-frameworks; PyTorch is Debian's, for the CPU: PyPI's brings gigabytes.

The versions are the last that take PyTorch 1.13.
"""
import fcntl
import subprocess

from conftest import BINARY, REPOSITORY

PACKAGES = ["transformers==4.40.2", "accelerate==0.29.3", "torchmetrics==1.3.2", "lightning-utilities==0.15.3", "keras==3.3.3",
            "jax==0.4.30", "jaxlib==0.4.30", "wandb==0.31.0", "ipython==8.24.0", "numpy==1.26.4"]
ALONE = ["pytorch-lightning==2.2.5"]  # would have PyTorch anew: Debian's calls itself 1.13.0a0, which is less than 1.13
VENV = REPOSITORY / "build/venv-frameworks"
MARKS = {"PYTHONPATH": str(REPOSITORY / "python"), "EVERYWATT_BIN": str(BINARY), "KERAS_BACKEND": "jax", "HF_HUB_OFFLINE": "1",
         "EVERYWATT_LIBRARY": str(BINARY.parent.parent / "lib/libeverywatt.so"), "WANDB_MODE": "offline", "WANDB_SILENT": "true",
         "JAX_PLATFORMS": "cpu", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}


def interpreter():
    """The environment's Python; complete when its last file names these versions."""
    done = VENV / "complete.txt"
    VENV.parent.mkdir(exist_ok=True)
    with open(VENV.parent / "venv-frameworks.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text(encoding="ascii").split() != PACKAGES + ALONE:
            subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", "--system-site-packages", VENV], check=True)
            kept = VENV / "constraints.txt"
            kept.write_text(f"torch=={debians_torch()}\n", encoding="ascii")
            subprocess.run([VENV / "bin/pip", "install", "--quiet", "--constraint", kept, *PACKAGES], check=True)
            subprocess.run([VENV / "bin/pip", "install", "--quiet", "--no-deps", *ALONE], check=True)
            done.write_text("\n".join(PACKAGES + ALONE), encoding="ascii")
    return VENV / "bin/python"


def debians_torch():
    say = "import importlib.metadata; print(importlib.metadata.version('torch'))"
    return subprocess.run(["/usr/bin/python3", "-c", say], check=True, capture_output=True, text=True).stdout.strip()
