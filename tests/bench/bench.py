#!/usr/bin/python3
"""make bench: the whole agent's speed and size, side by side with what Debian has, in interleaved rounds of one run.

usage: bench.py BUILD_DIR [RECORDS [ROUNDS]]

Replay of JSON Lines records of about 1.5 KB (20 features, 64-d embedding of 9 digits, 10 logits; made here) with decoding, energy,
Mahalanobis, windows, judge; beside it rsyslog's imfile + mmjsonparse on the same file, and Python (json, numpy, scikit-learn) on a part
of it. Figures are records per second of CPU (user + system, of the whole process), as medians over rounds: machines are shared, so trust
the ratios. Targets are stated beside the figures and never fail anything.
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CONFIG = """
source "bench" {{ path = "{home}/*.jsonl", format = "jsonl" }}
model "bench" {{ reference = "{home}/bench.ref", detectors = {{ "energy", "mahalanobis" }}, window = "5m", lateness = "30s" }}
state = "{home}/state"
log = {{ level = "error" }}
"""

RSYSLOG = """
module(load="imfile") module(load="mmjsonparse")
global(workDirectory="{home}/rsyslog")
input(type="imfile" File="{home}/stream.jsonl" Tag="b" Severity="info" Facility="local0" reopenOnTruncate="on" freshStartTail="off")
template(name="done" type="string" string="%$!last%\\n")
main_queue(queue.size="100000")
action(type="mmjsonparse" cookie="" useRawMsg="off")
if ($!id == "{last}") then action(type="omfile" file="{home}/rsyslog/done" template="done")
"""


TEXT = "a question of ordinary length, as people ask it of a service that answers such questions all day long, and then some words more of the same"


def make(path, n, seed, first_row):
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(1).normal(0, 2, (10, 64))
    weights = np.random.default_rng(2).normal(0, .3, (64, 10))
    words = np.array(["alpha", "beta", "gamma", "delta", "epsilon", "zeta"])
    with open(path, "w") as out:
        for begin in range(0, n, 5000):
            m = min(5000, n - begin)
            x = means[rng.integers(0, 10, m)] + rng.normal(0, 1, (m, 64))
            z = x @ weights
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            numbers = rng.gamma(2, 10, (m, 16)).round(3)
            picks = words[rng.integers(0, 6, (m, 4))]
            for i in range(m):
                row = first_row + begin + i
                us = row * 40000
                features = ",".join([f'"n{j:02d}":{numbers[i, j]}' for j in range(16)] + [f'"c{j}":"{picks[i, j]}"' for j in range(4)])
                out.write('{"ts":"2026-01-%02dT%02d:%02d:%02d.%03dZ","id":"b-%09d","model":"bench","version":"1","features":{%s},"embedding":[%s],"logits":[%s],"prediction":"c%d","confidence":%.6f,"tags":{"region":"eu","host":"h%d"},"text":"%s"}\n' % (
                    1 + us // 86400000000, us // 3600000000 % 24, us // 60000000 % 60, us // 1000000 % 60, us // 1000 % 1000, row, features,
                    ",".join("%.9g" % v for v in x[i]), ",".join("%.6g" % v for v in z[i]), z[i].argmax(), p[i].max(), row % 7, TEXT))


def watched(process, done=lambda: False):
    """CPU seconds and peak RSS in MB of a whole process, until it ends or is done. The peak is sampled: what the kernel says at
    the end (ru_maxrss) counts the Python that forked it, too."""
    peak = 0
    while not done():
        try:
            peak = max([peak] + [int(line.split()[1]) for line in open(f"/proc/{process.pid}/status") if line.startswith("VmHWM")])
        except OSError:
            break
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            return status, usage.ru_utime + usage.ru_stime, peak / 1024
        time.sleep(.002)
    process.terminate()
    _, status, usage = os.wait4(process.pid, 0)
    return status, usage.ru_utime + usage.ru_stime, peak / 1024


def measured(command):
    "CPU seconds, wall seconds, peak RSS in MB of a whole process."
    begin = time.monotonic()
    status, cpu, rss = watched(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    if status:
        sys.exit(f"bench: {command[0]} ended with {status}")
    return cpu, time.monotonic() - begin, rss


def rsyslog(home, last):
    "rsyslog reads the file from its beginning; ended when its last record came through."
    shutil.rmtree(home / "rsyslog", ignore_errors=True)
    (home / "rsyslog").mkdir()
    (home / "rsyslog.conf").write_text(RSYSLOG.format(home=home, last=last))
    begin = time.monotonic()
    process = subprocess.Popen(["rsyslogd", "-n", "-f", home / "rsyslog.conf", "-i", home / "rsyslog/pid"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = home / "rsyslog/done"
    _, cpu, rss = watched(process, lambda: done.exists() or time.monotonic() - begin > 120)
    return (cpu if done.exists() else None), time.monotonic() - begin, rss


PYTHON = r"""
import json, sys
import numpy as np
from sklearn.covariance import EmpiricalCovariance
from scipy.special import logsumexp
home, n = sys.argv[1], int(sys.argv[2])
ref = [json.loads(l) for l, _ in zip(open(home + "/reference.jsonl"), range(2000))]
X = np.array([r["embedding"] for r in ref]); X /= np.linalg.norm(X, axis=1, keepdims=True); y = np.array([np.argmax(r["logits"]) for r in ref])
mu = np.array([X[y == c].mean(0) for c in range(10)]); P = EmpiricalCovariance(assume_centered=True).fit(X - mu[y]).precision_
edges = {k: np.quantile([r["features"][k] for r in ref], np.linspace(0, 1, 17)[1:-1]) for k in ref[0]["features"] if k[0] == "n"}
counts = {k: np.zeros(17) for k in edges}
batch = []
def flush():
    x = np.array([r["embedding"] for r in batch]); x /= np.linalg.norm(x, axis=1, keepdims=True); z = np.array([r["logits"] for r in batch])
    e = -logsumexp(z, axis=1); d = np.min([np.einsum("ij,jk,ik->i", x - m, P, x - m) for m in mu], axis=0)
    for k in edges: counts[k] += np.bincount(np.searchsorted(edges[k], [r["features"][k] for r in batch]), minlength=17)
    batch.clear()
