"""Fails when a room of src/ includes one that it may not use (ARCHITECTURE.md, "The rooms")."""
import pathlib
import re
import sys

MAY_USE = {
    "base": set(),
    "model": {"base"},
    "sources": {"base", "model"},
    "job": {"base", "model"},
    "store": {"base", "model"},
    "import": {"base", "model"},
    "account": {"base", "model"},
    "meter": {"base", "model", "sources"},
    "report": {"base", "model", "account"},
    "export": {"base", "model", "account"},
}
MAY_USE["cli"] = set(MAY_USE)


def violations(root: pathlib.Path) -> list[str]:
    found = []
    for file in sorted(root.rglob("*.[hc]*")):
        room = file.relative_to(root).parts[0]
        for used in re.findall(r'^#include "(\w+)/', file.read_text(), re.M):
            if used == "tests" and file.stem.endswith("_test"):
                continue
            if used != room and used not in MAY_USE[room]:
                found.append(f"{file}: {room}/ must not use {used}/")
    return found


if __name__ == "__main__":
    bad = violations(pathlib.Path(__file__).parent.parent / "src")
    print("\n".join(bad))
    sys.exit(bool(bad))
