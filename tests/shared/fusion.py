#!/usr/bin/python3
"""Does the default configuration do well wherever another detector is the best? Stand-ins for sets nobody has seen, through oodd itself.

usage: OODD_BUILD=DIR OODD_SHARED=DIR OODD_SETS=DIR fusion.py [SET...]       (OODD_SHARED: the folder whose data/ holds clinc150;
                                                                             OODD_SETS: public data, see battery.py)

clinc150 as it is; without the classes of a domain, which are then the odd ones, and a last layer learned for the rest; its texts under two
other classifiers (a hidden layer of 96 ReLU units; standardised, not normalised embeddings); scikit-learn's digits 0 to 6 under a small
network, with 7 to 9 (near) and with inverted, permuted and random pixels (far) as the odd ones; and the sets of battery.py, by kind of odd
record. Prints the fused figures beside those of the best single detector, which nobody knows beforehand.
"""
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

import battery

warnings.filterwarnings("ignore")
OODD = os.path.join(os.environ.get("OODD_BUILD", "."), "agent", "oodd")
FOLDER = os.path.join(os.environ.get("OODD_SHARED", "shared"), "data", "clinc150")
PARTS = ("reference_train", "reference", "stream")


def rows(name):
    out = subprocess.run(["zstd", "-dc", f"{FOLDER}/{name}.jsonl.zst"], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


class Clinc:
    def __init__(self):
        label = {r["id"]: r for r in rows("labels")}
        part = {p: [r for r in rows(p) if label[r["id"]]["ood"] is not None] for p in PARTS}
        self.x = [np.array([r["embedding"] for r in part[p]]) for p in PARTS]
        self.z = [np.array([r["logits"] for r in part[p]]) for p in PARTS]
        self.text = [[r["text"] for r in part[p]] for p in PARTS]
        self.label = [np.array([label[r["id"]]["label"] or "" for r in part[p]]) for p in PARTS]
        self.odd = np.array([label[r["id"]]["ood"] for r in part["stream"]])
        self.domain = {c: r["tags"]["pred_domain"] for r, c in zip(part["reference"], self.label[1]) if r["prediction"] == c}


def as_it_is(c):
    return list(zip(c.x, c.z)), c.odd


def without(domain):
    "Its classes are odd; the last layer is learned again from the others."
    def make(c):
        out = [k for k, d in c.domain.items() if d == domain]
        known = [~np.isin(label, out) for label in c.label]
        m = LogisticRegression(C=.1, max_iter=100).fit(c.x[0][known[0]], c.label[0][known[0]])
        normal, odd = known[2] & ~c.odd, ~known[2] & ~c.odd
        x = [c.x[0][known[0]], c.x[1][known[1]], np.vstack([c.x[2][normal], c.x[2][odd], c.x[1][~known[1]]])]
        return [(v, m.decision_function(v)) for v in x], np.r_[np.zeros(normal.sum(), bool), np.ones(len(x[2]) - normal.sum(), bool)]
    return make


def network(x, y, stream, hidden, **options):
    m = MLPClassifier(hidden, **options).fit(x[0], y)
    out = []
    for v in (*x, stream):
        for w, b in zip(m.coefs_[:-1], m.intercepts_[:-1]):
            v = np.maximum(v @ w + b, 0)
        out.append((v, v @ m.coefs_[-1] + m.intercepts_[-1]))
    return out


def words(c):
    count = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2).fit(c.text[0])
    narrow = TruncatedSVD(200, random_state=0).fit(count.transform(c.text[0]))
    return [10 * narrow.transform(count.transform(t)) for t in c.text]


def text_network(c):
    x = words(c)
    return network(x[:2], c.label[0], x[2], (96,), max_iter=25, random_state=0), c.odd


def text_standardised(c):
    x = words(c)
    x = [(v - x[0].mean(0)) / x[0].std(0) for v in x]
    m = LogisticRegression(C=.02, max_iter=60).fit(x[0], c.label[0])
    return [(v, m.decision_function(v)) for v in x], c.odd


def digits(far):
    def make(_):
        d, rng = load_digits(), np.random.default_rng(0)
        image, known, order = d.images / 16, d.target < 7, rng.permutation(len(d.target))

        def moved(which, times):
            image_ = [image[which]]
            for _ in range(times - 1):
                shift = np.roll(image[which], (rng.integers(-1, 2), rng.integers(-1, 2)), (1, 2))
                image_.append(np.clip(shift + rng.normal(0, .08, shift.shape), 0, 1))
            return np.vstack(image_).reshape(-1, 64)

        learn, reference, test = (p[known[p]] for p in (order[:700], order[700:1250], order[1250:]))
        x, normal = [moved(learn, 8), moved(reference, 6)], moved(test, 6)
        odd = np.vstack([1 - normal[:300], normal[300:600][:, rng.permutation(64)], rng.random((200, 64))]) if far else \
            moved(np.where(~known)[0], 2)
        out = network(x, np.tile(d.target[learn], 8), np.vstack([normal, odd]), (128, 64), max_iter=60, random_state=1)
        return out, np.r_[np.zeros(len(normal), bool), np.ones(len(odd), bool)]
    return make


