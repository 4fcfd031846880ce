"""A job at a terminal under everywatt: keys, job control and modes are as without it."""
import os
import pty
import re
import select
import signal
import termios
import time

from conftest import PYTHON

COUNTS_INTERRUPTS = """
import signal, sys, time
counted = []
signal.signal(signal.SIGINT, lambda *_: counted.append(1))
print("ready", flush=True)
end = time.monotonic() + 1.2
while time.monotonic() < end: time.sleep(0.05)
print("interrupts:", len(counted), flush=True)
sys.exit(5)
"""

PULSE = """
import sys, time
for n in range(60):
    print("pulse", n, flush=True)
    time.sleep(0.1)
    if n == 14: sys.exit(9)
"""


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, argv, env):
        self.text = ""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)

    def read_until(self, pattern, seconds=15):
        """Waits for a regular expression in what came since the last call; returns the match."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            left = end - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.text!r}"
            if select.select([self.master], [], [], left)[0]:
                try:
                    chunk = os.read(self.master, 65536)
                except OSError:  # all that had the terminal open are gone
                    chunk = b""
                assert chunk or re.search(pattern, self.text), f"ended without {pattern!r}: {self.text!r}"
                self.text += chunk.decode(errors="replace")
        self.text = self.text[found.end():]
        return found

    def drain(self):
        text = self.text
        while select.select([self.master], [], [], 5)[0]:
            try:
                chunk = os.read(self.master, 65536)
            except OSError:
                break
            if not chunk:
                break
            text += chunk.decode(errors="replace")
        self.text = ""
        return text

    def type(self, keys):
        os.write(self.master, keys)

    def status(self):
        """The exit status; what the program still writes is read and dropped."""
        self.drain()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def shell_at_terminal(everywatt):
    env = everywatt.environment(env={"PS1": "READY> ", "TERM": "dumb", "HISTFILE": "/dev/null"})
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], env)
    terminal.read_until("READY> ")
    return terminal


def test_ctrl_c_reaches_the_job_once_and_the_run_goes_on_to_its_end(everywatt):
    terminal = Terminal([everywatt.binary, "run", "--", PYTHON, "-S", "-c", COUNTS_INTERRUPTS], everywatt.environment())
    terminal.read_until("ready")
    time.sleep(0.2)
    terminal.type(b"\x03")
    assert terminal.read_until(r"interrupts: (\d+)")[1] == "1"
    assert terminal.status() == 5
    assert everywatt.show()["exit_status"] == 5


# A shell catches SIGINT, and loses one that comes in the moment in which it becomes another program.
DIES_OF_INTERRUPTS = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
print("ready", flush=True)
time.sleep(20)
"""


def test_ctrl_c_ends_a_job_that_does_not_catch_it(everywatt):
    terminal = Terminal([everywatt.binary, "run", "--", PYTHON, "-S", "-c", DIES_OF_INTERRUPTS], everywatt.environment())
    terminal.read_until("ready")
    terminal.type(b"\x03")
    assert terminal.status() == 128 + 2
    assert everywatt.show()["status"] == "killed"


def test_ctrl_backslash_reaches_the_job_once(everywatt):
    job = COUNTS_INTERRUPTS.replace("SIGINT", "SIGQUIT")
    terminal = Terminal([everywatt.binary, "run", "--", PYTHON, "-S", "-c", job], everywatt.environment())
    terminal.read_until("ready")
    time.sleep(0.2)
    terminal.type(b"\x1c")
    assert terminal.read_until(r"interrupts: (\d+)")[1] == "1"
    assert terminal.status() == 5


def test_ctrl_c_does_nothing_where_the_parent_ignores_it(everywatt):
    """A shell's `trap '' INT` holds for the job too, and for everywatt itself."""
    line = f"trap '' INT; exec {everywatt.binary} run --quiet -- sh -c 'echo ready; sleep 0.8; exit 6'"
    terminal = Terminal(["sh", "-c", line], everywatt.environment())
    terminal.read_until("ready")
    terminal.type(b"\x03")
    assert terminal.status() == 6


