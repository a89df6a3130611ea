#!/usr/bin/python3
"""Embeddings that change without their mean moving, and who finds it. After 600 ordinary records a part of those that follow is changed: drawn
to the mean (collapse), blown up (spread), two directions tied together (correlation), one direction split in two (bimodal), or moved (mean, to
compare). A made-up cloud, the hidden layer of a small network on digits (noise, blur and contrast are done to the images), clinc150's own.
Windows of 75 records until each measure is named among those that moved, or its evidence would page by itself; the median of three draws. The last
column: how often that was before anything had changed.

usage: OODD_BUILD=DIR OODD_SHARED=DIR shapes.py [made|digits|clinc150...]
"""
import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone

import numpy as np

OODD = os.path.join(os.environ.get("OODD_BUILD", "."), "agent", "oodd")
SHARED = os.path.join(os.environ.get("OODD_SHARED", "/nowhere"), "data")
WINDOWS = ("mean_shift", "covariance_shift", "rff_mmd", "bbse", "chi_squared")
MEASURES = ("p-value", "confidence", "class") + WINDOWS
ALONE = 9.06 + 2.9 # log of the budget, and of what a sum over fourteen measures takes off
BEFORE, AFTER, REFERENCE = 600, 3000, 12000


class Cloud:
    "Rows to draw from, the head of the model, and principal directions to change them in."
    def __init__(self, train, pool, logits):
        self.train, self.pool, self.logits = train, pool, logits
        self.mean = pool.mean(0)
        self.values, self.vectors = np.linalg.eigh(np.cov((pool - self.mean).T))
        self.corrupt = {}

    def draw(self, rng, n):
        return self.pool[rng.integers(0, len(self.pool), n)]

    def shapes(self):
        off = lambda x: (x - self.mean) @ self.vectors / np.sqrt(np.maximum(self.values, 1e-12))
        back = lambda z: z * np.sqrt(np.maximum(self.values, 1e-12)) @ self.vectors.T + self.mean

        def whitened(change):
            def apply(x, rng):
                z = off(x)
                change(z, rng)
                return back(z)
            return apply

        def tie(z, rng):
            z[:, -2] = .5 * z[:, -1] + np.sqrt(.75) * z[:, -2]

        def split(z, rng):
            z[:, -1] = .6 * z[:, -1] + .8 * rng.choice([-1, 1], len(z))

        def move(z, rng):
            z[:, -1] += .5

        return {"mean": whitened(move), "collapse": lambda x, rng: self.mean + .8 * (x - self.mean), "spread": lambda x, rng: self.mean + 1.25 * (x - self.mean),
                "correlation": whitened(tie), "bimodal": whitened(split), **self.corrupt}


def made():
    rng = np.random.default_rng(1)
    centres, mix = rng.normal(size=(10, 32)), rng.normal(size=(32, 32)) * np.linspace(1, .1, 32) / 3
    rows = lambda n: 1 + centres[rng.integers(0, 10, n)] + rng.normal(size=(n, 32)) @ mix
    return Cloud(rows(4000), rows(20000), lambda x: (x - 1) @ centres.T - (centres**2).sum(1) / 2)


def digits():
    from scipy.ndimage import gaussian_filter
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier
    rng = np.random.default_rng(1)
    x, y = load_digits(return_X_y=True)
    x = x / 16
    order = rng.permutation(len(x))
    model = MLPClassifier((32,), max_iter=400, random_state=1).fit(x[order[:600]], y[order[:600]])
    w, b, v, c = model.coefs_[0], model.intercepts_[0], model.coefs_[1], model.intercepts_[1]
    hidden = lambda images: np.maximum(images @ w + b, 0)
    images = lambda of, n: np.clip(x[rng.choice(of, n)] * rng.uniform(.9, 1.1, (n, 1)) + rng.normal(size=(n, 64)) * .03, 0, 1)
    pool = images(order[600:], 20000)
    cloud = Cloud(hidden(images(order[:600], 4000)), hidden(pool), lambda h: h @ v + c)
    cloud.images, cloud.hidden = pool, hidden
    cloud.corrupt = {"noise": lambda i, r: i + r.normal(size=i.shape) * .15, "blur": lambda i, r: gaussian_filter(i.reshape(-1, 8, 8), (0, .6, .6)).reshape(-1, 64),
                     "contrast": lambda i, r: i * .75}
    return cloud


