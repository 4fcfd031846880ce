"""Programs from PyPI, each set in an environment of its own under build/, installed once."""
import fcntl
import json
import subprocess

from conftest import REPOSITORY


def programs(name, *installs, sees_systems=False):
    """The bin folder of build/venv-NAME, into which pip has installed what each of `installs` asks for, one after the other.

    `sees_systems`: its programs see Debian's Python packages, too. Made anew where other versions are asked for, or where making it was cut off.
    """
    folder = REPOSITORY / "build" / f"venv-{name}"
    wanted, complete = json.dumps(installs), folder / "complete.json"
    folder.parent.mkdir(exist_ok=True)
    with open(folder.with_suffix(".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists() or complete.read_text(encoding="ascii") != wanted:
            more = ["--system-site-packages"] if sees_systems else []
            subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", *more, folder], check=True)
            for packages in installs:
                subprocess.run([folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True)
            complete.write_text(wanted, encoding="ascii")
    return folder / "bin"
