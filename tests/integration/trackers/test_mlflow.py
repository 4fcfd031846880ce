"""Runs delivered to a real MLflow server that is up, away, killed, slow or unwilling; read back through MLflow's own client."""
import collections
import json
import os
import re
import signal
import subprocess
import time

import pytest

from conftest import REPOSITORY, finish
from mlflow_server import Door, MlflowServer, free_port

DELETE = "import sys; from mlflow import MlflowClient; MlflowClient(sys.argv[1]).delete_run(sys.argv[2])"
RESTORE = "import sys; from mlflow import MlflowClient; MlflowClient(sys.argv[1]).restore_run(sys.argv[2])"
CREATE = "import sys; from mlflow import MlflowClient; print(MlflowClient(sys.argv[1]).create_run('0').info.run_id)"
COUNT = """import sys; from mlflow import MlflowClient
print(len(MlflowClient(sys.argv[1]).search_runs(["0"], f"tags.`everywatt.run_id` = '{sys.argv[2]}'")))"""
SECRET = "kept-to-ourselves"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = MlflowServer(tmp_path_factory.mktemp("mlflow")).start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server that wants a user and a password."""
    running = MlflowServer(tmp_path_factory.mktemp("guarded"), login=("keeper", "of-the-joules-123")).start()
    yield running
    running.kill()


def configure(everywatt, url, interval=1):
    file = everywatt.folder / "everywatt.toml"
    file.write_text(f'[export.mlflow]\ntracking_uri = "{url}"\ninterval_seconds = {interval}\n')
    everywatt.env["EVERYWATT_CONFIG"] = str(file)
    everywatt.env["no_proxy"] = "127.0.0.1"
    return everywatt


def delivery(everywatt, run):
    file = everywatt.database.parent / f"delivery/mlflow-{run}.json"
    return json.loads(file.read_text()) if file.exists() else {"complete": False, "trouble": None}


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.1)


def the_run_that_is_delivered(everywatt):
    folder = everywatt.database.parent / "delivery"
    wait_for(lambda: list(folder.glob("*.json")), 10, lambda: "no delivery begins")
    return next(folder.glob("*.json")).stem.removeprefix("mlflow-")


def delivered(everywatt, bill, seconds=60):
    """The delivery of a run, once it is complete."""
    wait_for(lambda: delivery(everywatt, bill["id"])["complete"], seconds, lambda: delivery(everywatt, bill["id"]))
    return delivery(everywatt, bill["id"])


def trouble(everywatt, bill, seconds=30):
    wait_for(lambda: delivery(everywatt, bill["id"])["trouble"], seconds, lambda: delivery(everywatt, bill["id"]))
    return delivery(everywatt, bill["id"])["trouble"]["line"]


def assert_job_untouched(outcome):
    assert outcome.status == 3 and outcome.out == b"done\n"
    assert outcome.bill["status"] == "failed" and outcome.bill["energy"]["total_joules"] is not None


def job(seconds):
    return ["sh", "-c", f"sleep {seconds}; echo done; exit 3"]


def assert_whole(remote, bill, interval=1):
    """Each point once, none missing, and the bill's figures as the last word."""
    last = int(bill["duration_seconds"] / interval)
    for key, points in remote["points"].items():
        places = [(step, timestamp) for step, timestamp, _ in points]
        assert len(places) == len(set(places)), f"{key} is there twice"
    live = [step for step, _, _ in remote["points"]["energy/total_joules"]]
    assert sorted(live)[:-1] == [n * interval for n in range(1, last + 1)]
    kinds = {d["kind"] for d in bill["energy"]["devices"] if d["counted"] and d["total_joules"] is not None}
    for kind in kinds:
        assert sorted(step for step, _, _ in remote["points"][f"energy/{kind}_watts"]) == [n * interval for n in range(1, last + 1)]
    for key in ("total_joules", "busy_joules", "idle_joules", "measured_joules", "uncertainty_joules", "total_uncertainty_joules"):
        assert remote["metrics"]["energy/" + key] == bill["energy"][key], key
    assert remote["metrics"]["energy/duration_seconds"] == bill["duration_seconds"]
    assert remote["metrics"]["energy/total_kwh"] == pytest.approx(bill["energy"]["total_joules"] / 3.6e6)
    assert remote["tags"]["everywatt.run_id"] == bill["id"]
    assert remote["tags"]["everywatt.boundary"] == bill["energy"]["boundary"]
    assert float(remote["tags"]["everywatt.uncertainty_joules"]) == bill["energy"]["uncertainty_joules"]
    assert remote["bill"] == bill


