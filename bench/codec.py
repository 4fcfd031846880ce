"""The series codec beside the entropy of what it packs, and beside victoria-metrics: codec_vs_victoria.py takes the figure."""
import subprocess
import sys

from harness import ROOT, Missing

SCRIPT = ROOT / "bench" / "codec_vs_victoria.py"


def measure(quick):
    if not SCRIPT.exists():
        raise Missing("bench/codec_vs_victoria.py does not exist")
    subprocess.run([sys.executable, str(SCRIPT), *(["--quick"] if quick else [])], check=True, cwd=ROOT)
