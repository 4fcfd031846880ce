"""Bytes of a series beside the entropy of what it holds, which is known because we made it, and beside VictoriaMetrics."""
import json
import subprocess
import time
import urllib.request
from contextlib import contextmanager

from harness import Page, environment, installed, program, scratch, version_of

OVER_ENTROPY, BYTES_A_CHUNK = 1.05, 64
JITTER_NS = 50_000  # how late a tick of the loop is, roughly: some tens of microseconds
SEED = 1
PORT = 18428
WEEK_MS = 7 * 24 * 3600 * 1000


def generated(points, jitter, *flags):
    done = subprocess.run([program("codec_bench"), str(points), str(jitter), str(SEED), *flags],
                          check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def victoria_metrics(folder):
    command = [installed("victoria-metrics", "victoria-metrics"), f"-storageDataPath={folder}",
               f"-httpListenAddr=127.0.0.1:{PORT}", "-retentionPeriod=100y"]
    server = subprocess.Popen(command, env=environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                ask("/health")
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise RuntimeError("victoria-metrics did not start")
        yield
    finally:
        server.terminate()  # it writes what it holds in memory
        server.wait()


def ask(path, body=None):
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", data=body, timeout=60) as answer:
        return answer.read()


def bytes_in_victoria(series, folder):
    """Of timestamps and values on disk, after the final merge; its index and part headers are left out."""
    begin = int(time.time() * 1000) - WEEK_MS
    start = series["times"][0]
    times = [begin + (t - start + 500_000) // 1_000_000 for t in series["times"]]
    line = json.dumps({"metric": {"__name__": "series"}, "values": series["values"], "timestamps": times})
    with victoria_metrics(folder):
        ask("/api/v1/import", line.encode())
        ask("/internal/force_flush")
        ask("/internal/force_merge")
        export = f"/api/v1/export?match[]=series&start={begin / 1000 - 1}&end={begin / 1000 + len(times) / 10 + 60}"
        kept = [json.loads(row) for row in ask(export).splitlines()]
        back = [int(value) for row in kept for value in row["values"]]
    size = sum(f.stat().st_size for name in ("timestamps.bin", "values.bin") for f in (folder / "data").rglob(name))
    return size, back == series["values"]


def measure(quick):
    page = Page("series-codec", "Bytes of a series", quick)
    points = 4096 if quick else 16 * 4096
    still, jittering = generated(points, 0, "--points"), generated(points, JITTER_NS)
    peer = {}
    for i, series in enumerate(still[:3] if quick else still):
        peer[series["name"]] = bytes_in_victoria(series, scratch(f"victoria-{i}"))
    rows, worst = [], 0.0
    for plain, late in zip(still, jittering):
        limits = [OVER_ENTROPY * s["entropy_bytes"] + BYTES_A_CHUNK * s["chunks"] for s in (plain, late)]
        worst = max(worst, plain["bytes"] / limits[0], late["bytes"] / limits[1])
        size, exact = peer.get(plain["name"], (None, True))
        theirs = "" if size is None else f"{size / points:.3f}" + ("" if exact else ", not exact")
        rows.append((plain["name"], f"{plain['entropy_bytes'] / points:.3f}", f"{plain['bytes'] / points:.3f}", theirs,
                     f"{late['entropy_bytes'] / points:.3f}", f"{late['bytes'] / points:.3f}",
                     f"{plain['encode_ns'] / points:.0f}", f"{plain['decode_ns'] / points:.0f}"))
    page.text(
        f"{points:,} points at 10 Hz in chunks of 4,096, as the ledger keeps them; bytes a point of times (ns) and values together, the chunks' heads "
        f"included. The series are made by `src/store/series_generators.cc` (seed {SEED}), so that their entropy is known: on an exact grid, and with "
        f"ticks that are late by {JITTER_NS / 1000:.0f} µs (standard deviation of a normal distribution)."
    )
    page.verdict(f"≤ {OVER_ENTROPY} × entropy + {BYTES_A_CHUNK} bytes a chunk, every series", f"at most {worst:.3f} of that bound", worst <= 1)
    page.table(("series", "entropy", "everywatt", "VictoriaMetrics", "entropy, late ticks", "everywatt, late ticks", "ns to pack", "ns to unpack"), rows)
    version = version_of(["dpkg-query", "-W", "-f", "${Version}", "victoria-metrics"])
    page.text(
        f"Peer: VictoriaMetrics {version} (Debian's package), a fresh server for each series, its `timestamps.bin` and `values.bin` after "
        "`force_merge`. It keeps times in milliseconds, so that it is shown the exact grid only, and values as decimal floating point; *not exact* means that the integers that went in did "
        "not all come back."
    )
    page.write()