def test_a_run_is_followed_to_its_end(everywatt, server):
    outcome = configure(everywatt, server.url).run(*job(4.5), flags=["--name", "followed"])
    assert_job_untouched(outcome)
    remote = server.read(delivered(everywatt, outcome.bill)["remote_run"])
    assert_whole(remote, outcome.bill)
    assert (remote["name"], remote["status"], remote["experiment"]) == ("followed", "FAILED", "Default")
    assert re.search(r"\b(counter|integrated|modelled)\b", remote["tags"]["everywatt.method"])


def test_nothing_is_sent_unless_configured(everywatt, server):
    with Door(server, lambda *_: None) as door:
        outcome = everywatt.run("sleep", "1", env={"MLFLOW_TRACKING_URI": door.url})
        time.sleep(1)
        assert door.asked == 0
    assert not (everywatt.database.parent / "delivery").exists()
    done = everywatt("export", "mlflow", "last", env={"MLFLOW_TRACKING_URI": server.url, "MLFLOW_EXPERIMENT_NAME": "asked for"})
    assert done.returncode == 0, done.stderr
    remote = server.read(delivered(everywatt, outcome.bill)["remote_run"])
    assert remote["bill"] == outcome.bill and remote["experiment"] == "asked for"


def test_a_server_that_is_killed_and_comes_back_has_each_point_once(everywatt, tmp_path):
    server = MlflowServer(tmp_path / "mlflow").start()
    try:
        process = configure(everywatt, server.url).start(*job(14))
        run = the_run_that_is_delivered(everywatt)
        wait_for(lambda: delivery(everywatt, run).get("points_until_seconds", 0) >= 2, 20, lambda: delivery(everywatt, run))
        server.kill()
        wait_for(lambda: delivery(everywatt, run)["trouble"], 10, lambda: "the follower did not notice")
        server.start(wait=False)
        outcome = finish(process)
        assert_job_untouched(outcome)
        server.wait_until_up()
        assert_whole(server.read(delivered(everywatt, outcome.bill)["remote_run"]), outcome.bill)
    finally:
        server.kill()


def test_a_server_that_stays_away_gets_all_of_it_later(everywatt, tmp_path):
    server = MlflowServer(tmp_path / "mlflow")
    outcome = configure(everywatt, server.url).run(*job(3))
    assert_job_untouched(outcome)
    assert "cannot be reached" in trouble(everywatt, outcome.bill)
    stop_follower(outcome.bill["id"])
    try:
        server.start()
        done = everywatt("export", "mlflow")
        assert done.returncode == 0 and outcome.bill["id"] in done.stdout, done.stderr
        assert_whole(server.read(delivered(everywatt, outcome.bill, 1)["remote_run"]), outcome.bill)
        assert everywatt("export", "mlflow").stdout == "nothing waits to be delivered\n"
    finally:
        server.kill()


