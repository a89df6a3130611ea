#!/usr/bin/python3
"""How often the model was right, window by window: as labels say, as ATC and CBPE estimated it without them; when more errors and other
classes were found; and labels that were flipped on purpose.

usage: OODD_BUILD=DIR OODD_SHARED=DIR performance.py [--all] [SET...]       (OODD_SHARED: the folder whose data/ holds the sets)
"""
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from shared import OODD, SETS, SHARED, Trial

FLIPPED = .05


class Labelled(Trial):
    "A trial whose reference learns from labels."

    def __init__(self, name, home):
        super().__init__(name, home, fit=["--labels", SHARED / name / "labels.jsonl.zst"])

    def replay(self, labels):
        lines = self.run("replay", "--json", "--labels", labels, self.stream).splitlines()
        return [json.loads(line) for line in lines]


def reference_accuracy(name):
    path = next((SHARED / name / "oracle").glob("perf_w*.csv"))
    with open(path) as f:
        return float(next(r for r in csv.DictReader(f) if r["window"] == "-1")["accuracy"])


def estimates(trial, events, every):
    labels = trial.labels()
    stream = subprocess.run(["zstd", "-qdc", trial.stream], capture_output=True, text=True, check=True).stdout
    rows = [(r["ts"], labels[r["id"]]["label"] == r["prediction"], labels[r["id"]]["ood"] is True) for r in map(json.loads, stream.splitlines())]
    ts, right, odd = (np.array(x) for x in zip(*rows))
    off, said, contradicted = [], [], []
    for i, s in enumerate(e for e in events if e["event"] == "signal" and e["n"] >= 20):
        a, b = np.searchsorted(ts, [s["start"], s["end"]])
        p, truth = s["performance"], right[a:b].mean()
        off.append((abs(p["atc"] - truth), abs(p["cbpe"] - truth), abs(p["reference"] - truth), p["atc_interval"][0] <= truth <= p["atc_interval"][1]))
        c = p["checked"]
        if c:
            said.append((abs(p["atc"] - truth), abs(c["corrected"] - truth), c["corrected_interval"][0] <= truth <= c["corrected_interval"][1]))
        if c and c["contradicted"]:
            contradicted.append((s["start"], abs(p["atc"] - truth), abs(c["corrected"] - truth)))
        if every or i % 10 == 0:
            print(f"  {s['start'][:16]} n {b - a:4d} odd {odd[a:b].mean():4.0%}  right {truth:.3f}  ATC {p['atc']:.3f}  CBPE {p['cbpe']:.3f}  gap {p['gap']:+.3f}"
                  f"{'  novel' if p['novel'] else ''}")
    atc, cbpe, constant, inside = np.mean(off, axis=0)
    print(f"  mean absolute error of {len(off)} windows: ATC {atc:.4f}  CBPE {cbpe:.4f}  (the reference's accuracy for all: {constant:.4f}); ATC's interval holds {inside:.0%}")
    if said:
        raw, less, inside = np.mean(said, axis=0)
        print(f"  {len(said)} windows with labels before them: ATC {raw:.4f}, less its error {less:.4f}, whose interval holds {inside:.0%}; "
              f"contradicted by labels in {len(contradicted)}{', first ' + contradicted[0][0][:10] if contradicted else ''}")
    return atc, cbpe, contradicted


def found(trial, events):
    for s in (e for e in events if e["event"] == "signal" and e["fresh"]):
        new = [f for f in s["findings"] if f["moved"] and not f["latched"] and f["kind"] in ("accuracy", "label")]
        for f in new:
            print(f"  {s['start'][:16]} {trial.phase(s['start'])[:30]:30s} {f['name']}: {f['change']}")


def flipped(trial, path):
    "Precision and recall of the hint for labels flipped on purpose, in the stream's first stretch (clean where there is one)."
    rng = np.random.default_rng(1)
    labels = [r for r in trial.labels().values() if r["part"] == "stream" and r["ood"] is False]
    classes = sorted({r["label"] for r in labels})
    flip = {}
    for r in labels:
        if rng.random() < FLIPPED:
            flip[r["id"]] = r["label"]
            r["label"] = rng.choice([c for c in classes if c != r["label"]])
    path.write_text("".join(json.dumps(r) + "\n" for r in labels))
    named = {e["id"] for e in trial.replay(path) if e["event"] == "mislabelled"}
    hit = len(named & set(flip))
    print(f"  {len(flip)} of {len(labels)} labels flipped: {len(named)} named, precision {hit / max(1, len(named)):.2f}, recall {hit / len(flip):.2f}")
    return hit / max(1, len(named)), hit / len(flip)


def main(args):
    for name in [a for a in args if a != "--all"] or SETS:
        with tempfile.TemporaryDirectory() as home:
            trial = Labelled(name, home)
            print(f"\n==== {name}, windows of {trial.window}")
            print("\n".join(line for line in trial.summary.splitlines() if line.startswith(("accuracy", "labels"))))
            events = trial.replay(SHARED / name / "labels.jsonl.zst")
            estimates(trial, events, "--all" in args)
            found(trial, events)
            flipped(trial, Path(home) / "flipped.jsonl")


if __name__ == "__main__":
    main(sys.argv[1:])
