"""A real MLflow server, of the version that requirements.txt names, on loopback with SQLite behind it; and what can stand before it."""
import http.client
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

from venvs import programs

HERE = pathlib.Path(__file__).resolve().parent
START_SECONDS = 90

# Everything of a run, as MLflow's own client reads it: python -c READ URI RUN FOLDER
READ = """
import json, pathlib, sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
run = client.get_run(sys.argv[2])
points = {key: [[p.step, p.timestamp, p.value] for p in client.get_metric_history(sys.argv[2], key)] for key in run.data.metrics}
bill = None
if any(file.path == "everywatt/bill.json" for file in client.list_artifacts(sys.argv[2], "everywatt")):
    bill = json.loads(pathlib.Path(client.download_artifacts(sys.argv[2], "everywatt/bill.json", sys.argv[3])).read_text())
print(json.dumps({"name": run.info.run_name, "status": run.info.status, "experiment": client.get_experiment(run.info.experiment_id).name,
                  "stage": run.info.lifecycle_stage, "metrics": run.data.metrics, "tags": run.data.tags, "points": points, "bill": bill}))
"""


def tracker_python():
    """The interpreter of a venv that holds what requirements.txt names."""
    return programs("trackers", (HERE / "requirements.txt").read_text().split()) / "python"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MlflowServer:
    """`login` is (user, password) of an administrator: then nobody else gets in."""

    def __init__(self, folder, login=None):
        self.python = tracker_python()
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.login = login
        self.process = None

    def start(self, wait=True):
        argv = [self.python.parent / "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1",
                "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db", "--artifacts-destination", self.folder / "artifacts"]
        env = os.environ | {"MLFLOW_FLASK_SERVER_SECRET_KEY": "of-a-test"}
        if self.login:
            user, password = self.login
            (self.folder / "auth.ini").write_text(
                f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{self.folder}/auth.db\n"
                f"admin_username = {user}\nadmin_password = {password}\nauthorization_function = mlflow.server.auth:authenticate_request_basic_auth\n")
            env["MLFLOW_AUTH_CONFIG_PATH"] = str(self.folder / "auth.ini")
            argv += ["--app-name", "basic-auth"]
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(argv, env=env, stdout=log, stderr=log, start_new_session=True, cwd=self.folder)
        if wait:
            self.wait_until_up()
        return self

    def wait_until_up(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        raise AssertionError((self.folder / "server.log").read_text()[-3000:])

    def kill(self):
        """As a power cut would: no worker gets to finish what it does."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def client(self, code, *args):
        """What MLflow's own client says in a process of its own."""
        env = os.environ | {"MLFLOW_TRACKING_URI": self.url}
        if self.login:
            env |= {"MLFLOW_TRACKING_USERNAME": self.login[0], "MLFLOW_TRACKING_PASSWORD": self.login[1]}
        done = subprocess.run([self.python, "-c", code, self.url, *map(str, args)], env=env, capture_output=True, text=True,
                              timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def read(self, run):
        return json.loads(self.client(READ, run, self.folder))


class Door:
    """Stands before a server and passes on what it is asked, but as `rule` says: rule(number, method, path, headers)
    returns None, a status to answer with, or "swallow", which passes the request on and hangs up in place of its answer."""

    def __init__(self, server, rule):
        self.rule = rule
        self.asked = 0
        door = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                door.asked += 1
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                verdict = door.rule(door.asked, self.command, self.path, self.headers)
                if isinstance(verdict, int):
                    return self.reply(verdict, b"<html>not now</html>")
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                headers = {k: v for k, v in self.headers.items() if k.lower() in ("content-type", "authorization")}
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                data = answer.read()
                if verdict == "swallow":
                    self.close_connection = True
                    return None
                return self.reply(answer.status, data)

            def reply(self, status, data):
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = pass_on

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
