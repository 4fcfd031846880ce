"""Mistakes are told in one line: what was wrong, where, and what is expected. Exit 2 before anything started, 1 where the work failed."""
import json
import subprocess

import pytest

COMMANDS = {  # and the options that their help must name
    "run": "--name --project --model --model-version --tag --metric --budget --budget-action --grace --expect-epochs --epoch-phase --json --quiet",
    "attach": "--name --json --quiet", "ls": "--json --project --limit", "show": "--json", "rm": "", "import": "mllog power-csv",
    "import mllog": "--name --project --model --tag --json",
    "import power-csv": "--time-column --power-column --device-column --unit --time-unit --separator --decimal --kind --json",
    "export": "csv json --entries", "merge": "FILE", "doctor": "--json --fix --group", "calibrate": "floors periods gain list forget",
    "calibrate floors": "--seconds", "calibrate periods": "--seconds", "calibrate gain": "--device --meter --run --uncertainty",
    "calibrate list": "--json", "calibrate forget": "DEVICE",
    "baseline": "set show check", "baseline set": "--phase", "baseline show": "--json",
    "baseline check": "--tolerance --other-hardware --json",
    "config": "--keys --json",
    "flops": "--config --parameters --tokens --sequence-length --causal --recompute --lora-rank --device --precision --seconds "
             "--joules --gpu-hours --utilisation --json",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(everywatt, command):
    done = everywatt(*command.split(), "--help")
    assert done.returncode == 0 and done.stderr == ""
    for word in COMMANDS[command].split():
        assert word in done.stdout, word
    assert command.split()[0] in done.stdout
    assert [line for line in done.stdout.splitlines() if len(line) > 120] == []
    assert everywatt(*command.split(), "-h").stdout == done.stdout


def test_the_help_lists_every_command(everywatt):
    done = everywatt("--help")
    assert done.returncode == 0
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert {command.split()[0] for command in COMMANDS} == listed, "each command of the help is tested here"
    assert everywatt("help").stdout == done.stdout
    assert everywatt("--version").stdout.startswith("everywatt ")


def test_without_a_command_the_help_goes_to_stderr(everywatt):
    done = everywatt()
    assert done.returncode == 2 and done.stdout == "" and "usage" in done.stderr


MISUSE = [
    (["shwo"], ["shwo", "show"]),
    (["no-such-command"], ["no-such-command", "--help"]),
    (["run"], ["--"]),
    (["run", "--"], ["command"]),
    (["run", "true"], ["true"]),
    (["run", "--nmae", "x", "--", "true"], ["--nmae", "--help"]),
    (["run", "--name"], ["--name"]),
    (["run", "--tag", "no-equals", "--", "true"], ["--tag", "no-equals", "key=value"]),
    (["run", "--tag", "=v", "--", "true"], ["--tag", "=v"]),
    (["run", "--metric", "accuracy=high", "--", "true"], ["--metric", "accuracy", "high", "number"]),
    (["run", "--metric", "accuracy=nan", "--", "true"], ["accuracy", "nan"]),
    (["run", "--metric", "accuracy=", "--", "true"], ["accuracy"]),
    (["run", "--budget", "5", "--", "true"], ["--budget", "5kWh", "'5'"]),
    (["run", "--budget", "3EUR", "--", "true"], ["3EUR", "energy"]),
    (["run", "--budget", "1h", "--budget", "2h", "--", "true"], ["2h", "already"]),
    (["run", "--budget-action", "kill", "--", "true"], ["--budget-action", "kill", "warn"]),
    (["run", "--grace", "soon", "--", "true"], ["--grace", "soon"]),
    (["run", "--expect-epochs", "0", "--", "true"], ["--expect-epochs", "0"]),
    (["run", "--epoch-phase", "epoch", "--", "true"], ["--epoch-phase", "--expect-epochs"]),
    (["baseline"], ["set", "show", "check"]),
    (["baseline", "forget"], ["forget", "check"]),
    (["baseline", "set"], ["RUN"]),
    (["baseline", "show", "a", "b"], ["MODEL"]),
    (["baseline", "check", "last", "--tolerance", "much"], ["--tolerance", "much"]),
    (["attach"], ["PID"]),
    (["attach", "one"], ["one", "PID"]),
    (["attach", "0"], ["0", "PID"]),
    (["attach", "-5"], ["-5"]),
    (["attach", "99999999999999999999"], ["99999999999999999999"]),
    (["show", "--jsno"], ["--jsno"]),
    (["show", "a", "b"], ["RUN"]),
    (["ls", "--limit", "some"], ["--limit", "some"]),
    (["ls", "--limit", "0"], ["--limit", "0"]),
    (["ls", "--limit", "-1"], ["-1"]),
    (["rm"], ["RUN"]),
    (["import"], ["mllog", "power-csv"]),
    (["import", "nothing"], ["nothing", "mllog"]),
    (["import", "mllog"], ["DIR"]),
    (["import", "power-csv", "x.csv", "--unit"], ["--unit"]),
    (["import", "power-csv", "x.csv", "--time-unit", "fortnight"], ["--time-unit", "fortnight"]),
    (["import", "power-csv", "x.csv", "--decimal", "x"], ["--decimal"]),
    (["import", "power-csv", "x.csv", "--separator", "ab"], ["--separator"]),
    (["import", "power-csv", "x.csv", "--kind", "toaster"], ["--kind", "toaster"]),
    (["import", "power-csv", "x.csv", "--uncertainty", "-0.5"], ["--uncertainty"]),
    (["export"], ["FORMAT"]),
    (["export", "xml"], ["xml", "csv"]),
    (["export", "--entries", "json"], ["--entries", "csv"]),
    (["merge"], ["FILE"]),
    (["calibrate"], ["floors"]),
    (["calibrate", "luck"], ["luck", "floors"]),
    (["calibrate", "floors", "--seconds", "-1"], ["--seconds", "-1"]),
    (["calibrate", "periods", "--seconds", "forever"], ["--seconds", "forever"]),
    (["calibrate", "gain"], ["--device", "--meter"]),
    (["calibrate", "gain", "--device", "gpu:0", "--meter", "a.csv", "--uncertainty", "5 %"], ["--uncertainty", "5 %"]),
    (["calibrate", "forget"], ["DEVICE"]),
    (["doctor", "--fix", "--group", "a b;c"], ["--group", "a b;c"]),
    (["config", "unexpected"], ["unexpected"]),
    (["flops"], ["config.json", "--parameters", "--gpu-hours"]),
    (["flops", "a.json", "b.json"], ["one config.json"]),
    (["flops", "a.json", "--parameters", "1e9"], ["--parameters"]),
    (["flops", "--parameters", "1e9"], ["--tokens"]),
    (["flops", "--parameters", "many", "--tokens", "1T"], ["--parameters", "many"]),
    (["flops", "--parameters", "1e9", "--tokens", "-3"], ["--tokens", "-3"]),
    (["flops", "--parameters", "1e9", "--tokens", "1T", "--context", "4096"], ["--context", "config.json"]),
    (["flops", "a.json", "--tokens", "1T", "--sequences", "4"], ["--tokens", "--sequences"]),
    (["flops", "a.json", "--steps", "1000"], ["--batch"]),
    (["flops", "a.json", "--recompute", "some"], ["--recompute", "some", "selective"]),
    (["flops", "a.json", "--lora-targets", "q"], ["--lora-rank"]),
    (["flops", "a.json", "--lora-rank", "1.5"], ["--lora-rank", "1.5"]),
    (["flops", "a.json", "--precision", "bf17"], ["bf17", "bf16"]),
    (["flops", "--gpu-hours", "100"], ["--utilisation"]),
    (["flops", "--gpu-hours", "100", "--utilisation", "50"], ["--utilisation", "0.5"]),
    (["flops", "--gpu-hours", "100", "--utilisation", "0.5"], ["--peak-tflops", "--device"]),
    (["flops", "--peak-tflops", "300"], ["--gpu-hours"]),
]


@pytest.mark.parametrize("args, words", MISUSE, ids=[" ".join(args) for args, _ in MISUSE])
def test_misuse_is_told_in_one_line(everywatt, args, words):
    done = everywatt(*args)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("everywatt"), done.stderr
    assert all(word in lines[0] for word in words), lines[0]
    assert not everywatt.database.exists(), "nothing was started"


def test_misuse_starts_no_command(everywatt, tmp_path):
    everywatt("run", "--metric", "x=y", "--", "touch", tmp_path / "started")
    assert not (tmp_path / "started").exists()


# --- the work that fails

def test_an_unknown_run_is_named(everywatt):
    for args in (["show"], ["show", "nosuchrun"], ["rm", "nosuchrun"], ["export", "csv"], ["ls"]):
        done = everywatt(*args)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, (args, done.stderr)
        assert "no runs yet" in done.stderr and str(everywatt.database) in done.stderr
    everywatt.run("true")
    for args in (["show", "nosuchrun"], ["rm", "nosuchrun"], ["export", "csv", "nosuchrun"]):
        done = everywatt(*args)
        assert done.returncode == 1 and done.stdout == "", (args, done.stderr)
        assert len(done.stderr.splitlines()) == 1 and "nosuchrun" in done.stderr, done.stderr


def test_an_empty_ledger_lists_nothing_as_json(everywatt):
    assert everywatt.json("ls")["runs"] == []


def test_a_prefix_of_several_runs_is_misuse(everywatt):
    ids = []
    while len({i[0] for i in ids}) == len(ids):  # 32 letters: soon two begin alike
        ids.append(everywatt.run("true", flags=["--name", "same"]).bill["id"])
    common = ids[-1][0]
    done = everywatt("show", common)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and f"'{common}'" in done.stderr, done.stderr


def test_attach_to_a_process_that_is_not_there(everywatt):
    done = everywatt("attach", "4194303")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and "4194303" in done.stderr


@pytest.mark.parametrize("place", ["no/such/folder/bill.json", "."])
def test_a_place_where_no_bill_can_be_written_stops_a_run_before_it_starts(everywatt, tmp_path, place):
    done = everywatt("run", "--json", tmp_path / place, "--", "touch", tmp_path / "did-run")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and str(tmp_path) in done.stderr
    assert not (tmp_path / "did-run").exists()


def test_a_bill_that_cannot_be_written_in_the_end_fails_after_the_job(everywatt, tmp_path):
    folder = tmp_path / "for-a-while"
    for status, expected in ((0, 1), (5, 5)):  # the job's status comes first
        folder.mkdir()
        script = f"rmdir {folder}; touch {tmp_path}/did-run; exit {status}"
        done = everywatt("run", "--quiet", "--json", folder / "bill.json", "--", "sh", "-c", script)
        assert (tmp_path / "did-run").exists()
        assert done.returncode == expected and len(done.stderr.splitlines()) == 1 and "bill.json" in done.stderr


def test_a_bill_goes_into_a_pipe_or_device_as_it_is(everywatt):
    done = everywatt("run", "--quiet", "--json", "/dev/stdout", "--", "true")
    assert json.loads(done.stdout)["status"] == "finished"


def test_a_bill_goes_to_where_a_symbolic_link_points(everywatt, tmp_path):
    (tmp_path / "link.json").symlink_to(tmp_path / "bill.json")
    (tmp_path / "bill.json").write_text("{}")
    assert everywatt("run", "--quiet", "--json", tmp_path / "link.json", "--", "true").returncode == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "bill.json").read_text())["status"] == "finished"