for l, _ in zip(open(home + "/stream.jsonl"), range(n)):
    batch.append(json.loads(l))
    if len(batch) == 512: flush()
if batch: flush()
"""


def main(build, n=60000, rounds=3):
    oodd = Path(build) / "agent" / "oodd"
    with tempfile.TemporaryDirectory(prefix="oodd-bench-") as home:
        home = Path(home)
        make(home / "reference.jsonl", 20000, 5, 0)
        make(home / "stream.jsonl", n, 6, 20000)
        size = (home / "stream.jsonl").stat().st_size
        (home / "oodd.lua").write_text(CONFIG.format(home=home))
        subprocess.run([oodd, "fit", "-c", home / "oodd.lua", "--model", "bench", "--output", home / "bench.ref", home / "reference.jsonl"],
                       check=True, stdout=subprocess.DEVNULL)
        (home / "one.jsonl").write_text((home / "stream.jsonl").open().readline())
        part = min(n, 8000)
        rows = {"oodd replay, one thread": [], "oodd replay, start and one record": [], "oodd's decoder alone": [], "rsyslog imfile + mmjsonparse": [],
                "python, json + numpy + scikit-learn": []}
        for _ in range(rounds):
            rows["oodd replay, one thread"].append(measured([oodd, "replay", "-c", home / "oodd.lua", "--json", home / "stream.jsonl"]))
            rows["oodd replay, start and one record"].append(measured([oodd, "replay", "-c", home / "oodd.lua", "--json", home / "one.jsonl"]))
            rows["oodd's decoder alone"].append(measured([Path(build) / "tests/bench/decode_file", home / "stream.jsonl"]))
            if shutil.which("rsyslogd"):
                rows["rsyslog imfile + mmjsonparse"].append(rsyslog(home, f"b-{20000 + n - 1:09d}"))
            start = measured(["/usr/bin/python3", "-c", PYTHON, home, "0"])
            whole = measured(["/usr/bin/python3", "-c", PYTHON, home, str(part)])
            rows["python, json + numpy + scikit-learn"].append((whole[0] - start[0], whole[1] - start[1], whole[2]))
        print(f"{n} records of {size / n:.0f} bytes, {rounds} rounds, medians; python on {part} of them, its start taken off")
        print(f"{'':42s} {'records/CPU-s':>14s} {'MB/CPU-s':>9s} {'CPU s':>7s} {'RSS MB':>7s}")
        speed = {}
        for name, figures in rows.items():
            figures = [f for f in figures if f[0] is not None]
            if not figures:
                print(f"{name:42s} not measured here")
                continue
            cpu, rss = statistics.median(f[0] for f in figures), statistics.median(f[2] for f in figures)
            count = part if name.startswith("python") else 1 if "start" in name else n
            speed[name] = count / cpu
            print(f"{name:42s} {count / cpu:14.0f} {count * size / n / cpu / 1e6:9.1f} {cpu:7.2f} {rss:7.1f}")
        ours = speed["oodd replay, one thread"]
        share = 100 * ours / speed["oodd's decoder alone"]
        print(f"decoding is {share:.0f} % of the replay (the decoder alone over the same file, in the same rounds)")
        for name, aim in (("rsyslog imfile + mmjsonparse", 20), ("python, json + numpy + scikit-learn", 24)):
            if name in speed:
                print(f"oodd against {name}: {ours / speed[name]:.1f}x (aim: {aim}x)")
        # Short windows, so that the reference holds enough of them to judge by: else nothing is closed but words.
        short = home / "short.lua"
        short.write_text(CONFIG.format(home=home).replace('window = "5m"', 'window = "10s"').replace("bench.ref", "short.ref"))
        subprocess.run([oodd, "fit", "-c", short, "--model", "bench", "--output", home / "short.ref", home / "reference.jsonl"], check=True,
                       capture_output=True)
        for records in (250, 7500):
            subprocess.run([Path(build) / "tests/bench/time_windows", home / "short.ref", str(records)], check=True)
        print(f"aim: 100,000 records/s on one core; here {ours:.0f}. RSS aim: under 64 MB.")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