def test_ctrl_z_stops_the_whole_job_and_fg_continues_it(everywatt):
    shell = shell_at_terminal(everywatt)
    shell.type(f"{everywatt.binary} run --quiet -- {PYTHON} -S -c '{PULSE}'; echo status=$?\n".encode())
    shell.read_until("pulse 2\r")
    shell.type(b"\x1a")
    shell.read_until("Stopped", 5)
    shell.read_until("READY> ", 5)
    time.sleep(0.6)
    assert "pulse" not in shell.text
    shell.type(b"fg\n")
    shell.read_until("pulse 14\r", 10)
    shell.read_until("READY> ", 10)
    shell.type(b"echo last=$?; exit\n")
    assert shell.read_until(r"last=(\d+)")[1] == "9"
    shell.status()
    assert everywatt.show()["exit_status"] == 9


def test_ctrl_z_then_background_lets_the_job_finish(everywatt, tmp_path):
    shell = shell_at_terminal(everywatt)
    shell.type(f"{everywatt.binary} run --quiet -- sh -c 'echo go; sleep 1; echo over > {tmp_path}/over'\n".encode())
    shell.read_until("go\r")
    time.sleep(0.2)  # a shell that is just making its child cannot be stopped
    shell.type(b"\x1a")
    shell.read_until("Stopped", 5)
    shell.type(b"bg; wait %1; echo waited=$?; exit\n")
    assert shell.read_until(r"waited=(\d+)")[1] == "0"
    shell.status()
    assert (tmp_path / "over").exists()


def test_a_job_can_read_from_the_terminal_and_sees_one(everywatt):
    script = "import os,sys; print([os.isatty(n) for n in (0,1,2)], os.tcgetpgrp(0)==os.getpgrp(), input('name? '))"
    terminal = Terminal([everywatt.binary, "run", "--quiet", "--", PYTHON, "-S", "-c", script], everywatt.environment())
    terminal.read_until(r"name\? ")
    terminal.type(b"watt\n")
    terminal.read_until(r"\[True, True, True\] True watt")
    assert terminal.status() == 0


def test_terminal_modes_are_the_callers_during_and_after_the_run(everywatt):
    terminal = shell_at_terminal(everywatt)
    terminal.type(b"stty -echo rows 33 cols 77; stty -a > /dev/null; echo A; stty -a; echo B\n")
    terminal.read_until("A\r\n")
    before = terminal.read_until(r"(?s)(speed.*?)B\r\n")[1]
    terminal.type(f"echo A; {everywatt.binary} run -- stty -a; echo B\n".encode())
    terminal.read_until("A\r\n")
    during = terminal.read_until(r"(?s)(speed.*?;\s[^;]*?)\r\n\r\n")[1]
    terminal.read_until("B\r\n")
    terminal.type(b"echo A; stty -a; echo B\n")
    terminal.read_until("A\r\n")
    after = terminal.read_until(r"(?s)(speed.*?)B\r\n")[1]
    terminal.type(b"exit\n")
    terminal.status()
    assert during.split() == before.split() == after.split()


def test_modes_the_job_sets_are_left_as_the_job_left_them(everywatt):
    terminal = shell_at_terminal(everywatt)
    assert not termios.tcgetattr(terminal.master)[3] & termios.TOSTOP
    terminal.type(f"{everywatt.binary} run --quiet -- stty tostop; exec sleep 2\n".encode())
    time.sleep(0.8)
    assert termios.tcgetattr(terminal.master)[3] & termios.TOSTOP
    os.kill(terminal.pid, signal.SIGKILL)
    terminal.status()


def test_the_bill_at_a_terminal_fits_eighty_columns(everywatt):
    terminal = Terminal([everywatt.binary, "run", "--", "sleep", "1.2"], everywatt.environment(env={"TERM": "xterm-256color"}))
    text = terminal.drain()
    assert os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1]) == 0
    plain = re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(\x07|\x1b\\))", "", text)
    long = [line for line in plain.replace("\r", "").split("\n") if len(line) > 80 and "kept in" not in line]
    assert long == []
    assert "energy" in plain


