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


def coverage(binary: pathlib.Path, profile: pathlib.Path) -> float:
    """Percent of the lines of the sources that were compiled to be counted (fuzz/CMakeLists.txt), headers aside."""
    merged = profile.with_suffix(".profdata")
    subprocess.run(["llvm-profdata-19", "merge", "-sparse", profile, "-o", merged], check=True)
    exported = subprocess.run(["llvm-cov-19", "export", "-summary-only", binary, f"-instr-profile={merged}"],
                              check=True, capture_output=True, text=True)
    parser = [entry["summary"]["lines"] for entry in json.loads(exported.stdout)["data"][0]["files"]
              if pathlib.Path(entry["filename"]).resolve().is_relative_to(ROOT / "src") and entry["filename"].endswith(".cc")]
    return 100.0 * sum(lines["covered"] for lines in parser) / sum(lines["count"] for lines in parser)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build/dev")
    chosen = options.parse_args()
    low = []
    for name in sorted(source.stem for source in (ROOT / "fuzz").glob("*_fuzz.cc")):
        corpus = ROOT / "fuzz/corpus" / name.removesuffix("_fuzz")
        with tempfile.TemporaryDirectory() as folder:
            binary = chosen.build / "bin" / name
            reached = coverage(binary, fuzz(binary, corpus, chosen.seconds, pathlib.Path(folder)))
        print(f"{name:24} {reached:5.1f} % of its parser's lines")
        if reached < NEEDED:
            low.append(name)
    if low:
        sys.exit(f"less than {NEEDED:.0f} % of the parser reached by: {', '.join(low)}")


if __name__ == "__main__":
    main()
