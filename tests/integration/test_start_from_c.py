"""everywatt_start: C programs that nobody measures get a meter, one for all ranks of a launcher."""
import os
import signal
import subprocess
import time

import pytest
from conftest import BINARY, PYTHON, REPOSITORY, assert_books_balance
from test_python_run import RANKS, place, wait_for_no_meter  # noqa: F401: place is a fixture

PROGRAM = r"""
#include <everywatt.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char** argv) {
  char name[32];
  const char* rank = getenv("LOCAL_RANK") ? getenv("LOCAL_RANK") : "0";
  if (argc > 1 && !strcmp(argv[1], "early")) everywatt_step(-1);
  errno = 42;
  const everywatt_state state = everywatt_start("from C");
  if (errno != 42) return 3;
  printf("%d %s\n", (int)state, getenv("EVERYWATT_RUN_ID") ? getenv("EVERYWATT_RUN_ID") : "-");
  fflush(stdout);
  if (everywatt_start(NULL) != state) return 4;  /* within it: nothing new */
  snprintf(name, sizeof name, "rank %s", rank);
  everywatt_span phase = everywatt_phase_begin_text(name);
  while (clock() < 0.3 * CLOCKS_PER_SEC) {}
  if (argc > 1 && !strcmp(argv[1], "fork")) {  /* a child that ends before us ends no meter */
    if (fork() == 0) exit(0);
    wait(NULL);
    usleep(300000);
  }
  if (argc > 1 && !strcmp(argv[1], "hang")) pause();
  everywatt_phase_end(phase);
  return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    (folder / "rank.c").write_text(PROGRAM)
    library = BINARY.parent.parent / "lib"
    subprocess.run(["cc", "-std=gnu99", "-O1", "-Wall", "-Werror", "-I", REPOSITORY / "include", folder / "rank.c", "-L", library,
                    f"-Wl,-rpath,{library}", "-leverywatt", "-o", folder / "rank"], check=True)
    return folder / "rank"


def run(program, env, *args):
    return subprocess.run([program, *args], env=env, capture_output=True, text=True, timeout=60)


def test_a_program_alone_has_a_run_of_its_own_with_its_marks(everywatt, place, program):  # noqa: F811
    done = run(program, place)
    assert done.returncode == 0 and done.stderr == "", done
    state, run_id = done.stdout.split()
    wait_for_no_meter(place)
    bill = everywatt.show(run_id)
    assert state == "0" and bill["name"] == "from C" and bill["status"] == "finished" and bill["origin"] == "attach"
    assert {"", "rank 0"} == {phase["path"] for phase in bill["phases"]}
    assert bill["process"]["cpu_seconds"] < 0.5  # the meter's own are not in it
    assert_books_balance(bill)


# Eight processes that ask in the same moment, as ranks of a launcher do.
STARTER = RANKS.replace("[sys.executable, \"-c\", sys.argv[2], str(rank)]", "sys.argv[2:]")


def test_eight_ranks_that_ask_at_once_get_one_meter(everywatt, place, program):  # noqa: F811
    done = subprocess.run([PYTHON, "-c", STARTER, "8", str(program)], env=place, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    said = set(done.stdout.splitlines())
    assert len(done.stdout.splitlines()) == 8 and len(said) == 1 and said.pop().startswith("0 ")
    wait_for_no_meter(place)
    listed, = everywatt.json("ls")["runs"]
    bill = everywatt.show(listed["id"])
    assert {f"rank {rank}" for rank in range(8)} <= {phase["path"] for phase in bill["phases"]}
    assert bill["status"] == "finished" and bill["process"]["cpu_seconds"] > 8 * 0.3 * 0.9
    assert_books_balance(bill)
    assert not [file for _, _, files in os.walk(place["XDG_RUNTIME_DIR"]) for file in files]


def test_ranks_of_c_and_of_python_meet(everywatt, place, program):  # noqa: F811
    both = RANKS.replace("[sys.executable, \"-c\", sys.argv[2], str(rank)]",
                         "[sys.argv[3]] if rank % 2 else [sys.executable, '-c', sys.argv[2]]")
    python = "import everywatt, time\nwith everywatt.run(name='both') as bill: time.sleep(0.5)\nprint(bill.run_id)"
    done = subprocess.run([PYTHON, "-c", both, "4", python, str(program)], env=place, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert len({line.split()[-1] for line in done.stdout.splitlines()}) == 1 == len(everywatt.json("ls")["runs"])
    wait_for_no_meter(place)


def test_a_child_that_ends_ends_no_meter(everywatt, place, program):  # noqa: F811
    done = subprocess.run([PYTHON, "-c", STARTER, "2", str(program), "fork"], env=place, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    wait_for_no_meter(place)
    assert everywatt.show()["duration_seconds"] > 0.5


def test_a_program_that_is_killed_has_its_bill(everywatt, place, program):  # noqa: F811
    job = subprocess.Popen([program, "hang"], env=place, stdout=subprocess.PIPE)
    assert job.stdout.readline().startswith(b"0 ")
    time.sleep(1)
    job.send_signal(signal.SIGKILL)
    job.wait()
    wait_for_no_meter(place)
    assert {"rank 0"} < {phase["path"] for phase in everywatt.show()["phases"]}


def test_inside_a_run_it_is_that_run(everywatt, place, program):  # noqa: F811
    done = everywatt.run(program, env={"XDG_RUNTIME_DIR": place["XDG_RUNTIME_DIR"], "EVERYWATT_BIN": "/nowhere"})
    assert done.out.decode() == f"0 {done.bill['id']}\n" and len(everywatt.json("ls")["runs"]) == 1
    assert any(phase["path"] == "rank 0" for phase in done.bill["phases"])


def test_a_variable_that_leads_nowhere_is_no_meter(everywatt, place, program):  # noqa: F811
    done = run(program, place | {"EVERYWATT_SOCKET": place["XDG_RUNTIME_DIR"] + "/gone.sock"}, "early")
    assert done.returncode == 0 and done.stdout.startswith("0 "), done
    wait_for_no_meter(place)
    assert {"", "rank 0"} == {phase["path"] for phase in everywatt.show()["phases"]}
    assert everywatt.show()["work"]["steps"] == 1  # of before the start


@pytest.mark.parametrize("change, state", [({"EVERYWATT_BIN": "/nowhere/everywatt"}, 6), ({"EVERYWATT_BIN": "/bin/true"}, 6),
                                           ({"EVERYWATT_DISABLED": "1"}, 1)])
def test_where_nothing_can_be_measured_the_program_goes_on(place, program, change, state):  # noqa: F811
    done = run(program, place | change)
    assert done.returncode == 0 and done.stdout == f"{state} -\n" and done.stderr == ""
