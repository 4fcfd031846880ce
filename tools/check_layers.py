"""Fails when a room of src/ includes one that it may not use (ARCHITECTURE.md, "The rooms")."""
import pathlib
import re
import sys

MAY_USE = {
    "base": set(),
    "model": {"base"},
    "sources": {"base", "model"},
    "job": {"base", "model"},
    "marks": {"base", "model"},
    "store": {"base", "model"},
    "import": {"base", "model"},
    "account": {"base", "model"},
    "analysis": {"base", "model", "account"},
    "meter": {"base", "model", "sources"},
    "report": {"base", "model", "account", "analysis"},
    "export": {"base", "model", "account"},
}
MAY_USE["cli"] = set(MAY_USE)


INCLUDE = re.compile(r'^#include "((\w+)/[^"]+)"', re.M)


def violations(root: pathlib.Path) -> list[str]:
    files = {file: INCLUDE.findall(file.read_text()) for file in sorted(root.rglob("*.[hc]*"))}
    # A header that uses tests/ is itself for tests.
    for_tests = {str(file.relative_to(root)) for file, uses in files.items()
                 if file.stem.endswith("_test") or file.suffix == ".h" and any(room == "tests" for _, room in uses)}
    found = []
    for file, uses in files.items():
        name = str(file.relative_to(root))
        room = file.relative_to(root).parts[0]
        for header, used in uses:
            if name not in for_tests and (used == "tests" or header in for_tests):
                found.append(f"{file}: {header} is for tests")
            elif used != room and used != "tests" and used not in MAY_USE[room]:
                found.append(f"{file}: {room}/ must not use {used}/")
    return found


if __name__ == "__main__":
    bad = violations(pathlib.Path(__file__).parent.parent / "src")
    print("\n".join(bad))
    sys.exit(bool(bad))
