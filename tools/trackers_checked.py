"""Whether the tests against real trackers and frameworks (tests/integration/trackers) have passed on what is here.

    trackers_checked.py            exits with 0 where they have, with 1 where something that they test has changed since
    trackers_checked.py --write    they have: keeps the sum of their inputs in tests/integration/trackers/checked.txt

The sum is of the files' names and contents, so that it says the same in any clone, whatever the history."""
import hashlib
import pathlib
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
CHECKED = "tests/integration/trackers/checked.txt"
# What they run: the package, the library and its reader, what is told to trackers and how, and the guides whose examples they run.
INPUTS = ["python", "include", "src/marks", "src/net", "src/tracker", "src/export", "src/account", "src/report/*_json.cc", "src/cli/mlflow*", "src/cli/net*",
          "tests/integration/trackers", "tests/integration/conftest.py", "tests/integration/guide_blocks.py", "tests/integration/venvs.py",
          "docs/guide/trainers.md", "docs/guide/wandb.md", "docs/guide/mlflow.md", "docs/guide/pytorch.md"]


def sum_of_inputs() -> str:
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *INPUTS], cwd=REPOSITORY,
                            check=True, capture_output=True, text=True).stdout
    total = hashlib.sha256()
    for name in sorted(set(listed.split("\0")) - {"", CHECKED}):
        file = REPOSITORY / name
        if file.exists():  # else it was removed and the index does not know yet
            total.update(f"{name}\n{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def main() -> int:
    checked = REPOSITORY / CHECKED
    if sys.argv[1:] == ["--write"]:
        checked.write_text(sum_of_inputs() + "\n", encoding="ascii")
        return 0
    return 0 if checked.exists() and checked.read_text(encoding="ascii").strip() == sum_of_inputs() else 1


if __name__ == "__main__":
    sys.exit(main())
