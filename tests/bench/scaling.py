#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make bench: does a record cost more because there is more else? Each line is the same records with little and with much around them.

usage: scaling.py BUILD_DIR [RECORDS [ROUNDS]]

Microseconds of CPU a record (user + system of the whole process, less the same process with next to no records), medians over rounds
in which the sides take turns; 1.00x is what is wanted. Records have 20 features, 16 embedding dimensions and 5 logits: small ones, so
that what grows beside them shows.
"""
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from bench import measured, watched

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
EVERY_MS = 40
REFERENCE = 20000
SOURCE = 'source "bench" {{ path = "{logs}", format = "jsonl" }}\nstate = "{state}"\nlog = {{ level = "error" }}\n'
MODEL = 'model "{name}" {{ reference = "{home}/{name}.ref", detectors = {{ "energy" }}, window = "{window}", lateness = "{lateness}" }}\n'
RULE = 'alert "Rule%d" { on = "signal", when = function(s) return s.alarm and s.severity > 9 and s.n > %d end, severity = "page" }\n'


def make(n, models=("one",), order=None):
    "n lines, 40 ms apart; `order` says at which of these times each record comes, so that windows fill side by side."
    rng = np.random.default_rng(7)
    words = np.array(["alpha", "beta", "gamma", "delta", "epsilon", "zeta"])
    x, z = rng.normal(size=(n, 16)).round(5), rng.normal(size=(n, 5)).round(4)
    numbers, picks = rng.gamma(2, 10, (n, 16)).round(3), words[rng.integers(0, 6, (n, 4))]
    lines = []
    for i in range(n):
        at = START + timedelta(milliseconds=EVERY_MS * int(order[i] if order is not None else i))
        features = ",".join([f'"n{j:02d}":{v}' for j, v in enumerate(numbers[i].tolist())] + [f'"c{j}":"{w}"' for j, w in enumerate(picks[i])])
        lines.append('{"ts":"%s","id":"%d","model":"%s","version":"1","features":{%s},"embedding":%s,"logits":%s}\n' % (
            at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), i, models[i % len(models)], features, x[i].tolist(), z[i].tolist()))
    return lines


def write(path, lines):
    path.write_text("".join(lines))
    return path


class House:
    def __init__(self, oodd, home):
        self.oodd, self.home = oodd, home
        home.mkdir()

    def config(self, name, logs="log.jsonl", models=("one",), window="10s", lateness="1s", rules=0):
        text = SOURCE.format(logs=self.home / logs, state=self.home / f"{name}.state")
        text += "".join(MODEL.format(name=m, home=self.home, window=window, lateness=lateness) for m in models)
        if rules:
            (self.home / f"{name}-rules.lua").write_text("".join(RULE % (i, i) for i in range(rules)))
            text += f'rules "{self.home}/{name}-rules.lua"\n'
        return write(self.home / f"{name}.lua", [text])

    def fit(self, config, model, log):
        subprocess.run([self.oodd, "fit", "-c", config, "--model", model, "--output", self.home / f"{model}.ref", log], check=True, stdout=subprocess.DEVNULL)

    def replay(self, config, log):
        return measured([self.oodd, "replay", "-c", config, "--json", log])[0]

    def run(self, config, n):
        "CPU of the agent, from its start until n records are committed."
        state = config.with_suffix(".state")
        shutil.rmtree(state, ignore_errors=True)
        begin = time.monotonic()
        process = subprocess.Popen([self.oodd, "run", "-c", config], stdout=subprocess.DEVNULL, stderr=open(self.home / "said", "w"))
        _, cpu, _ = watched(process, lambda: time.sleep(.05) or committed(state) >= n or time.monotonic() - begin > 120)
        if committed(state) < n:
            sys.exit(f"scaling: the agent read {committed(state)} records of {n}: {(self.home / 'said').read_text()}")
        return cpu


def committed(state):
    try:
        with sqlite3.connect(f"file:{next(state.glob('*.db'))}?mode=ro", uri=True, timeout=1) as db:
            return db.execute("SELECT coalesce(sum(records), 0) FROM count WHERE what = 'read'").fetchone()[0]
    except (StopIteration, sqlite3.Error):
        return 0


def windows(house, n):
    "The same times, one after another; and shuffled within 60 windows."
    block = 60 * 10000 // EVERY_MS
    rng = np.random.default_rng(1)
    order = np.concatenate([i + rng.permutation(min(block, n - i)) for i in range(0, n, block)])
    few, many = house.config("few"), house.config("many", lateness="10m")
    one, other = write(house.home / "sorted.jsonl", make(n)), write(house.home / "shuffled.jsonl", make(n, order=order))
    return lambda: house.replay(few, one), lambda: house.replay(many, other)


def rules(house, n):
    few, many, log = house.config("few", rules=1), house.config("many", rules=100), write(house.home / "log.jsonl", make(n))
    return lambda: house.replay(few, log), lambda: house.replay(many, log)


def quiet_files(house, n):
    "One busy file; beside it 999 that have been read long ago."
    few, many = (house.config(side, logs=f"{side}/*.jsonl") for side in ("few", "many"))
    for name, others in (("few", 0), ("many", 999)):
        (house.home / name).mkdir()
        write(house.home / name / "busy.jsonl", make(n))
        for i in range(others):
            write(house.home / name / f"quiet{i}.jsonl", [])
    return lambda: house.run(few, n), lambda: house.run(many, n)


def many_files(house, n):
    "One file; and the same records spread over 1,000, each of which takes its turn."
    few, many = (house.config(side, logs=f"{side}/*.jsonl", lateness="10m") for side in ("few", "many"))
    lines = make(n)
    for name, count in (("few", 1), ("many", 1000)):
        (house.home / name).mkdir()
        for i in range(count):
            write(house.home / name / f"part{i}.jsonl", lines[i::count])
    return lambda: house.run(few, n), lambda: house.run(many, n)


CASES = (
    ("1 open window -> 60", windows), ("1 rule -> 100, windows of 250 records", rules), ("1 file -> 1 and 999 quiet ones", quiet_files), ("1 file -> 1,000 busy ones", many_files),
)


def case(oodd, root, i, name, prepare, n, rounds):
    """Two sizes of the same case: their difference over the difference in records is what a record costs, without start and end."""
    sides = []
    for size in (n // 10, n):
        house = House(oodd, root / f"{i}-{size}")
        shutil.copy(root / "one.ref", house.home / "one.ref")
        sides.append(prepare(house, size))
    cost = [[], []]
    for _ in range(rounds):
        for side in (0, 1):
            small, large = sides[0][side](), sides[1][side]()
            cost[side].append((large - small) / (n - n // 10) * 1e6)
    few, many = (statistics.median(c) for c in cost)
    print(f"  {name:38s}{few:8.2f}{many:8.2f} us/record {many / few:6.2f}x", flush=True)


def main(build, n=100000, rounds=5):
    oodd = Path(build) / "agent" / "oodd"
    with tempfile.TemporaryDirectory(prefix="oodd-bench-") as root:
        root = Path(root)
        house = House(oodd, root / "reference")
        house.fit(house.config("fit"), "one", write(house.home / "reference.jsonl", make(REFERENCE)))
        shutil.copy(house.home / "one.ref", root / "one.ref")
        print(f"{n} records, {rounds} rounds, medians: what a record costs, with little and with much around it")
        for i, (name, prepare) in enumerate(CASES):
            case(oodd, root, i, name, prepare, n, rounds)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