def stop_follower(run):
    """Ends the companion of one run, as a batch system would when the job is over."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if words[:4] == [b"everywatt-net", b"follow", b"mlflow", run.encode()]:
            os.kill(int(entry), signal.SIGKILL)
            return
    raise AssertionError("no follower")


def test_answers_that_are_lost_double_nothing(everywatt, server):
    seen, lost = collections.Counter(), set()

    def lose_the_first_and_the_third_of_each(_, method, path, __):
        seen[path] += 1
        if method == "GET" or "search" in path or seen[path] not in (1, 3):
            return None
        lost.add((path.rsplit("/", 1)[1], seen[path]))
        return "swallow"

    with Door(server, lose_the_first_and_the_third_of_each) as door:
        outcome = configure(everywatt, door.url).run(*job(9))
        remote = server.read(delivered(everywatt, outcome.bill, 120)["remote_run"])
    assert {("create", 1), ("log-batch", 1), ("log-batch", 3), ("bill.json", 1), ("update", 1)} <= lost
    assert_whole(remote, outcome.bill)
    assert server.client(COUNT, outcome.bill["id"]) == "1"


def test_a_minute_of_5xx_is_waited_out(everywatt, server):
    begun = time.monotonic()
    with Door(server, lambda *_: 503 if time.monotonic() < begun + 60 else None) as door:
        outcome = configure(everywatt, door.url).run(*job(4))
        assert time.monotonic() - begun < 20, "the job does not wait"
        assert_job_untouched(outcome)
        assert "answered 503" in trouble(everywatt, outcome.bill)
        remote = server.read(delivered(everywatt, outcome.bill, 120)["remote_run"])
        assert door.asked < 60, "a server in trouble is not asked ever faster"
    assert_whole(remote, outcome.bill)


def test_a_wrong_password_and_a_wrong_token_are_said_and_never_shown(everywatt, guarded):
    configure(everywatt, guarded.url)
    for login in ({"MLFLOW_TRACKING_TOKEN": SECRET}, {"MLFLOW_TRACKING_USERNAME": "keeper", "MLFLOW_TRACKING_PASSWORD": SECRET}):
        outcome = everywatt.run(*job(2), env=login)
        assert_job_untouched(outcome)
        assert "answered 401" in trouble(everywatt, outcome.bill)
        done = everywatt("export", "mlflow", outcome.bill["id"], env=login)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
        assert "401 (not logged in): check MLFLOW_TRACKING_USERNAME" in done.stderr
        files = "".join(f.read_text() for f in (everywatt.database.parent / "delivery").iterdir())
        assert SECRET not in done.stderr + done.stdout + outcome.err + files
    right = {"MLFLOW_TRACKING_USERNAME": guarded.login[0], "MLFLOW_TRACKING_PASSWORD": guarded.login[1]}
    done = everywatt("export", "mlflow", env=right)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2, done.stderr
    assert_whole(guarded.read(delivered(everywatt, outcome.bill, 1)["remote_run"]), outcome.bill)


def test_a_token_opens_a_door_that_wants_one(everywatt, server):
    with Door(server, lambda _, __, ___, headers: None if headers["Authorization"] == f"Bearer {SECRET}" else 401) as door:
        outcome = configure(everywatt, door.url).run("sleep", "1.2", env={"MLFLOW_TRACKING_TOKEN": SECRET})
        assert_whole(server.read(delivered(everywatt, outcome.bill)["remote_run"]), outcome.bill)


def test_a_wrong_address_is_one_line(everywatt):
    outcome = configure(everywatt, f"http://127.0.0.1:{free_port()}").run(*job(2))
    assert_job_untouched(outcome)
    assert "cannot be reached" in trouble(everywatt, outcome.bill)
    stop_follower(outcome.bill["id"])
    done = everywatt("export", "mlflow")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    assert "cannot be reached" in done.stderr and "tracking_uri" in done.stderr


def test_a_run_that_is_deleted_meanwhile_is_said_and_can_be_restored(everywatt, server):
    process = configure(everywatt, server.url).start(*job(8))
    run = the_run_that_is_delivered(everywatt)
    wait_for(lambda: delivery(everywatt, run).get("points_until_seconds", 0) >= 1, 20, lambda: delivery(everywatt, run))
    remote = delivery(everywatt, run)["remote_run"]
    server.client(DELETE, remote)
    outcome = finish(process)
    assert_job_untouched(outcome)
    assert f"restore it (mlflow runs restore --run-id {remote})" in trouble(everywatt, outcome.bill)
    done = everywatt("export", "mlflow")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "was deleted from MLflow" in done.stderr
    server.client(RESTORE, remote)
    assert everywatt("export", "mlflow").returncode == 0
    assert_whole(server.read(remote), outcome.bill)


def test_a_run_that_is_there_is_joined_and_left_as_it_was(everywatt, server):
    theirs = server.client(CREATE)
    outcome = configure(everywatt, server.url).run(*job(2.2), env={"MLFLOW_RUN_ID": theirs})
    assert delivered(everywatt, outcome.bill)["remote_run"] == theirs
    remote = server.read(theirs)
    assert_whole(remote, outcome.bill)
    assert remote["status"] == "RUNNING"


def test_a_supervisor_that_is_killed_leaves_what_it_had_committed(everywatt, server):
    process = configure(everywatt, server.url).start("sleep", "30", start_new_session=True)
    time.sleep(4.5)
    process.kill()
    process.wait()
    remote_run = delivered(everywatt, {"id": the_run_that_is_delivered(everywatt)}, 20)["remote_run"]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    bill = everywatt.show()
    assert bill["status"] == "lost"
    remote = server.read(remote_run)
    assert remote["status"] == "KILLED" and remote["tags"]["everywatt.status"] == "lost"
    assert remote["metrics"]["energy/total_joules"] == bill["energy"]["total_joules"]


def test_bad_settings_are_misuse_or_one_line(everywatt):
    file = everywatt.folder / "everywatt.toml"
    everywatt.env["EVERYWATT_CONFIG"] = str(file)
    for text in ("interval_seconds = 0", "interval_seconds = 1.5", "tracking_url = 'http://x'", "from_environment = 'yes'"):
        file.write_text("[export.mlflow]\n" + text + "\n")
        done = everywatt("run", "--", "true")
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    for text in ("tracking_uri = 'http://me:secret@127.0.0.1'", "tracking_uri = 'mlruns'", "from_environment = true"):
        file.write_text("[export.mlflow]\n" + text + "\n")
        outcome = everywatt.run("sh", "-c", "exit 3", flags=["--quiet"])
        assert outcome.status == 3 and len(outcome.lines) == 1 and "secret" not in outcome.err, outcome.err


def test_the_guide_does_what_it_says(everywatt, server):
    text = (REPOSITORY / "docs/guide/mlflow.md").read_text()
    blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
    assert [kind for kind, _ in blocks] == ["toml", "sh", "sh", "sh", "python"]
    settings = blocks[0][1].replace("http://127.0.0.1:5000", server.url)
    assert settings != blocks[0][1]
    (everywatt.folder / "everywatt.toml").write_text(settings)
    env = everywatt.env | {"PATH": f"{os.path.dirname(everywatt.binary)}:{os.environ['PATH']}", "no_proxy": "127.0.0.1"}
    in_folder = {"cwd": everywatt.folder, "env": env}

    def everywatt_says(*argv):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, **in_folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    everywatt_says("sh", "-c", blocks[1][1])
    bill = everywatt.show()
    remote = server.read(delivered(everywatt, bill)["remote_run"])
    assert_whole(remote, bill)
    assert (remote["name"], remote["experiment"]) == ("training", "digits")
    assert everywatt_says("sh", "-c", blocks[2][1]) == "nothing waits to be delivered\n"
    assert "is there already" in everywatt_says("sh", "-c", blocks[3][1])
    for metric in ("energy/total_joules", "energy/busy_joules", "energy/duration_seconds", "energy/total_kwh"):
        assert metric in remote["metrics"] and f"{metric.split('/')[1]}" in text

    script = everywatt.folder / "job.py"
    script.write_text(blocks[4][1] + "    print(run.info.run_id)\n    import time; time.sleep(2)\n")
    env |= {"PYTHONPATH": str(REPOSITORY / "python"), "MLFLOW_TRACKING_URI": server.url}
    theirs = everywatt_says(everywatt.binary, "run", "--quiet", "--", server.python, script).splitlines()[0]
    bill = everywatt.show()
    assert delivered(everywatt, bill)["remote_run"] == theirs
    remote = server.read(theirs)
    assert remote["bill"] == bill and remote["status"] == "FINISHED"
