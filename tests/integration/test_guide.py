"""Documents that are made from the program say what it says."""
import subprocess

from conftest import BINARY, PYTHON, REPOSITORY


def test_the_reference_of_commands_is_what_the_program_says():
    page = subprocess.run([PYTHON, REPOSITORY / "tools/commands_page.py", BINARY], check=True, capture_output=True, text=True)
    kept = (REPOSITORY / "docs/guide/commands.md").read_text()
    assert page.stdout == kept, "make docs writes it anew"
