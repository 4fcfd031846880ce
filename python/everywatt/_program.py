"""Finds the everywatt program and calls it; what it is asked for is answered as text, or None with one line in the log."""
import os
import pathlib
import shutil
import signal
import subprocess
import sysconfig
from typing import List, NamedTuple, Optional

from ._library import log

_REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
# Two shells, the first of which ends at once: what they start is then no child of the job that it measures, and so not on its
# bill. It says its number first, and does not end because nobody reads what it says.
_OUTER = '/bin/sh -c "$0" sh "$@" &'
_INNER = 'trap "" PIPE; echo $$; exec "$@"'


def program() -> Optional[str]:
    """What EVERYWATT_BIN says, else a build of this repository, else what was installed with this package, else the one on PATH."""
    said = os.environ.get("EVERYWATT_BIN")
    if said:
        return said
    near = (_REPOSITORY / "build" / "release" / "bin", pathlib.Path(sysconfig.get_path("scripts")))
    return next((str(folder / "everywatt") for folder in near if (folder / "everywatt").exists()), None) or shutil.which("everywatt")


class Meter(NamedTuple):
    """An `everywatt attach` that runs beside the job."""

    pid: int
    run: str  # the id of its run
    socket: str  # where it hears marks

    def is_running(self) -> bool:
        """Its number may be another's by now: its command line says whether it is."""
        try:
            with open(f"/proc/{self.pid}/cmdline", "rb") as file:
                return os.fsencode(self.socket) in file.read().split(b"\0")
        except OSError:
            return False

    def stop(self) -> None:
        """Asks it to take the last reading and to write the bill; does not wait."""
        if self.is_running():
            os.kill(self.pid, signal.SIGTERM)


def start_meter(pid: int, socket: str, flags: List[str]) -> Optional[Meter]:
    """Starts `everywatt attach pid`, detached, and waits until it measures (tens of milliseconds)."""
    found = program()
    if not found:
        log.warning("everywatt: no program everywatt on PATH; nothing is measured. Install it, or set EVERYWATT_BIN to its path.")
        return None
    command = [found, "attach", "--quiet", "--print-id", "--socket", socket, *flags, str(pid)]
    started = subprocess.Popen(["/bin/sh", "-c", _OUTER, _INNER, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    assert started.stdout
    with started.stdout as answers:
        own_pid, run = answers.readline().split(), answers.readline().decode(errors="replace").strip()
    started.wait()
    if not own_pid or not run or " " in run:  # an error is a sentence
        log.warning("everywatt: nothing is measured: %s", run or f"{found} ended at once")
        return None
    return Meter(int(own_pid[0]), run, socket)


def ask(*arguments: str) -> Optional[str]:
    """What the program prints; None if it fails, which is logged."""
    found = program()
    if not found:
        return None
    try:
        done = subprocess.run([found, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        log.warning("everywatt: %s", error)
        return None
    if done.returncode == 0:
        return done.stdout.decode()
    log.warning("everywatt: %s", done.stderr.decode(errors="replace").strip())
    return None
