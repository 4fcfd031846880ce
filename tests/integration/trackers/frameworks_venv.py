"""The frameworks as their users install them, once, into build/venv-frameworks; PyTorch is Debian's, for the CPU: PyPI's brings gigabytes.

The versions are the last that take PyTorch 1.13.
"""
import subprocess

from conftest import BINARY, REPOSITORY
from venvs import programs

PACKAGES = ["transformers==4.40.2", "accelerate==0.29.3", "torchmetrics==1.3.2", "lightning-utilities==0.15.3", "keras==3.3.3",
            "jax==0.4.30", "jaxlib==0.4.30", "wandb==0.31.0", "ipython==8.24.0", "numpy==1.26.4"]
ALONE = ["pytorch-lightning==2.2.5"]  # would have PyTorch anew: Debian's calls itself 1.13.0a0, which is less than 1.13
MARKS = {"PYTHONPATH": str(REPOSITORY / "python"), "EVERYWATT_BIN": str(BINARY), "KERAS_BACKEND": "jax", "HF_HUB_OFFLINE": "1",
         "EVERYWATT_LIBRARY": str(BINARY.parent.parent / "lib/libeverywatt.so"), "WANDB_MODE": "offline", "WANDB_SILENT": "true",
         "JAX_PLATFORMS": "cpu", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}


def interpreter():
    """The environment's Python."""
    return programs("frameworks", [f"torch=={debians_torch()}", *PACKAGES], ["--no-deps", *ALONE], sees_systems=True) / "python"


def debians_torch():
    say = "import importlib.metadata; print(importlib.metadata.version('torch'))"
    return subprocess.run(["/usr/bin/python3", "-c", say], check=True, capture_output=True, text=True).stdout.strip()