def clinc150():
    rows = lambda log: [json.loads(line) for line in subprocess.run(["zstd", "-qdc", f"{SHARED}/clinc150/{log}.jsonl.zst"], capture_output=True, check=True).stdout.splitlines()]
    train, held = rows("reference_train"), rows("reference")
    x, z = (np.array([r[k] for r in train + held]) for k in ("embedding", "logits"))
    head = np.linalg.lstsq(np.hstack([x, np.ones((len(x), 1))]), z, rcond=None)[0]
    return Cloud(x[:len(train)], x[len(train):], lambda e: e @ head[:-1] + head[-1])


def write(path, x, z, start):
    t, draw = start, np.random.default_rng(len(x)).exponential(4, len(x))
    with open(path, "w") as f:
        for i, (e, l) in enumerate(zip(np.round(x, 5).tolist(), np.round(z, 4).tolist())):
            t += timedelta(seconds=draw[i])
            f.write(json.dumps({"ts": t.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z", "id": f"r-{i:06d}", "model": "m", "version": "1", "embedding": e,
                                "logits": l, "prediction": f"c{int(np.argmax(l)):03d}"}) + "\n")
    return t


def run(home, *args):
    done = subprocess.run([OODD, args[0], "-c", f"{home}/oodd.lua", *args[1:]], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def stream(cloud, change, share, seed):
    rng = np.random.default_rng(seed)
    at = rng.integers(0, len(cloud.pool), BEFORE + AFTER)
    x, hit = cloud.pool[at], np.arange(BEFORE + AFTER) >= BEFORE
    hit &= rng.random(len(hit)) < share
    if change in cloud.corrupt:
        x[hit] = cloud.hidden(cloud.corrupt[change](cloud.images[at[hit]], rng))
    elif change:
        x[hit] = cloud.shapes()[change](x[hit], rng)
    return x


def delays(home, cloud, change, share, seed):
    "Of each measure the first window in which it would page by itself, and whether it would have before."
    x = stream(cloud, change, share, seed)
    write(f"{home}/stream.jsonl", x, cloud.logits(x), datetime(2026, 3, 4, tzinfo=timezone.utc))
    moved = json.loads(open(f"{home}/stream.jsonl").readlines()[BEFORE])["ts"]
    signals = [e for e in map(json.loads, run(home, "replay", "--json", f"{home}/stream.jsonl").splitlines()) if e["event"] == "signal"]
    log_m = lambda e: {f["name"]: 99 if f["moved"] else f["log_m"] if f["log_m"] is not None else -9 for f in e["findings"]}
    first, false = dict.fromkeys(MEASURES), dict.fromkeys(MEASURES, 0)
    for e in signals:
        for name, m in log_m(e).items():
            if name in first and m > ALONE and e["end"] <= moved:
                false[name] = 1
            elif name in first and m > ALONE and not first[name]:
                first[name] = 1 + sum(moved < s["end"] < e["end"] for s in signals)
    return first, false


def main(names):
    for name in names or ("made", "digits", "clinc150"):
        cloud = globals()[name]()
        columns = [(c, s) for c in cloud.shapes() for s in (.3, 1)]
        with tempfile.TemporaryDirectory() as home:
            held = cloud.pool[np.random.default_rng(7).permutation(len(cloud.pool))[:REFERENCE]]
            write(f"{home}/train.jsonl", cloud.train, cloud.logits(cloud.train), datetime(2026, 3, 1, tzinfo=timezone.utc))
            write(f"{home}/held.jsonl", held, cloud.logits(held), datetime(2026, 3, 2, tzinfo=timezone.utc))
            open(f"{home}/oodd.lua", "w").write(f'source "s" {{ path = "{home}/none/*.jsonl" }}\nmodel "m" {{ reference = "{home}/m.ref", window = "5m", '
                                                f'false_alarms = "1 per 30d", detectors = {{ {", ".join(map(json.dumps, WINDOWS))} }} }}\nstate = "{home}/state"\n')
            run(home, "fit", "--model", "m", "--output", f"{home}/m.ref", "--fit", f"{home}/train.jsonl", "--calibrate", f"{home}/held.jsonl")
            found = {c: [delays(home, cloud, *c, seed) for seed in (1, 2, 3)] for c in columns}
        print(f"{name:18s}" + "".join(f"{c[:7] + ' ' + str(int(100 * s)):>12s}" for c, s in columns) + "   false")
        for m in MEASURES:
            middle = [sorted(first[m] or 999 for first, _ in found[c])[1] for c in columns]
            print(f"{m:18s}" + "".join(f"{'-' if d == 999 else d:>12}" for d in middle) + f"   {sum(false[m] for c in columns for _, false in found[c])}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