def test_what_standard_output_cannot_take_is_an_error(everywatt):
    everywatt.run("true")
    for args in (["export", "csv"], ["show"], ["show", "--json"], ["ls"], ["--help"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([everywatt.binary, *args], env=everywatt.environment(), stdout=full, stderr=subprocess.PIPE,
                                  text=True, check=False)
        assert done.returncode == 1 and "standard output" in done.stderr, args


def test_a_file_that_is_no_ledger_is_neither_read_nor_moved(everywatt, tmp_path):
    table = tmp_path / "results.csv"
    table.write_text("epoch,loss\n" * 100)
    for args in (["ls"], ["show"], ["rm", "last"]):
        done = everywatt(*args, env={"EVERYWATT_DB": str(table)})
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "results.csv" in done.stderr, args
    done = everywatt("run", "--", "true", env={"EVERYWATT_DB": str(table)})
    assert done.returncode == 0 and "results.csv is no ledger" in " ".join(done.stderr.split())
    assert table.read_text() == "epoch,loss\n" * 100
    assert [file.name for file in tmp_path.iterdir() if "results" in file.name] == ["results.csv"]


def test_disabled_is_the_command_alone(everywatt):
    done = everywatt("run", "--", "sh", "-c", "echo $EVERYWATT_RUN_ID out; exit 7", env={"EVERYWATT_DISABLED": "1"})
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "")
    assert not everywatt.database.exists()
    assert everywatt("run", "--", "no-such-command", env={"EVERYWATT_DISABLED": "1"}).returncode == 127


CONFIGS = {
    "no toml": ("[site\npue = 1.2\n", [":1:"]),
    "unknown key": ("[site]\npeu = 1.2\n", [":2:", "site.peu"]),
    "wrong kind": ("[site]\nzone = \"DEU\"\npue = \"high\"\n", [":3:", "site.pue", "number"]),
    "out of range": ("[site]\npue = 0.5\n", [":2:", "site.pue", "1"]),
    "psu above one": ("[site]\npsu_efficiency = 94\n", [":2:", "site.psu_efficiency"]),
    "boundary": ("[site]\nboundary = \"everything\"\n", [":2:", "site.boundary", "components"]),
    "not utf-8": ("[site]\nzone = \"\udcff\"\n", [":2:"]),
    "no key in a table's head": ("[site]\npue = 1.2\n[= 3\n", [":3:"]),
    "a nul": ("[site]\n[\0site]\n", [":2:"]),
    "infinite": ("[site]\npue = inf\n", [":2:", "site.pue"]),
    "next to nothing": ("[site]\npsu_efficiency = 1e-300\n", [":2:", "site.psu_efficiency"]),
    "nan": ("[site]\npue = nan\n", [":2:", "site.pue"]),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_malformed_configuration_is_told_by_file_and_line(everywatt, tmp_path, name):
    text, words = CONFIGS[name]
    file = tmp_path / "everywatt.toml"
    file.write_text(text, errors="surrogateescape")
    done = everywatt("config", env={"EVERYWATT_CONFIG": str(file)})
    assert done.returncode == 2 and done.stdout == "", done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert str(file) in done.stderr and all(word in done.stderr for word in words), done.stderr


def test_a_malformed_configuration_stops_a_run_before_it_starts(everywatt, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("[site]\npue = \"high\"\n")
    done = everywatt("run", "--", "touch", tmp_path / "started", env={"EVERYWATT_CONFIG": str(file)})
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, (done.returncode, done.stderr)
    assert not (tmp_path / "started").exists()


def test_a_configuration_that_is_named_must_be_there(everywatt, tmp_path):
    done = everywatt("config", env={"EVERYWATT_CONFIG": str(tmp_path / "missing.toml")})
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "missing.toml" in done.stderr


def test_settings_of_the_project_come_before_the_users(everywatt, tmp_path):
    (tmp_path / "project/deep").mkdir(parents=True)
    (tmp_path / "project/everywatt.toml").write_text("[site]\npue = 1.1\n")
    (tmp_path / "home/.config/everywatt").mkdir(parents=True)
    (tmp_path / "home/.config/everywatt/everywatt.toml").write_text("[site]\npue = 1.5\nzone = \"DEU\"\n")
    settings = {row["key"]: row for row in everywatt.json("config", cwd=tmp_path / "project/deep")["settings"]}
    assert settings["site.pue"]["value"] == "1.1" and settings["site.pue"]["file"].startswith(str(tmp_path / "project"))
    assert settings["site.zone"]["value"] in ("DEU", '"DEU"', "'DEU'")


IMPORTS = {
    "a folder that is not there": (["mllog", "MISSING"], ["MISSING"]),
    "a folder without a result": (["mllog", "EMPTY"], ["result"]),
    "a result without its begin": (["mllog", "NOSTART"], ["result.txt", "run_start"]),
    "a table that is not there": (["power-csv", "MISSING.csv"], ["MISSING.csv"]),
    "an empty table": (["power-csv", "empty.csv"], ["empty.csv"]),
    "a table without power": (["power-csv", "names.csv"], ["names.csv"]),
    "a table without times": (["power-csv", "notimes.csv"], ["notimes.csv"]),
    "bytes that are no text": (["power-csv", "noise.csv"], ["noise.csv"]),
    "a folder as a table": (["power-csv", "EMPTY"], ["EMPTY"]),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_a_malformed_import_makes_no_run(everywatt, tmp_path, name):
    args, words = IMPORTS[name]
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "NOSTART").mkdir()
    (tmp_path / "NOSTART/result.txt").write_text(':::MLLOG {"time_ms": 5, "key": "run_stop"}\n')
    (tmp_path / "NOSTART/node_1.txt").write_text("")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "names.csv").write_text("time,name\n2026-01-01T00:00:00Z,Ada\n2026-01-01T00:00:01Z,Grace\n")
    (tmp_path / "notimes.csv").write_text("time,power_W\nyesterday,5\ntoday,6\n")
    (tmp_path / "noise.csv").write_bytes(bytes(range(256)) * 64)
    done = everywatt("import", *args, cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == "", done.stdout
    assert len(done.stderr.splitlines()) == 1 and all(word in done.stderr for word in words), done.stderr
    assert everywatt.json("ls")["runs"] == []


def test_a_merge_from_what_is_no_ledger_changes_nothing(everywatt, tmp_path):
    run = everywatt.run("true").bill
    (tmp_path / "notes.txt").write_text("no ledger\n" * 200)
    for name in ("notes.txt", "missing.db"):
        done = everywatt("merge", tmp_path / name)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1 and name in done.stderr, done.stderr
    assert (tmp_path / "notes.txt").read_text() == "no ledger\n" * 200
    assert [r["id"] for r in everywatt.json("ls")["runs"]] == [run["id"]]
