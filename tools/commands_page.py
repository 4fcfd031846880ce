#!/usr/bin/env python3
"""Writes docs/guide/commands.md, the reference of every command, from what the program says of itself.

usage: commands_page.py EVERYWATT     (prints the page)
"""
import re
import subprocess
import sys

HEAD = """# Every command

What `everywatt COMMAND --help` says, made from the program by `make docs`. Exit status: 0 all is well; 1 the work failed
(not found, unreadable, malformed); 2 misuse, before anything started; 3 inconclusive; 70 a bug of ours. `run` ends with the
status of its command.

Names: a RUN is an id, a unique prefix of one, a name, or `last`. Environment: `EVERYWATT_DB` (the ledger), `EVERYWATT_CONFIG`
(the one settings file), `EVERYWATT_STORE_FORM` (`one-file`, `file-per-run`), `EVERYWATT_SYSFS` and `EVERYWATT_PROCFS` (a recorded
machine in place of this one).
"""
PARTS = {"baseline": ("set", "show", "check"), "export": ("mlflow",), "import": ("mllog", "power-csv"), "calibrate": ("floors", "periods", "gain", "list", "forget")}


def said(everywatt, *words):
    return subprocess.run([everywatt, *words], check=True, capture_output=True, text=True).stdout.rstrip()


def page(everywatt):
    sections = [HEAD]
    for command in re.findall(r"^  ([a-z]+) ", said(everywatt, "--help"), re.MULTILINE):
        sections.append(f"## {command}\n\n```\n{said(everywatt, command, '--help')}\n```\n")
        for part in PARTS.get(command, ()):
            sections.append(f"### {command} {part}\n\n```\n{said(everywatt, command, part, '--help')}\n```\n")
    return "\n".join(sections)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(page(sys.argv[1]), end="")
