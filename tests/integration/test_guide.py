"""Documents that are made from the program say what it says, and what a guide tells to type works."""
import re
import subprocess

import pytest
from conftest import BINARY, PYTHON, REPOSITORY


def test_the_reference_of_commands_is_what_the_program_says():
    page = subprocess.run([PYTHON, REPOSITORY / "tools/commands_page.py", BINARY], check=True, capture_output=True, text=True)
    kept = (REPOSITORY / "docs/guide/commands.md").read_text()
    assert page.stdout == kept, "make docs writes it anew"


@pytest.mark.parametrize("page", ["baselines", "budgets", "torchrun"])
def test_what_the_guide_tells_to_type_works(everywatt, tmp_path, page):
    text = (REPOSITORY / f"docs/guide/{page}.md").read_text()
    env = everywatt.environment(env={
        "PATH": f"{BINARY.parent}:/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY / "python"),
        "EVERYWATT_LIBRARY": str(REPOSITORY / "build/release/lib/libeverywatt.so")})
    # Debian's PyTorch 1.13 cannot start ranks on Python 3.11 but with streams that go to files.
    env |= {"PET_REDIRECTS": "0:1,1:1", "PET_TEE": "0:2,1:2", "PET_LOG_DIR": str(tmp_path / "logs")}
    ran = 0
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if language == "python":
            (tmp_path / re.match(r"# (\S+)\n", block)[1]).write_text(block)
        elif language == "sh":
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, block + done.stdout + done.stderr
            ran += 1
    assert ran >= 1