SETS = {"clinc150": as_it_is, "no-banking": without("banking"), "no-travel": without("travel"), "no-small-talk": without("small_talk"),
        "text-network": text_network, "text-standardised": text_standardised, "digits-near": digits(False), "digits-far": digits(True)}


def write(path, name, day, part):
    "part: {field: rows}"
    fields = [k for k in ("embedding", "logits", "probabilities") if k in part]
    with open(path, "w") as f:
        for i in range(len(next(iter(part.values())))):
            s = 4 * i
            ts = f"2026-03-{day + s // 86400:02}T{s // 3600 % 24:02}:{s // 60 % 60:02}:{s % 60:02}Z"
            r = {"ts": ts, "id": f"{name}{i}", "model": "m", "version": "1"}
            r |= {k: [float(f"{a:.6g}") for a in part[k][i]] for k in fields}
            z = part.get("logits", part.get("probabilities"))
            if z is not None or "prediction" in part:
                r["prediction"] = f"c{z[i].argmax() if z is not None else part['prediction'][i]}"
            if "confidence" in part:
                r["confidence"] = float(f"{part['confidence'][i]:.6g}")
            if "features" in part:
                r["features"] = {f"x{k}": float(f"{a:.7g}") for k, a in enumerate(part["features"][i])}
            f.write(json.dumps(r) + "\n")


def oodd(*arguments):
    return subprocess.run([OODD, *arguments], capture_output=True, text=True, check=True).stdout


def run(folder, made, detectors=""):
    "What `oodd fit` and `oodd eval` say of a battery.Made, in JSON."
    for day, name, part in zip((1, 10, 20), PARTS, (made.fit, made.calibrate, made.stream)):
        write(f"{folder}/{name}.jsonl", name, day, part)
    with open(f"{folder}/labels.jsonl", "w") as f:
        f.writelines(json.dumps({"id": f"stream{i}", "ood": bool(k != "id"), "kind": str(k)}) + "\n" for i, k in enumerate(made.kind))
    with open(f"{folder}/oodd.lua", "w") as f:
        f.write(f'source "s" {{ path = "{folder}/none/*.jsonl" }}\nmodel "m" {{ reference = "{folder}/m.ref", {detectors} }}\nstate = "{folder}/state"\n')
    logs = [f"{folder}/{name}.jsonl" for name in PARTS]
    share = ("--fit", logs[0], "--calibrate", logs[1]) if made.trained else logs[:2]
    fitted = oodd("fit", "-c", f"{folder}/oodd.lua", "-m", "m", "-o", f"{folder}/m.ref", "--json", *share)
    judged = oodd("eval", "-c", f"{folder}/oodd.lua", "--labels", f"{folder}/labels.jsonl", "--resamples", "0", "--json", logs[2])
    return json.loads(fitted.splitlines()[0]), json.loads(judged.splitlines()[0])


def figures(folder, parts, odd):
    "parts: (embeddings, logits) of each."
    made = object.__new__(battery.Made)
    made.fit, made.calibrate, made.stream = ({"embedding": x, "logits": z} for x, z in parts)
    made.kind, made.trained = np.where(odd, "odd", "id"), True
    return run(folder, made)


def line(name, of, fitted):
    if not of["detectors"]:
        print(f"{name:42s} no detector")
        return float("nan")
    fused, best = of["fused"], max(of["detectors"], key=lambda d: d["auroc"] or 0)
    weights = " ".join(f"{d['name']} {d['weight']:.2f}" for d in fitted["detectors"])
    print(f"{name:42s} {fused['auroc']:8.4f}{fused['fpr95']:8.3f}{fused['tpr']:8.3f}   {fused['fpr']:7.4f}   "
          f"{best['auroc']:.4f} {best['fpr95']:.3f} {best['tpr']:.3f} {best['name']:12s}  {weights}", flush=True)
    return fused["auroc"] - best["auroc"]


def main():
    names = sys.argv[1:] or [*SETS, *battery.SETS]
    c = Clinc() if any(n in SETS for n in names) else None
    less = {}
    print(f"{'':42s} {'fused':>24s}   {'normal':>7s}   best single detector\n{'':42s} {'AUROC':>8s}{'FPR95':>8s}{'flagged':>8s}   {'flagged':>7s}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            if name in SETS:
                fitted, judged = figures(folder, *SETS[name](c))
                less[name] = [line(name, judged, fitted)]
                continue
            try:
                fitted, judged = run(folder, battery.SETS[name]())
            except battery.Absent as absent:
                print(f"{name}: skipped: {absent}")
                continue
        less[name] = [line(f"{name}: {kind}", of, fitted) for kind, of in judged["kinds"].items() if kind != "id"]
    less = {k: of for k, of in less.items() if not np.isnan(of).any()}
    each = [d for of in less.values() for d in of]
    print(f"\nAUROC less that of the best single detector: mean over sets {np.mean([np.mean(of) for of in less.values()]):+.4f}, worst {min(each):+.4f}, "
          f"of {len(each)} kinds of odd records in {len(less)} sets")


if __name__ == "__main__":
    main()
