# SPDX-License-Identifier: Apache-2.0
"""Every shipped window detector against numpy and scipy, from the papers' formulas."""
import json
import os
import subprocess
import tempfile

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.special import softmax
from scipy.stats import chi2_contingency

from test_detectors import PLUGINS, RUN, Refused, check, near, unit, write

HEAD = 24  # bytes before what a detector learned: see plugins/algebra/bytes.h


@pytest.fixture
def rng():
    return np.random.default_rng(20261121)


def compare(detector, fit, window, **options):
    "What was learned, the two vectors with their counts, and the answer."
    with tempfile.TemporaryDirectory() as folder:
        path = lambda name: os.path.join(folder, name)
        write(path("fit"), **fit)
        write(path("window"), **window)
        r = subprocess.run([RUN, PLUGINS, detector, path("fit"), path("window"), path("out")] + [f"{k}={v}" for k, v in options.items()],
                           capture_output=True, text=True)
        if r.returncode:
            raise Refused(r.stderr.strip())
        out = open(path("out"), "rb").read()
    n_bytes = int.from_bytes(out[:8], "little")
    learned, at = out[8:8 + n_bytes], 8 + n_bytes
    width, at = int.from_bytes(out[at:at + 8], "little"), at + 8
    vectors = []
    for _ in range(2):
        vectors.append((int.from_bytes(out[at:at + 8], "little"), np.frombuffer(out, np.int64, width, at + 8)))
        at += 8 + 8 * width
    numbers = np.frombuffer(out[at:], np.float64)
    return learned, vectors, numbers[:3], numbers[3:].reshape(-1, 4)


def embeddings(rng, n, d=24, shift=0.0, mix=None):
    x = rng.normal(size=(n, d)) * np.linspace(1, .2, d) + 1
    x = x if mix is None else x @ mix
    x[:, 0] += shift
    return x.astype(np.float32).astype(float)


# ---- rff_mmd ----

@pytest.mark.parametrize("normalise", [1, 0])
def test_rff_mmd_is_the_distance_of_mean_features(rng, normalise):
    x, y = embeddings(rng, 700), embeddings(rng, 90, shift=.6)
    learned, (ref, win), (statistic, expected, effect), _ = compare("rff_mmd", dict(embedding=x), dict(embedding=y), features=64, normalise=normalise)
    w = np.frombuffer(learned, np.float32, offset=HEAD).reshape(32, x.shape[1]).astype(float)
    u = unit if normalise else (lambda a: a)
    features = lambda a: np.hstack([np.cos(u(a) @ w.T), np.sin(u(a) @ w.T)]) / np.sqrt(32)
    near("sums of features", win[1] / 2**20, features(y).sum(0), 1e-4, 1e-3)
    m, n = features(x).mean(0), features(y).mean(0)
    variance = (1 - m @ m) * 700 / 699
    near("statistic, expected, effect", [statistic, expected, effect],
         [((m - n) ** 2).sum(), variance * (1 / 700 + 1 / 90), max(0, ((m - n) ** 2).sum() / variance - 1 / 700 - 1 / 90)], 1e-3)
    check("rows are counted", ref[0] == 700 and win[0] == 90)


