#!/usr/bin/python3
"""What kind of odd is said of records whose kind is known: true kind against said kind, by `oodd run` and the samples it keeps.

usage: OODD_BUILD=DIR OODD_SHARED=DIR kinds.py [SET...]       (OODD_SHARED: the folder whose data/ holds the sets)

no-banking, no-travel, no-small-talk: clinc150 without a domain, whose classes (15 each) are new and come all along, mixed with out-of-scope
queries (oos: each of another kind, mostly) and sentences of Wikipedia; the last layer is learned again without them. hostile: clinc150 with
records made up: the logits of a normal record on a place that no record is at; bursts of 20 near-copies of an odd query; and the queries of
ten classes, of which calibration holds two records each. clinc150, adult, elec2,
bike: the sets as they are, in the order of their times.
"""
import collections
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import numpy as np
from sklearn.linear_model import LogisticRegression

import fusion
from shared import OODD, SETS, SHARED

KINDS = ("novel_class", "adversarial", "far", "rare", "unsure", "data_fault", "other")


def kept(home, model, window, log):
    "Runs the agent over a log; id -> said kind of every odd record, and id -> the rest of what is kept."
    with open(f"{home}/oodd.lua", "w") as f:
        f.write(f'source "s" {{ path = "{log}" }}\nmodel "{model}" {{ reference = "{home}/ref", window = "{window}", samples = 10000 }}\n'
                f'rules "{home}/rules.lua"\nstate = "{home}/state"\n')
    with open(f"{home}/rules.lua", "w") as f:
        f.write('alert "Never" { when = function() return false end }\n')
    agent = subprocess.Popen([OODD, "run", "-c", f"{home}/oodd.lua"], stderr=subprocess.DEVNULL)
    size, until = os.path.getsize(log), time.monotonic() + 120
    try:
        while time.monotonic() < until:
            time.sleep(.3)
            try:
                with sqlite3.connect(f"file:{home}/state/oodd.db?mode=ro", uri=True) as db:
                    if db.execute("SELECT max(offset) FROM position").fetchone()[0] == size:
                        break
            except sqlite3.Error:
                pass
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait(30)
    with sqlite3.connect(f"{home}/state/oodd.db") as db:
        return {i: (k, w) for i, k, w in db.execute("SELECT id, kind, why FROM sample")}


def table(name, true, said, normal):
    "Odd records by true kind, in rows; what was said, in columns. `normal` names the true kinds that are not odd."
    print(f"\n==== {name}: records flagged or faulty, of all")
    kinds = [k for k in KINDS if any(said[i][0] == k for i in said)]
    print(f"{'':28s}{'records':>8s}{'odd':>7s}" + "".join(f"{k:>13s}" for k in kinds))
    for t in sorted(set(true.values())):
        ids = [i for i, k in true.items() if k == t]
        n = collections.Counter(said[i][0] for i in ids if i in said)
        print(f"{t + (' *' if t in normal else ''):28s}{len(ids):8d}{sum(n.values()):7d}" + "".join(f"{n[k]:13d}" for k in kinds), flush=True)
    return {t: collections.Counter(said[i][0] for i in true if true[i] == t and i in said) for t in set(true.values())}


def clinc():
    label = {r["id"]: r for r in fusion.rows("labels")}
    part = {p: [r for r in fusion.rows(p) if label[r["id"]]["ood"] is not None] for p in fusion.PARTS}
    x = [np.array([r["embedding"] for r in part[p]]) for p in fusion.PARTS]
    y = [np.array([label[r["id"]]["label"] or "" for r in part[p]]) for p in fusion.PARTS]
    return label, part, x, y, np.array([label[r["id"]]["kind"] for r in part["stream"]])


def watched(home, made, true):
    fusion.figures(home, made, true != "normal")
    os.rename(f"{home}/m.ref", f"{home}/ref")
    with open(f"{home}/stream.jsonl", "a") as f:  # closes what is open
        f.write('{"ts":"2026-04-30T00:00:00Z","id":"last","model":"m","version":"1"}\n')
    return {f"stream{i}": t for i, t in enumerate(true)}, kept(home, "m", "5m", f"{home}/stream.jsonl"), ("normal",)


