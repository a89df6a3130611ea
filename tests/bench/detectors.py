#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make bench: what every shipped detector costs a record, beside numpy and scikit-learn on the same rows in turn with it.

usage: detectors.py BUILD_DIR [ROUNDS]

Microseconds of CPU a record, one core, the best of some rounds, batches of 256. The counterparts are written as one would for speed:
fitted beforehand, whole batches at a time, products by OpenBLAS with the kernels of this processor on one thread; scikit-learn where it
has the method. They score the same rows, and `off` is how far the two are apart at most, as a part of the scores' spread: a bench of two
things that are not the same would say nothing. Then the default set against what it may cost (30 us at 128 dimensions and 150
classes, 100 us at 768). Figures are for this machine and minute: carry forward the ratios.
"""
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FLAGS = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "").split() if os.path.exists("/proc/cpuinfo") else []
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
if FLAGS:  # an OpenBLAS older than the processor would fall back to its slowest kernels
    os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX" if "avx512f" in FLAGS else "Haswell" if "avx2" in FLAGS else "Nehalem")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "plugins"))

import numpy as np
from scipy.special import logsumexp, softmax
from scipy.stats import norm
from sklearn.covariance import EmpiricalCovariance
from sklearn.neighbors import NearestNeighbors

from test_detectors import network, unit, write

BATCH = 256
SHAPES = ((64, 10, 10000, 4096), (128, 150, 5000, 4096), (768, 150, 3125, 1024))  # dimensions, classes, rows to learn from and to score
FEATURES = 20
AIMS = {128: 30, 768: 100}
DEFAULT = ("maxlogit", "gen", "entropy", "mahalanobis", "relative", "knn", "fdbd", "vim")  # as agent/score/fit_detectors.c


# ---- counterparts: what is learned from (x, z, y); then what scores a batch (x, z) ----

def logits(function):
    return lambda x, z, y: lambda x, z: function(z)


def margin(z):
    top = -np.partition(-softmax(z, axis=1), 1, axis=1)[:, :2]
    return 1 - (top[:, 0] - top[:, 1])


def entropy(z):
    p = softmax(z, axis=1)
    return -(p * np.log(p + 1e-30)).sum(1)


def gen(z):
    p = softmax(z, axis=1)
    if p.shape[1] > 100:
        p = np.partition(p, p.shape[1] - 100, axis=1)[:, -100:]
    return ((p * (1 - p)) ** 0.1).sum(1)


def whitening(residual):
    s = EmpiricalCovariance(assume_centered=True).fit(residual).covariance_
    return np.linalg.inv(np.linalg.cholesky(s + 1e-6 * np.trace(s) / len(s) * np.eye(len(s)))).T


def mahalanobis(x, z, y, real=np.float32):
    x = unit(x.astype(float))
    mean = np.array([x[y == c].mean(0) for c in np.unique(y)])
    m, w = x.mean(0).astype(real), whitening(x - mean[np.searchsorted(np.unique(y), y)]).astype(real)
    centre = ((mean - x.mean(0)) @ w).astype(real)
    bias = (centre ** 2).sum(1) / 2

    def score(x, z):
        white = (unit(x.astype(real)) - m) @ w
        return (white ** 2).sum(1) + 2 * (bias - white @ centre.T).min(1)
    return score


def relative(x, z, y):
    near = mahalanobis(x, z, y, float)
    x = unit(x.astype(float))
    m, w = x.mean(0), whitening(x - x.mean(0))
    return lambda x, z: near(x, z) - (((unit(x.astype(float)) - m) @ w) ** 2).sum(1)


def knn(x, z, y):
    index = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(unit(x))
    return lambda x, z: index.kneighbors(unit(x))[0][:, -1]


def last_layer(x, z):
    theta = np.linalg.lstsq(np.c_[x, np.ones(len(x))].astype(float), z.astype(float), rcond=1e-6)[0]
    return theta[:-1].astype(np.float32), theta[-1].astype(np.float32)


def fdbd(x, z, y):
    w, _ = last_layer(x, z)
    square = (w ** 2).sum(0)
    length = np.sqrt(np.maximum(square[:, None] + square - 2 * w.T @ w, 0))
    np.fill_diagonal(length, np.inf)
    inverse, m = (1 / length).astype(np.float32), x.mean(0)

    def score(x, z):
        a = z.argmax(1)
        return -((z[np.arange(len(z)), a][:, None] - z) * inverse[a]).sum(1) / (z.shape[1] - 1) / np.linalg.norm(x - m, axis=1)
    return score


def vim(x, z, y):
    w, b = (a.astype(float) for a in last_layer(x, z))
    u = -np.linalg.pinv(w.T, rcond=1e-6) @ b
    middle = x.astype(float) - u
    r = np.linalg.eigh(middle.T @ middle / len(x))[1][:, :x.shape[1] - x.shape[1] // 2]
    alpha = z.max(1).mean() / np.linalg.norm(middle @ r, axis=1).mean()
    return lambda x, z: alpha * np.linalg.norm((x - u) @ r, axis=1) - logsumexp(z, axis=1)


def scale(x, z, y):
    w, b = last_layer(x, z)
    cut = x.shape[1] - max(1, x.shape[1] - int(np.round(x.shape[1] * .85)))

    def score(x, z):
        r = np.exp(x.sum(1) / np.partition(x, cut, axis=1)[:, cut:].sum(1))
        return -logsumexp((z - b) * r[:, None] + b, axis=1)
    return score


def react(x, z, y):
    (w, b), c = last_layer(x, z), np.percentile(x, 90).astype(np.float32)
    return lambda x, z: -logsumexp(np.minimum(x, c) @ w + b, axis=1)


def ecod(x, z, y):
    ordered = [np.sort(f) for f in x.T]
    skewed = np.array([((f - f.mean()) ** 3).mean() < 0 for f in x.T])
    n = len(x) + 1

    def score(x, z):
        left = -np.log([(np.searchsorted(f, v, "right") + 1) / n for f, v in zip(ordered, x.T)])
        right = -np.log([(n - np.searchsorted(f, v, "left")) / n for f, v in zip(ordered, x.T)])
        return np.max([left.sum(0), right.sum(0), np.where(skewed[:, None], left, right).sum(0)], axis=0)
    return score


def normal_scores(fit):
    knots = []
    for f in fit.T:
        at, below, count = np.unique(np.sort(f), return_index=True, return_counts=True)
        knots.append((at, norm.ppf((2 * below + count + 1) / 2 / (len(f) + 1)), f.std()))
    there = -len(knots) * np.log((len(fit) + .5) / (len(fit) + 1))  # the last coordinate: nothing is missing

    def scores(x):
        out = np.empty((len(x), len(knots) + 1))
        for k, (at, z, spread) in enumerate(knots):
            v = x[:, k]
            out[:, k] = np.interp(v, at, z) + np.minimum(v - at[0], 0) / spread + np.maximum(v - at[-1], 0) / spread
        out[:, -1] = there
        return out
    return scores


def copula(x, z, y):
    scores = normal_scores(x)
    s, m = np.cov(scores(x).T, ddof=0), scores(x).mean(0)
    w = np.linalg.inv(np.linalg.cholesky(s + 1e-2 * np.trace(s) / len(s) * np.eye(len(s)))).T
    return lambda x, z: (((scores(x) - m) @ w) ** 2).sum(1)


def tabular_knn(x, z, y):
    scores = normal_scores(x)
    index = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(scores(x)[1::2])
    return lambda x, z: index.kneighbors(scores(x))[0][:, 0]


DETECTORS = {
    "msp": logits(lambda z: 1 - softmax(z, axis=1).max(1)), "maxlogit": logits(lambda z: -z.max(1)), "energy": logits(lambda z: -logsumexp(z, axis=1)),
    "entropy": logits(entropy), "margin": logits(margin), "gen": logits(gen), "mahalanobis": mahalanobis, "relative": relative, "knn": knn,
    "fdbd": fdbd, "vim": vim, "scale": scale, "react": react,
}
OPTIONS = {"knn": "knn:k=1"}


class Ours:
    "The shipped detectors, in a process that scores when told."

    def __init__(self, build, home, names, fit, rows):
        self.names, self.out = names, home / "out"
        write(home / "fit", **fit)
        write(home / "rows", **rows)
        self.process = subprocess.Popen([build / "tests/bench/time_detectors", build / "plugins", home / "fit", home / "rows", self.out] +
                                        [OPTIONS.get(n, n) for n in names], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, name):
        self.process.stdin.write(f"{self.names.index(name)} {BATCH}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"detectors: time_detectors ended at {name}")
        return float(line), np.fromfile(self.out, np.float32)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def theirs(score, x, z):
    begin = time.thread_time()
    parts = [score(x[i:i + BATCH], None if z is None else z[i:i + BATCH]) for i in range(0, len(x), BATCH)]
    return (time.thread_time() - begin) / len(x), np.concatenate(parts)


def compare(build, home, title, detectors, fit, rows, x, z, learned, rounds):
    "Turn by turn; prints a line for each detector, returns seconds a row of ours and of theirs."
    ours = Ours(build, home, list(detectors), fit, rows)
    best = {name: [np.inf, np.inf, 0] for name in detectors}
    counterparts = {name: make(*learned) for name, make in detectors.items()}
    for _ in range(rounds):
        for name, (a, b, _) in best.items():
            mine, scores = ours.run(name)
            other, same = theirs(counterparts[name], x, z)
            best[name] = [min(a, mine), min(b, other), np.abs(scores - same).max() / np.ptp(same)]
    ours.close()
    print(title)
    print(f"  {'':14s}{'us/record':>10s}{'numpy us':>10s}{'faster':>8s}{'off':>10s}")
    for name, (a, b, off) in best.items():
        print(f"  {name:14s}{a * 1e6:10.2f}{b * 1e6:10.2f}{b / a:7.1f}x{off:10.1e}")
    return best


def vectors(build, home, rng, shape, rounds):
    d, classes, n, m = shape
    x, z, _, _ = network(rng, n + m, d, classes)
    y = z.argmax(1)
    best = compare(build, home, f"{d} dimensions, {classes} classes, knn with k = 1 among {n} rows", DETECTORS, dict(embedding=x[:n], logits=z[:n], predicted=y[:n]),
                   dict(embedding=x[n:], logits=z[n:], predicted=y[n:]), x[n:], z[n:], (x[:n], z[:n], y[:n]), rounds)
    a, b = (sum(best[name][i] for name in DEFAULT) * 1e6 for i in (0, 1))
    aim = f" (aim: {AIMS[d]} us)" if d in AIMS else ""
    print(f"  the default set: {a:.1f} us/record{aim}; numpy and scikit-learn {b:.1f} us, {b / a:.1f}x\n")


def features(build, home, rng, rounds):
    x = np.round(np.c_[rng.normal(size=(14096, FEATURES // 2)), rng.lognormal(size=(14096, FEATURES // 2))], 1)
    detectors = {"ecod": ecod, "copula": copula, "tabular_knn": tabular_knn}
    compare(build, home, f"{FEATURES} numeric features, learned from 10000 rows, tabular_knn from every second", detectors, dict(numeric=x[:10000]), dict(numeric=x[10000:]), x[10000:], None,
            (x[:10000], None, None), rounds)


def main(build, rounds=5):
    rng = np.random.default_rng(3)
    with tempfile.TemporaryDirectory(prefix="oodd-bench-") as home:
        for shape in SHAPES:
            vectors(Path(build), Path(home), rng, shape, rounds)
        features(Path(build), Path(home), rng, rounds)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
