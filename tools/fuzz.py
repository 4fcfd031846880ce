"""Runs each fuzz target over its corpus for a few seconds and reports how much of its parser the inputs reach.

usage: fuzz.py [--seconds N] [--build DIR]

Fails on a crash, a leak, or where less than 80 % of the lines of a target's parser are reached.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
NEEDED = 80.0

# The sources whose lines each target must reach.
PARSERS = {
    "mllog_fuzz": ["src/import/mllog_line.cc", "src/import/mllog_result.cc", "src/import/mllog_node.cc"],
    "power_csv_fuzz": ["src/import/csv.cc", "src/import/power_csv_layout.cc", "src/import/time_column.cc",
                       "src/import/timestamp.cc"],
    "config_fuzz": ["src/cli/config_file.cc"],
    "presence_fuzz": ["src/meter/floor_board.cc"],
    "series_codec_fuzz": ["src/store/series_codec.cc"],
    "model_config_fuzz": ["src/import/config_reader.cc", "src/import/decoder_config.cc", "src/import/older_config.cc",
                          "src/import/model_config.cc"],
    "marks_fuzz": ["src/marks/ring_reader.cc", "src/marks/ring_names.cc", "src/marks/slot_copy.cc",
                   "src/marks/slot_meaning.cc"],
    "delivery_fuzz": ["src/tracker/delivery.cc"],
    "mlflow_fuzz": ["src/tracker/mlflow_server.cc"],
    "git_index_fuzz": ["src/import/git_index.cc"],
    "baseline_fuzz": ["src/cli/baseline_file.cc"],
    "proc_stat_fuzz": ["src/sources/proc_stat.cc", "src/sources/cpuinfo.cc"],
}


def fuzz(binary: pathlib.Path, corpus: pathlib.Path, seconds: int, work: pathlib.Path) -> pathlib.Path:
    profile = work / "coverage.profraw"
    found = work / "found"
    found.mkdir()
    command = [binary, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-verbosity=0",
               f"-artifact_prefix={work}/", found, corpus]
    ended = subprocess.run(command, env={"LLVM_PROFILE_FILE": str(profile), "PATH": "/usr/bin:/bin"},
                           capture_output=True, text=True)
    if ended.returncode != 0:
        print(ended.stdout + ended.stderr)
        sys.exit(f"{binary.name} failed")
    return profile


def coverage(binary: pathlib.Path, profile: pathlib.Path, files: list[str]) -> float:
    merged = profile.with_suffix(".profdata")
    subprocess.run(["llvm-profdata-19", "merge", "-sparse", profile, "-o", merged], check=True)
    exported = subprocess.run(["llvm-cov-19", "export", "-summary-only", binary, f"-instr-profile={merged}",
                               *[ROOT / f for f in files]], check=True, capture_output=True, text=True)
    lines = json.loads(exported.stdout)["data"][0]["totals"]["lines"]
    return 100.0 * lines["covered"] / lines["count"]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build/fuzz")
    chosen = options.parse_args()
    low = []
    for name, files in PARSERS.items():
        corpus = ROOT / "fuzz/corpus" / name.removesuffix("_fuzz")
        with tempfile.TemporaryDirectory() as folder:
            binary = chosen.build / "bin" / name
            reached = coverage(binary, fuzz(binary, corpus, chosen.seconds, pathlib.Path(folder)), files)
        print(f"{name:24} {reached:5.1f} % of its parser's lines")
        if reached < NEEDED:
            low.append(name)
    if low:
        sys.exit(f"less than {NEEDED:.0f} % of the parser reached by: {', '.join(low)}")


if __name__ == "__main__":
    main()