def hostile(home):
    label, part, x, y, kind = clinc()
    z = [np.array([r["logits"] for r in part[p]]) for p in fusion.PARTS]
    dice, rare = np.random.default_rng(0), sorted(set(y[1]))[:10]
    keep = np.array([c not in rare or (y[1][:i] == c).sum() < 2 for i, c in enumerate(y[1])])
    calm = kind == "id"
    sure = np.flatnonzero(calm & (z[2].max(1) > np.median(z[2][calm].max(1))))[:150]
    place = dice.normal(size=(len(sure), x[2].shape[1])) * x[2].std()
    odd = np.flatnonzero(kind == "oos")
    copies = np.repeat(odd[np.argsort(z[2][odd].max(1))[:8]], 20)
    rows = [("normal", x[2][calm], z[2][calm]), ("confident, nowhere", place, z[2][sure])]
    order = dice.permutation(sum(len(v) for _, v, _ in rows))
    true = np.repeat([t for t, _, _ in rows], [len(v) for _, v, _ in rows])[order]
    true[(true == "normal") & np.isin(np.r_[y[2][calm], np.repeat("", len(sure))][order], rare)] = "rare class"
    v, w = (np.vstack(a)[order] for a in zip(*[(a, b) for _, a, b in rows]))
    at = np.linspace(100, len(v) - 100, 8).astype(int).repeat(20)  # each burst in one piece
    near = x[2][copies] * (1 + dice.normal(0, .01, (len(copies), x[2].shape[1])))
    v, w, true = np.insert(v, at, near, 0), np.insert(w, at, z[2][copies], 0), np.insert(true.astype(object), at, "burst of copies")
    return watched(home, [(x[0], z[0]), (x[1][keep], z[1][keep]), (v, w)], true)


def without(domain, home):
    label, part, x, y, kind = clinc()
    out = [c for c, d in {c: r["tags"]["pred_domain"] for r, c in zip(part["reference"], y[1]) if r["prediction"] == c}.items() if d == domain]
    known = [~np.isin(v, out) for v in y]
    m = LogisticRegression(C=.1, max_iter=100).fit(x[0][known[0]], y[0][known[0]])
    new = np.vstack([x[2][(kind == "id") & ~known[2]], x[1][~known[1]]])
    groups = [("normal", x[2][(kind == "id") & known[2]]), ("new class", new), ("oos", x[2][kind == "oos"]), ("wikipedia", x[2][kind == "far_ood_wiki"])]
    order = np.random.default_rng(0).permutation(sum(len(v) for _, v in groups))
    stream, true = np.vstack([v for _, v in groups])[order], np.repeat([t for t, _ in groups], [len(v) for _, v in groups])[order]
    made = [(v, m.decision_function(v)) for v in (x[0][known[0]], x[1][known[1]], stream)]
    return watched(home, made, true)


def as_it_is(name, home):
    window, model, train = SETS[name]
    log = {p: f"{SHARED}/{name}/{p}.jsonl.zst" for p in ("reference_train", "reference", "stream", "labels")}
    with open(f"{home}/oodd.lua", "w") as f:
        f.write(f'source "s" {{ path = "{home}/none" }}\nmodel "{model}" {{ reference = "{home}/ref", window = "{window}" }}\nstate = "{home}/state"\n')
    share = ["--fit", log["reference_train"], "--calibrate", log["reference"]] if train else [log["reference"]]
    subprocess.run([OODD, "fit", "-c", f"{home}/oodd.lua", "-m", model, "-o", f"{home}/ref", *share], check=True, stdout=subprocess.DEVNULL)
    text = {p: subprocess.run(["zstd", "-dc", log[p]], capture_output=True, text=True, check=True).stdout for p in ("stream", "labels")}
    with open(f"{home}/stream.jsonl", "w") as f:
        f.write(text["stream"])
    ids = {json.loads(line)["id"] for line in text["stream"].splitlines()}
    true = {r["id"]: r["kind"] for r in map(json.loads, text["labels"].splitlines()) if r["id"] in ids}
    normal = {"id", "id_prior_shift_in", "id_prior_shift_out", "slice_shift", "selection_shift"}
    return true, kept(home, model, window, f"{home}/stream.jsonl"), normal


def measure(name):
    with tempfile.TemporaryDirectory() as home:
        os.makedirs(f"{home}/state", exist_ok=True)
        true, said, normal = hostile(home) if name == "hostile" else \
            without(name[3:].replace("-", "_"), home) if name.startswith("no-") else as_it_is(name, home)
        return table(name, true, said, normal)


if __name__ == "__main__":
    for name in sys.argv[1:] or ("no-banking", "no-travel", "no-small-talk", "hostile", "clinc150", "adult", "elec2", "bike"):
        measure(name)
