"""Writes docs/guide/commands.md from the program's own --help, or checks that it agrees.

usage: command_reference.py [--check] EVERYWATT
"""
import pathlib
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/guide/commands.md"
SUBCOMMANDS = {"import": ["mllog", "power-csv"], "calibrate": ["floors", "periods", "gain", "list", "forget"]}


def help_of(program: str, *words: str) -> str:
    return subprocess.run([program, *words, "--help"], check=True, capture_output=True, text=True).stdout.strip()


def commands(program: str) -> list[list[str]]:
    listed = [line.split()[0] for line in help_of(program).splitlines()[4:] if line.startswith("  ")]
    return [[name, *more] for name in listed for more in [[], *([s] for s in SUBCOMMANDS.get(name, []))]]


def page(program: str) -> str:
    parts = ["# Commands\n\nMade from the program's own `--help` by `tools/command_reference.py`.\n",
             f"```\n{help_of(program)}\n```\n"]
    for words in commands(program):
        parts.append(f"## everywatt {' '.join(words)}\n\n```\n{help_of(program, *words)}\n```\n")
    return "\n".join(parts)


def main():
    check, program = "--check" in sys.argv, sys.argv[-1]
    text = page(program)
    if not check:
        PAGE.write_text(text)
    elif PAGE.read_text() != text:
        sys.exit(f"{PAGE.name} differs from the program's --help: python3 tools/command_reference.py {program}")


if __name__ == "__main__":
    main()