def test_rff_mmd_is_near_the_kernels_own(rng):
    "The biased MMD of the Gaussian kernel, whose bandwidth is half the median squared distance."
    x, y = unit(embeddings(rng, 500)), unit(embeddings(rng, 200, shift=1.5))
    d2 = lambda a, b: (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    upper = d2(x, x)[np.triu_indices(len(x), 1)]
    two_variances = np.median(upper)
    k = lambda a, b: np.exp(-d2(a, b) / two_variances).mean()
    want = k(x, x) + k(y, y) - 2 * k(x, y)
    _, _, (statistic, *_), _ = compare("rff_mmd", dict(embedding=x), dict(embedding=y), features=1024, sample=1)
    near("MMD of the kernel itself", [statistic], [want], .12)


def test_rff_mmd_has_the_law_it_says(rng):
    "Windows of the same rows: the quotient is 1 on average, at any size."
    x = embeddings(rng, 3000)
    for n in (20, 300):
        ratios = [np.divide(*compare("rff_mmd", dict(embedding=x), dict(embedding=embeddings(rng, n)))[2][:2]) for _ in range(15)]
        check(f"quotient {np.mean(ratios):.3f} at {n} rows", abs(np.mean(ratios) - 1) < .15)


def test_the_same_seed_has_the_same_frequencies(rng):
    x = embeddings(rng, 300)
    learn = lambda **o: compare("rff_mmd", dict(embedding=x), dict(embedding=x[:9]), **o)[0]
    check("seed", learn(seed=3) == learn(seed=3) and learn(seed=3) != learn(seed=4))


# ---- moments ----

def projected(learned, x, p):
    numbers = np.frombuffer(learned, np.float32, offset=HEAD).astype(float)
    return unit(x) @ numbers[:-p].reshape(p, -1).T - numbers[-p:]


def test_directions_are_the_principal_ones(rng):
    x = embeddings(rng, 900)
    learned, *_ = compare("mean_shift", dict(embedding=x), dict(embedding=x[:50]), dimensions=5)
    z = projected(learned, x, 5)
    near("whitened: means", z.mean(0), np.zeros(5), 0, 1e-4)
    near("whitened: covariance", np.cov(z.T, ddof=0).ravel(), np.eye(5).ravel(), 1e-3, 1e-3)
    top = eigh(np.cov(unit(x).T, ddof=0))[1][:, -5:]
    w = np.frombuffer(learned, np.float32, offset=HEAD)[:-5].reshape(5, -1).astype(float)
    near("within the span of the first five", np.linalg.norm(w - w @ top @ top.T, axis=1) / np.linalg.norm(w, axis=1), np.zeros(5), 0, 1e-3)


def test_mean_shift_is_hotellings(rng):
    x, y = embeddings(rng, 800), embeddings(rng, 60, shift=.5)
    learned, _, (statistic, expected, effect), _ = compare("mean_shift", dict(embedding=x), dict(embedding=y), dimensions=6)
    a, b = projected(learned, x, 6), projected(learned, y, 6)
    off = b.mean(0) - a.mean(0)
    want = off @ np.linalg.solve(np.cov(a.T), off)
    near("statistic, expected, effect", [statistic, expected, effect], [want, 6 * (1 / 800 + 1 / 60), max(0, want - 6 * (1 / 800 + 1 / 60))], 1e-3)


def test_covariance_shift_is_nagaos(rng):
    mix = np.eye(24) + .4 * np.random.default_rng(1).normal(size=(24, 24))
    x, y = embeddings(rng, 800), embeddings(rng, 200, mix=mix)
    learned, _, (statistic, expected, effect), _ = compare("covariance_shift", dict(embedding=x), dict(embedding=y), dimensions=4)
    a, b = projected(learned, x, 4), np.clip(projected(learned, y, 4), -32, 32)
    s = np.linalg.solve(np.cov(a.T), np.cov(b.T))
    want = np.trace((s - np.eye(4)) @ (s - np.eye(4))) / 2
    near("statistic, expected", [statistic, expected], [want, 10 * (1 / 800 + 1 / 200)], 1e-3)
    check("effect", abs(effect - max(0, want - expected)) <= 1e-3 * want)


# ---- bbse ----

def labelled(rng, n, shares, sharp=2.0):
    "Logits of a calibrated model: classes drawn by shares, then z ~ N(sharp * e_y, 1), posterior under even classes."
    y = rng.choice(len(shares), n, p=shares)
    return y, sharp * (rng.normal(size=(n, len(shares))) + sharp * np.eye(len(shares))[y])


def test_bbse_solves_for_the_weights(rng):
    c = 6
    _, z = labelled(rng, 3000, np.full(c, 1 / c))
    _, t = labelled(rng, 500, np.array([.4, .2, .1, .1, .1, .1]))
    z, t = z.astype(np.float32).astype(float), t.astype(np.float32).astype(float)
    _, _, (statistic, expected, effect), shifts = compare("bbse", dict(logits=z), dict(logits=t), condition=1e6)
    p, q = softmax(z, axis=1), softmax(t, axis=1)
    together, m, n = p.T @ p / len(p), p.mean(0), q.mean(0)
    w = np.linalg.solve(together, n - m)  # of each class, less 1: E[p p'] (w - 1) = E_t[p] - E[p]
    want = (m * w**2).sum()
    g = together / np.sqrt(np.outer(m, m))
    near("statistic, expected", [statistic, expected], [want, (1 / eigh(g)[0][:-1]).sum() * (1 / 3000 + 1 / 500)], 2e-3)
    check("effect", abs(effect - (want - expected)) < 2e-3 * want)
    order = np.argsort(-np.abs(m * w))
    near("classes, largest first", shifts[:, 1], order[:8], 0, .1)
    near("shares before", shifts[:, 2], m[order], 1e-3, 1e-5)
    near("shares after", shifts[:, 3], np.maximum(0, m + m * w)[order], 1e-2, 1e-3)
    check("the shares are the true ones", np.abs(shifts[np.argsort(shifts[:, 1]), 3] - [.4, .2, .1, .1, .1, .1]).max() < .08)


def test_what_the_model_cannot_tell_apart_is_left_alone(rng):
    "Two classes with one logit between them: the gate drops the direction that swaps them, and the weights stay finite and fair."
    c = 5
    _, z = labelled(rng, 3000, np.full(c, 1 / c))
    z[:, 4] = z[:, 3] + 1e-3 * rng.normal(size=len(z))
    t = z[:400]
    _, _, (statistic, expected, effect), shifts = compare("bbse", dict(logits=z), dict(logits=t), condition=50)
    g = (lambda p: p.T @ p / len(p) / np.sqrt(np.outer(p.mean(0), p.mean(0))))(softmax(z.astype(np.float32).astype(float), axis=1))
    values = eigh(g)[0][::-1][1:]
    near("directions kept", [expected], [(1 / values[values * 50 >= 1]).sum() * (1 / 3000 + 1 / 400)], 2e-3)
    check("and one dropped", (values * 50 < 1).sum() == 1)
    with pytest.raises(Refused, match="tell no class from another"):
        compare("bbse", dict(logits=np.zeros((300, 3)) + 1e-4 * rng.normal(size=(300, 3))), dict(logits=np.zeros((10, 3))), condition=10)


# ---- chi_squared ----

def predictions(words, names):
    return dict(logits=np.zeros((len(words), len(names))), predicted=np.searchsorted(names, words))


def bundled(before, after, least):
    "Neighbouring classes counted together until enough are expected of the smaller row; what is left goes to the last."
    smaller, cells, open_ = min(1, sum(after) / sum(before)), [], np.zeros(2)
    for cell in np.transpose([before, after]).astype(float):
        open_ = open_ + cell
        if open_.sum() and open_[0] * smaller >= least:
            cells.append(open_)
            open_ = np.zeros(2)
    cells[-1] += open_
    return np.transpose(cells)


@pytest.mark.parametrize("n, k", [(90, 12), (600, 40), (40000, 7)])
def test_chi_squared_is_pearsons(rng, n, k):
    "With small classes put together, and with none; the table's own chance is in `expected`."
    names = np.arange(k)
    x, y = rng.choice(names, 5000, p=rng.dirichlet(np.ones(k) / 2)), rng.choice(names, n, p=rng.dirichlet(np.ones(k)))
    before, after = np.bincount(x, minlength=k), np.bincount(y, minlength=k)
    for least, table in ((5, bundled(before, after, 5)), (0, np.array([before, after])[:, before + after > 0])):
        _, (ref, win), (statistic, expected, effect), shifts = compare("chi_squared", predictions(x, names), predictions(y, names), least=least)
        want, all_ = chi2_contingency(table, correction=False), 5000 + n
        per = 1 / 5000 + 1 / n
        near("statistic, expected", [statistic / per, expected / per], [want.statistic, want.dof * all_ / (all_ - 1)], 1e-9)
        check("effect and counts", abs(effect - max(0, statistic - expected)) < 1e-12 and (ref[1] == before).all() and (win[1] == after).all())
        moved = np.abs(after / n - before / 5000)
        near("largest shifts first", np.abs(shifts[:, 3] - shifts[:, 2]), np.sort(moved)[::-1][:8], 1e-12)


def test_chi_squared_is_one_on_average_at_any_size(rng):
    "E[chi-squared] given both margins is (k - 1) N / (N - 1): windows of thirty records and of a thousand."
    names, p = np.arange(20), rng.dirichlet(np.ones(20))
    x = rng.choice(names, 3000, p=p)
    for n in (30, 1000):
        ratios = [np.divide(*compare("chi_squared", predictions(x, names), predictions(rng.choice(names, n, p=p), names), least=2)[2][:2]) for _ in range(15)]
        check(f"quotient {np.mean(ratios):.3f} at {n} rows", abs(np.mean(ratios) - 1) < .3)


@pytest.mark.parametrize("name, file", [("clinc150", "w1000"), ("clinc150", "w250"), ("adult", "w500"), ("elec2", "w1344"), ("bike", "w672")])
def test_chi_squared_is_the_oracles(name, file):
    data = os.path.join(os.environ.get("OODD_SHARED", "/nowhere"), "data", name)
    if not os.path.isdir(data):
        pytest.skip("OODD_SHARED names no folder with the data sets")
    words = lambda log: np.array([json.loads(line)["prediction"] for line in subprocess.run(
        ["zstd", "-qdc", os.path.join(data, log + ".jsonl.zst")], capture_output=True, check=True).stdout.splitlines()])
    x, y = words("reference"), words("stream")
    table = np.genfromtxt(os.path.join(data, "oracle", f"drift_{file}.csv"), delimiter=",", names=True, dtype=None, encoding="utf-8")
    rows = table[table["field"] == "prediction"]
    names = np.unique(np.concatenate([x, y]))
    for row in rows[:: max(1, len(rows) // 8)]:
        part = y[row["first_row"]:row["end_row"]]
        _, _, (statistic, *_), _ = compare("chi_squared", predictions(x, names), predictions(part, names), least=0)
        near(f"window {row['window']}", [statistic / (1 / len(x) + 1 / len(part))], [row["chi2"]], 1e-7)


def test_what_chi_squared_cannot_compare(rng):
    names = np.arange(50)
    with pytest.raises(Refused, match="cannot be compared"):
        compare("chi_squared", predictions(rng.choice(names, 900), names), predictions(names[:7], names))
    with pytest.raises(Refused, match="fewer than two classes"):
        compare("chi_squared", predictions(np.zeros(9, int), [0]), predictions(np.zeros(9, int), [0]))
    with pytest.raises(Refused, match="no predicted class"):
        compare("chi_squared", dict(logits=np.zeros((9, 3)), predicted=-np.ones(9)), predictions(names[:3], names[:3]))


# ---- what cannot be ----

@pytest.mark.parametrize("detector", ["rff_mmd", "mean_shift", "covariance_shift"])
def test_embeddings_all_the_same_are_refused(detector):
    with pytest.raises(Refused, match="same"):
        compare(detector, dict(embedding=np.ones((50, 4))), dict(embedding=np.ones((5, 4))))


def test_more_classes_than_can_be_held(rng):
    with pytest.raises(Refused, match="512"):
        compare("bbse", dict(logits=rng.normal(size=(20, 600))), dict(logits=rng.normal(size=(5, 600))))


if __name__ == "__main__":
    raise SystemExit(pytest.main(["-q", "-p", "no:cacheprovider", __file__]))
