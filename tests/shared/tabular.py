#!/usr/bin/python3
"""Models of tables: logs with features and logits or probabilities, and no embedding. What the default set finds, beside the detectors
of logits alone; on records that are odd, by kind.

usage: OODD_BUILD=DIR OODD_SHARED=DIR tabular.py               (OODD_SHARED: the folder whose data/ holds adult)

adult as it is; and scikit-learn's digits (64 features), wine and breast cancer under a random forest: with classes left out, inverted,
with columns permuted, with one feature ten times as large. The small sets are drawn over and over with noise.
"""
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier

from shared import OODD, Trial

LOGITS = 'detectors = { "maxlogit" }'
SOFTMAX = 'detectors = { "msp", "gen", "entropy" }'


def auroc(odd, normal):
    ranks = rankdata(np.r_[normal, odd])
    return (ranks[len(normal):].sum() - len(odd) * (len(odd) + 1) / 2) / len(odd) / len(normal)


def report(name, scored, kinds, normal):
    "kinds: of each scored record; one line for each kind but the normal one."
    p = np.array([1 if r["p"] is None else r["p"] for r in scored])
    flag, kinds = np.array([r["flag"] for r in scored]), np.array(kinds)
    for kind in sorted(set(kinds) - {normal}):
        at = kinds == kind
        print(f"{name:36} {kind:24} AUROC {auroc(-p[at], -p[kinds == normal]):.4f}  flagged {flag[at].mean():.3f}  normal {flag[kinds == normal].mean():.4f}")


def adult(detectors, name):
    with tempfile.TemporaryDirectory() as home:
        trial = Trial("adult", home, detectors)
        labels, scored = trial.labels(), trial.scores()
        report(name, scored, [labels[r["id"]]["kind"] for r in scored], "id")


def log(path, x, p, start):
    with open(path, "w") as f:
        for i, (row, probabilities) in enumerate(zip(x, p)):
            ts = (start + timedelta(seconds=10 * i)).strftime("%Y-%m-%dT%H:%M:%SZ")
            f.write(json.dumps({"ts": ts, "id": f"{path.stem}-{i}", "model": "m", "version": "1", "prediction": str(probabilities.argmax()),
                                "features": {f"x{k}": round(v, 6) for k, v in enumerate(row.tolist())}, "probabilities": probabilities.tolist()}) + "\n")


def trial(name, fit, y, reference, normal, odd):
    "odd: {kind: rows}. The forest learns from rows that are in no log."
    m = RandomForestClassifier(100, random_state=0).fit(fit, y)
    rows = np.vstack([normal, *odd.values()])
    kinds = ["normal"] * len(normal) + [k for k, v in odd.items() for _ in v]
    for detectors, words in ((SOFTMAX, "logits alone"), ("", "default")):
        with tempfile.TemporaryDirectory() as home:
            home, start = Path(home), datetime(2026, 1, 5, tzinfo=timezone.utc)
            log(home / "reference.jsonl", reference, m.predict_proba(reference), start)
            log(home / "stream.jsonl", rows, m.predict_proba(rows), start + timedelta(days=30))
            (home / "oodd.lua").write_text(f'source "s" {{ path = "{home}/none" }} model "m" {{ reference = "ref", window = "10m", {detectors} }}')
            run = lambda *a: subprocess.run([OODD, a[0], "-c", home / "oodd.lua", *a[1:]], capture_output=True, text=True, check=True).stdout
            run("fit", "--model", "m", "--output", home / "ref", home / "reference.jsonl")
            report(f"{name}, {words}", [json.loads(line) for line in run("score", "--json", home / "stream.jsonl").splitlines()], kinds, "normal")


def noisy(rng, x, n, noise=.15):
    return x[rng.integers(0, len(x), n)] + rng.normal(size=(n, x.shape[1])) * x.std(0) * noise


def small(rng, name, x, y, more):
    "A third of the rows for the forest; reference and stream are drawn from the others alike."
    order = rng.permutation(len(x))
    learn, rest = order[::3], np.setdiff1d(order, order[::3])
    fit = x[learn].repeat(5, axis=0)
    fit = fit + rng.normal(size=fit.shape) * x.std(0) * .15
    normal = noisy(rng, x[rest], 3000)
    trial(name, fit, y[learn].repeat(5), noisy(rng, x[rest], 3000), normal[:1500], more(rng, normal[1500:]))


def without(rng, name, x, y, held):
    known = ~np.isin(y, held)
    small(rng, f"{name} without {held}", x[known], y[known], lambda rng, _: {"left out": noisy(rng, x[~known], 600)})


def scaled(x, k, by):
    return np.where(np.arange(x.shape[1]) == k, x * by, x)


def main():
    rng = np.random.default_rng(1)
    adult(LOGITS, "adult, logits alone")
    adult("", "adult, default")
    digits, wine, cancer = load_digits(), load_wine(), load_breast_cancer()
    for held in ((8, 9), (0, 1), (3, 5)):
        without(rng, "digits", digits.data, digits.target, held)
    small(rng, "digits", digits.data, digits.target, lambda rng, x: {"inverted": 16 - x[:600]})
    for held in range(3):
        without(rng, "wine", wine.data, wine.target, (held,))
    small(rng, "cancer", cancer.data, cancer.target, lambda rng, x: {
        "columns permuted": np.column_stack([rng.permutation(c) for c in x[:600].T]), "one feature x10": scaled(x[600:1200], 0, 10)})


if __name__ == "__main__":
    sys.exit(main())
