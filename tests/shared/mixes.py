#!/usr/bin/python3
"""Other mixes of ordinary records: after 600 of clinc150's own in-distribution records, a part of those that follow come from one domain of
its ten. Windows until an alarm, and false alarms before, for the default set and for window detectors one by one; three draws each.

usage: OODD_BUILD=DIR OODD_SHARED=DIR mixes.py ["detectors = { ... },"...]
"""
import json
import random
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone

from shared import Trial

SETS = ('detectors = { "maxlogit", "gen", "entropy", "mahalanobis", "relative", knn = { k = 1, bank = 5000 }, "fdbd", "vim" },', "",
        'detectors = { "mean_shift" },', 'detectors = { "bbse" },', 'detectors = { "rff_mmd" },', 'detectors = { "covariance_shift" },')
DOMAINS = ("banking", "travel", "home")
BEFORE, AFTER = 600, 3000


def records(trial):
    "Lines of the stream that are in distribution, and each one's domain."
    labels, domains = trial.labels(), trial.meta["domains"]
    text = subprocess.run(["zstd", "-qdc", trial.stream], capture_output=True, check=True).stdout
    for line in text.splitlines(True):
        label = labels[json.loads(line)["id"]]
        if label["ood"] is False:
            yield line, domains[label["label"]]


def write(path, rows, domain, share, seed):
    "Returns when the first record of the other mix comes."
    draw, t = random.Random(seed), datetime(2026, 3, 2, tzinfo=timezone.utc)
    some = [line for line, of in rows if of == domain]
    with open(path, "wb") as out:
        for i in range(BEFORE + AFTER):
            t += timedelta(seconds=draw.expovariate(1 / 4))
            if i == BEFORE:
                moved = t
            line = draw.choice(some) if i >= BEFORE and draw.random() < share else draw.choice(rows)[0]
            head = f'{{"ts":"{t:%Y-%m-%dT%H:%M:%S}.{t.microsecond // 1000:03d}Z","id":"x-{i:06d}"'
            out.write(head.encode() + line[line.index(b',"model"'):])
    return f"{moved:%Y-%m-%dT%H:%M:%S}"


def delay(trial, path, moved):
    signals = [e for e in map(json.loads, trial.run("replay", "--json", path).splitlines()) if e["event"] == "signal"]
    after = [e for e in signals if e["end"] > moved]
    return sum(e["fresh"] for e in signals if e["end"] <= moved), next((i + 1 for i, e in enumerate(after) if e["fresh"]), None)


def main(sets):
    for detectors in sets or SETS:
        with tempfile.TemporaryDirectory() as home:
            trial = Trial("clinc150", home, detectors)
            rows, path = list(records(trial)), f"{home}/mix.jsonl"
            print(detectors or "the default set")
            for share in (.2, .4):
                for domain in DOMAINS:
                    found = [delay(trial, path, write(path, rows, domain, share, seed)) for seed in (1, 2, 3)]
                    print(f"  {share:.0%} {domain:8s} windows until an alarm {[d for _, d in found]}, false alarms before {sum(f for f, _ in found)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
