# SPDX-License-Identifier: Apache-2.0
"""Every shipped detector against numpy and scipy, written here from the papers' formulas; and, where OODD_SHARED names a folder with
the oracle's tables (data/clinc150/oracle), against those."""
import json, os, subprocess, tempfile
import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from scipy.stats import norm

BUILD = os.environ.get("OODD_BUILD", ".")
PLUGINS = os.path.join(BUILD, "plugins")
RUN = os.path.join(BUILD, "tests/plugins/run_detector")


@pytest.fixture
def rng():
    return np.random.default_rng(20261121)


def check(name, ok, why=""):
    print(("ok      " if ok else "FAILED  ") + name)
    assert ok, f"{name}: {why}"


def near(name, got, want, relative=1e-4, absolute=0.0):
    """Every row within relative * |want| + absolute; says how near it came."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    off = np.abs(got - want) / np.maximum(relative * np.abs(want) + absolute, 1e-300)
    worst = int(np.nanargmax(off)) if len(off) else 0
    ok = bool(len(off) == 0 or (np.all(np.isfinite(off)) and off[worst] <= 1))
    check(f"{name}: {len(got)} rows, worst at {off[worst]:.2g} of what is allowed", ok, f"row {worst}: got {got[worst]!r}, want {want[worst]!r}")


def write(path, logits=None, embedding=None, predicted=None, numeric=None, category=None, n_known=()):
    """numeric and category: n x features; n_known: how many categories of each the reference has."""
    n = len(next(a for a in (logits, embedding, numeric, category) if a is not None))
    width = lambda a: 0 if a is None else a.shape[1]
    with open(path, "wb") as f:
        np.array([n, width(logits), width(embedding), predicted is not None, width(numeric), width(category)], np.int64).tofile(f)
        for a in (logits, embedding):
            if a is not None:
                np.ascontiguousarray(a, np.float32).tofile(f)
        if predicted is not None:
            np.asarray(predicted, np.int32).tofile(f)
        for k in range(width(numeric)):
            np.ascontiguousarray(numeric[:, k], np.float64).tofile(f)
        for k in range(width(category)):
            np.array([n_known[k]], np.int64).tofile(f)
            np.ascontiguousarray(category[:, k], np.int32).tofile(f)


class Refused(Exception):
    pass


def run_all(detector, rows, fit=None, **options):
    """rows and fit: dicts for write(). Returns scores (NaN where unscored), the bytes that fit wrote, and for each of the first 100
    rows its reasons: a list of (kind, index, weight)."""
    with tempfile.TemporaryDirectory() as folder:
        path = lambda name: os.path.join(folder, name)
        write(path("score"), **rows)
        if fit:
            write(path("fit"), **fit)
        r = subprocess.run([RUN, PLUGINS, detector, path("fit") if fit else "-", path("score"), path("out")] +
                           [f"{k}={v}" for k, v in options.items()], capture_output=True, text=True)
        if r.returncode:
            raise Refused(r.stderr.strip())
        out = open(path("out"), "rb").read()
    n = len(next(iter(rows.values())))
    scores = np.frombuffer(out, np.float32, n).astype(float)
    scores[np.frombuffer(out, np.uint8, n, 4 * n) != 0] = np.nan
    n_bytes, at, reasons = int.from_bytes(out[5 * n:5 * n + 8], "little"), 5 * n + 8, []
    learned, at = out[at:at + n_bytes], at + n_bytes
    while at < len(out):
        count = int.from_bytes(out[at:at + 8], "little")
        reasons.append([(int(k), int(i), w) for k, i, w in np.frombuffer(out[at + 8:at + 8 + 24 * count], np.float64).reshape(-1, 3)])
        at += 8 + 24 * count
    return scores, learned, reasons


def run(detector, rows, fit=None, **options):
    return run_all(detector, rows, fit, **options)[:2]


# ---- the formulas ----

def msp(z):
    p = softmax(z, axis=1)
    a = p.argmax(1)
    p[np.arange(len(p)), a] = 0
    return p.sum(1)


def margin(z):
    p = softmax(z, axis=1)
    a = p.argmax(1)
    second = np.sort(p, axis=1)[:, -2] if z.shape[1] > 1 else 0
    p[np.arange(len(p)), a] = 0
    return p.sum(1) + second


def energy(z, t=1.0):
    return -t * logsumexp(z / t, axis=1)


def log_softmax_parts(z):
    log_p = z - logsumexp(z, axis=1, keepdims=True)
    p = np.exp(log_p)
    rest = np.array([[np.delete(r, c).sum() for c in range(len(r))] for r in p]) if z.shape[1] <= 32 else None
    if rest is None:
        rest = 1 - p
        top = p.argmax(1)
        q = p.copy()
        q[np.arange(len(p)), top] = 0
        rest[np.arange(len(p)), top] = q.sum(1)
    return log_p, p, rest


def entropy(z):
    log_p, p, _ = log_softmax_parts(z)
    return -(np.where(p > 0, p * log_p, 0)).sum(1)


def gen(z, gamma=0.1, most=100):
    log_p, p, rest = log_softmax_parts(z)
    with np.errstate(divide="ignore", invalid="ignore"):
        term = np.where(rest > 0, np.exp(gamma * (log_p + np.log(rest))), 0)
    order = np.argsort(-p, axis=1, kind="stable")[:, :most]
    return np.take_along_axis(term, order, 1).sum(1)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def moments(x, y, ridge):
    ridged = lambda s: s + ridge * np.trace(s) / len(s) * np.eye(len(s))
    classes = np.unique(y)
    mean = np.array([x[y == c].mean(0) for c in classes])
    residual = x - mean[np.searchsorted(classes, y)]
    middle = x - x.mean(0)
    return mean, np.linalg.inv(ridged(residual.T @ residual / len(x))), x.mean(0), np.linalg.inv(ridged(middle.T @ middle / len(x)))


def quadratic(d, a):
    return np.einsum("ij,jk,ik->i", d, a, d)


def mahalanobis(x, y, q, ridge=1e-6, normalise=True):
    x, q = (unit(x), unit(q)) if normalise else (x, q)
    mean, s, _, _ = moments(x, y, ridge)
    return np.min([quadratic(q - m, s) for m in mean], axis=0)


def relative(x, y, q, ridge=1e-6, normalise=True):
    near = mahalanobis(x, y, q, ridge, normalise)
    x, q = (unit(x), unit(q)) if normalise else (x, q)
    _, _, m, s0 = moments(x, y, ridge)
    return near - quadratic(q - m, s0)


def knn(x, q, k):
    return np.sort(np.linalg.norm(unit(q)[:, None] - unit(x)[None], axis=2), axis=1)[:, k - 1]


# ---- generated data ----

def blobs(rng, n, d, classes, spread=2.0, stretch=3.0):
    """Classes with one skewed covariance, as float32 would be logged."""
    shape = rng.normal(size=(d, d)) * np.logspace(0, -stretch / 2, d)
    mean = spread * rng.normal(size=(classes, d)) @ shape / np.sqrt(d)
    y = rng.integers(0, classes, n)
    return (1 + mean[y] + rng.normal(size=(n, d)) @ shape / np.sqrt(d)).astype(np.float32), y


def test_logits(rng):
    for classes in (2, 3, 10, 150, 1000, 3000):
        for scale in (0.1, 3, 30):
            z = (scale * rng.normal(size=(200, classes))).astype(np.float32)
            z[0] = 0
            z[1, :] = -50
            z[1, 1] = 40
            w, name = z.astype(float), f"{classes} classes, scale {scale}"
            near("msp, " + name, run("msp", dict(logits=z))[0], msp(w), absolute=1e-12)
            near("maxlogit, " + name, run("maxlogit", dict(logits=z))[0], -w.max(1))
            near("energy, " + name, run("energy", dict(logits=z))[0], energy(w), absolute=1e-5)
            near("energy, T 2.5, " + name, run("energy", dict(logits=z), temperature=2.5)[0], energy(w, 2.5), absolute=1e-5)
            near("entropy, " + name, run("entropy", dict(logits=z))[0], entropy(w), absolute=1e-12)
            near("margin, " + name, run("margin", dict(logits=z))[0], margin(w), absolute=1e-12)
            near("gen, " + name, run("gen", dict(logits=z))[0], gen(w))
            near("gen, gamma 0.5, M 5, " + name, run("gen", dict(logits=z), gamma=0.5, most=5)[0], gen(w, 0.5, 5), absolute=1e-12)


def test_logits_odd_rows():
    inf, nan = np.inf, np.nan
    z = np.array([[1, 2, 3], [nan, 2, 3], [inf, 0, 0], [-inf, -inf, -inf], [-inf, 0, -inf], [0, 0, -inf], [1e30, 0, 0], [3e38, -3e38, 0]], np.float32)
    for name in ("msp", "maxlogit", "energy", "entropy", "margin", "gen"):
        s = run(name, dict(logits=z))[0]
        check(f"{name}: NaN, inf and all -inf are not scored", np.isnan(s[1:4]).all(), str(s))
        check(f"{name}: a probability of zero is fine", np.isfinite(s[[0, 4, 5, 6, 7]]).all(), str(s))
    near("entropy of two equal classes and an impossible one", run("entropy", dict(logits=z[5:6]))[0], [np.log(2)])


def test_distances(rng):
    for d, classes, n in ((5, 2, 300), (16, 1, 300), (33, 7, 500), (64, 10, 800), (128, 150, 1500)):
        x, y = blobs(rng, n, d, classes)
        q = np.vstack([blobs(rng, 150, d, classes)[0], 3 * rng.normal(size=(50, d)).astype(np.float32), x[:20]])
        fit, rows, w, v = dict(embedding=x, predicted=y), dict(embedding=q), x.astype(float), q.astype(float)
        for normalise in (True, False):
            name = f"{d} dimensions, {classes} classes, {'normalised' if normalise else 'raw'}"
            o = dict(normalise=str(normalise).lower())
            want = mahalanobis(w, y, v, normalise=normalise)
            near("mahalanobis, " + name, run("mahalanobis", rows, fit, **o)[0], want)
            # What is subtracted is as large as `want`, so that is what single-precision input can be held to near zero.
            near("relative, " + name, run("relative", rows, fit, **o)[0], relative(w, y, v, normalise=normalise), absolute=2e-6 * np.median(want))
        near(f"mahalanobis, {d} dimensions, ridge 0.1", run("mahalanobis", rows, fit, regularisation=0.1)[0], mahalanobis(w, y, v, 0.1))
        again = [run(name, rows, fit)[1] for name in ("mahalanobis", "relative") for _ in (0, 1)]
        check(f"fits are the same bits twice, {d} dimensions", again[0] == again[1] and again[2] == again[3])


def test_distances_odd_rows(rng):
    x, y = blobs(rng, 400, 20, 5)
    q = x[:8].copy()
    q[1, 3], q[2, 0], q[3] = np.nan, np.inf, 0
    broken, label = x.copy(), y.copy()
    broken[7, 2], broken[9] = np.nan, 0
    label[11] = -1
    keep = np.setdiff1d(np.arange(400), [7, 9, 11])
    for name, want in (("mahalanobis", mahalanobis), ("relative", relative)):
        s = run(name, dict(embedding=q), dict(embedding=broken, predicted=label))[0]
        check(f"{name}: NaN, inf and a row without direction are not scored", np.isnan(s[1:4]).all() and np.isfinite(s[[0, 4, 5, 6, 7]]).all(), str(s))
        w = want(x[keep].astype(float), y[keep], q[[0, 4, 5]].astype(float))
        near(f"{name}: rows that cannot be used are left out of the fit", s[[0, 4, 5]], w, absolute=1e-4)
    for name in ("mahalanobis", "relative"):
        for text, fit in (("no scatter", dict(embedding=np.ones((50, 4)), predicted=np.zeros(50))),
                          ("fewer than two rows", dict(embedding=np.full((50, 4), np.nan), predicted=np.zeros(50))),
                          ("fewer than two rows", dict(embedding=np.ones((50, 4)), predicted=np.full(50, -1)))):
            try:
                run(name, dict(embedding=np.ones((1, 4))), fit)
                check(f"{name}: {text}", False, "was not refused")
            except Refused as r:
                check(f"{name}: refuses: {text}", text in str(r), str(r))


def test_few_rows(rng):
    x, y = blobs(rng, 40, 64, 4)
    s = run("mahalanobis", dict(embedding=x), dict(embedding=x, predicted=y), regularisation=0.01)[0]
    near("mahalanobis: fewer rows than dimensions", s, mahalanobis(x.astype(float), y, x.astype(float), 0.01), relative=1e-3)


def test_knn(rng):
    for d, n in ((3, 40), (17, 500), (64, 1500), (768, 700), (64, 6000)):  # the last is surely searched in bytes, where there are some
        x = blobs(rng, n, d, 3)[0]
        q = np.vstack([blobs(rng, 300, d, 3)[0], x[:30], x[:10] + 1e-5 * rng.normal(size=(10, d)).astype(np.float32)])
        for k in (1, 5, 40):
            # Of rows 1e-5 apart, single precision knows the distance to some 1e-7.
            near(f"knn, {d} dimensions, {n} rows, k {k}", run("knn", dict(embedding=q), dict(embedding=x), k=k)[0],
                 knn(x.astype(float), q.astype(float), k), absolute=3e-7)
        check("knn: a row of the bank is at distance 0 of itself", not run("knn", dict(embedding=x), dict(embedding=x), k=1)[0].any())
    x = blobs(rng, 1000, 8, 3)[0]
    kept = x[[i for i in range(1000) if (i + 1) * 300 // 1000 > i * 300 // 1000]]
    near("knn: a bank of 300 keeps evenly spaced rows", run("knn", dict(embedding=x), dict(embedding=x), k=3, bank=300)[0],
         knn(kept.astype(float), x.astype(float), 3), absolute=3e-7)
    odd = x[:5].copy()
    odd[1, 2], odd[2, 0], odd[3] = np.nan, np.inf, 0
    s = run("knn", dict(embedding=odd), dict(embedding=np.vstack([odd, x])))[0]
    check("knn: NaN, inf and a row without direction are not scored, nor learned", (np.isnan(s) == [0, 1, 1, 1, 0]).all(), str(s))
    with pytest.raises(Refused, match="k is 50, and only 20 rows"):
        run("knn", dict(embedding=x), dict(embedding=x[:20]), k=50)


# ---- the last layer, found again ----

def layer(x, z):
    theta = np.linalg.lstsq(np.c_[x, np.ones(len(x))], z, rcond=1e-6)[0]
    return theta[:-1].T, theta[-1]


def fdbd(w, mean, x, z):
    a, n = z.argmax(1), np.arange(len(z))
    length = np.linalg.norm(w[:, None] - w[None], axis=2)
    np.fill_diagonal(length, 1)
    return -((z[n, a][:, None] - z) / length[a]).sum(1) / (z.shape[1] - 1) / np.linalg.norm(x - mean, axis=1)


def vim(w, b, fit, fit_z, x, z, principal=None):
    d = fit.shape[1]
    u = -np.linalg.pinv(w, rcond=1e-6) @ b
    value, vector = np.linalg.eigh((fit - u).T @ (fit - u) / len(fit))
    r = vector[:, :d - (principal or d // 2)]
    alpha = fit_z.max(1).mean() / np.linalg.norm((fit - u) @ r, axis=1).mean()
    return alpha * np.linalg.norm((x - u) @ r, axis=1) - logsumexp(z, axis=1)


def scale(w, b, x, percentile=85):
    kept = max(1, x.shape[1] - int(np.round(x.shape[1] * percentile / 100)))
    with np.errstate(invalid="ignore"):
        r = np.nan_to_num(x.sum(1) / np.sort(x, axis=1)[:, -kept:].sum(1))
    return energy((x * np.exp(r)[:, None]) @ w.T + b)


def react(w, b, fit, x, percentile=90):
    return energy(np.minimum(x, np.percentile(fit, percentile)) @ w.T + b)


def network(rng, n, d, classes, dead=0):
    """A random ReLU layer and a last one over it, whose last `dead` units never fire."""
    fixed = np.random.default_rng([d, classes])
    centre, w, b = 2 * fixed.normal(size=(classes, d)), fixed.normal(size=(classes, d)) / np.sqrt(d), fixed.normal(size=classes) + 3
    x = np.maximum(centre[rng.integers(0, classes, n)] + rng.normal(size=(n, d)), 0)
    if dead:
        x[:, -dead:] = 0
    x = x.astype(np.float32)
    return x, (x.astype(float) @ w.T + b).astype(np.float32), w, b


def test_lastlayer(rng):
    for d, classes, n, dead in ((2, 2, 60, 0), (7, 3, 200, 1), (33, 5, 400, 0), (64, 10, 1200, 6), (40, 150, 900, 0), (128, 150, 2600, 0)):
        x, z, w, b = network(rng, n, d, classes, dead)
        q, qz, _, _ = network(rng, 200, d, classes, dead)
        q[:50] *= 3
        qz[:50] = (q[:50].astype(float) @ w.T + b).astype(np.float32)
        w[:, d - dead:] = 0
        fit, rows = dict(logits=z, embedding=x), dict(logits=qz, embedding=q)
        x, z, q, qz = x.astype(float), z.astype(float), q.astype(float), qz.astype(float)
        name = f"{d} dimensions ({dead} dead), {classes} classes"
        near("fdbd, " + name, run("fdbd", rows, fit)[0], fdbd(w, x.mean(0), q, qz), absolute=1e-6)
        probabilities = dict(logits=(qz - logsumexp(qz, axis=1)[:, None]), embedding=q)
        near("fdbd of log-probabilities, " + name, run("fdbd", probabilities, dict(logits=z - logsumexp(z, axis=1)[:, None], embedding=x))[0],
             fdbd(w, x.mean(0), q, qz), absolute=1e-5)
        # Logits are logged in single precision, and a dead direction of W may come back as one that is nearly so.
        near("vim, " + name, run("vim", rows, fit)[0], vim(w, b, x, z, q, qz), absolute=2e-5)
        if d > 3:
            near("vim, 3 principal directions, " + name, run("vim", rows, fit, principal=3)[0], vim(w, b, x, z, q, qz, 3), absolute=2e-5)
        for percentile in (85, 50):
            near(f"scale {percentile}, {name}", run("scale", rows, fit, percentile=percentile)[0], scale(w, b, q, percentile), absolute=1e-4)
        for percentile in (90, 55.5):
            near(f"react {percentile}, {name}", run("react", rows, fit, percentile=percentile)[0], react(w, b, x, q, percentile), absolute=1e-5)
        again = [run(name, rows, fit)[1] for name in ("fdbd", "vim", "scale", "react") for _ in (0, 1)]
        check(f"fits are the same bits twice, {name}", all(again[i] == again[i + 1] for i in (0, 2, 4, 6)))


def test_lastlayer_many_classes(rng):
    """More than a table of all pairs is made for; and one class twice, between which and itself no boundary runs."""
    for classes in (2048, 2049, 10000):
        x, z, w, b = network(rng, 120, 12, classes)
        w[5], b[5] = w[4], b[4] + 1
        z[:, 5] = z[:, 4] + 1
        got, a, off = run("fdbd", dict(logits=z[:40], embedding=x[:40]), dict(logits=z, embedding=x))[0], z.argmax(1), x.astype(float) - x.astype(float).mean(0)
        want = []
        for i in range(40):
            length = np.linalg.norm(w[a[i]] - w, axis=1)
            apart = length > 1e-5
            want.append(-((z[i, a[i]] - z[i].astype(float))[apart] / length[apart]).mean() / np.linalg.norm(off[i]))
        near(f"fdbd, {classes} classes", got, want)
        for detector in ("scale", "react"):
            want = {"scale": lambda: scale(w, b, x[:40].astype(float)), "react": lambda: react(w, b, x.astype(float), x[:40].astype(float))}[detector]()
            near(f"{detector}, {classes} classes", run(detector, dict(logits=z[:40], embedding=x[:40]), dict(logits=z, embedding=x))[0], want)


def test_lastlayer_gate(rng):
    x, z, w, b = network(rng, 1500, 20, 6)
    rows = dict(logits=z[:5], embedding=x[:5])
    refused = lambda detector, fit: pytest.raises(Refused, match=fit)
    cases = (("another layer's embedding", dict(logits=z, embedding=np.maximum(x @ rng.normal(size=(20, 10)), 0)), "the logged embedding is not what the logits are made of: R2 0"),
             ("an embedding of length 1", dict(logits=z, embedding=unit(x)), "is not what the logits are made of"),
             ("noise", dict(logits=z, embedding=rng.normal(size=x.shape)), "is not what the logits are made of: R2 -?0"),
             ("too few rows", dict(logits=z[:21], embedding=x[:21]), "too few to find a last layer"),
             ("next to no rows", dict(logits=z[:19], embedding=x[:19]), "19 rows have a whole embedding and whole logits, at least 20"),
             ("one logit", dict(logits=z[:, :1], embedding=x), "two logits or more"),
             ("nothing whole", dict(logits=z * np.nan, embedding=x), "0 rows have a whole embedding"),
             ("logits that never change", dict(logits=z * 0 + 1, embedding=x), "is not what the logits are made of"))
    for name, fit, why in cases:
        for detector in ("fdbd", "vim", "scale", "react"):
            with refused(detector, why):
                run(detector, rows, fit)
        check("refused: " + name, True)
    two_sided, other = x - 1, np.float32(x - x.mean() / 60)
    for name, fit, detectors in (("two-sided", two_sided, ("scale", "react")), ("a little below zero", other, ("scale",))):
        for detector in detectors:
            with refused(detector, "% of the activations' mass is below zero"):
                run(detector, rows, dict(logits=z, embedding=fit))
        check(f"refused by {detectors}: activations {name}", True)
    near("react takes activations a little below zero", run("react", dict(logits=z, embedding=other), dict(logits=z, embedding=other))[0],
         react(*layer(other.astype(float), z.astype(float)), other.astype(float), other.astype(float)), absolute=1e-4)
    with refused("vim", "principal is 20, and the embedding has only 20"):
        run("vim", rows, dict(logits=z, embedding=x), principal=20)
    with refused("vim", "not above zero on average"):
        run("vim", rows, dict(logits=z - 100, embedding=x))
    rounded = dict(logits=z.round(2), embedding=x.round(2))
    check("two decimals pass", run("fdbd", rounded, rounded)[0].shape == (1500,))


def test_lastlayer_odd_rows(rng):
    x, z, w, b = network(rng, 400, 12, 5)
    q, qz = x[:9].copy(), z[:9].copy()
    q[1, 3], q[2, 0], qz[3, 1], qz[4, 2], q[5] = np.nan, np.inf, np.nan, -np.inf, 0
    qz[5] = b
    broken, broken_z = x.copy(), z.copy()
    broken[7, 2], broken_z[9, 1] = np.nan, np.inf
    keep = np.setdiff1d(np.arange(400), [7, 9])
    for name, want in (("fdbd", lambda q, qz: fdbd(w, x[keep].astype(float).mean(0), q, qz)), ("vim", lambda q, qz: vim(w, b, x[keep].astype(float), z[keep].astype(float), q, qz)),
                       ("scale", lambda q, qz: scale(w, b, q)), ("react", lambda q, qz: react(w, b, x[keep].astype(float), q))):
        s = run(name, dict(logits=qz, embedding=q), dict(logits=broken_z, embedding=broken))[0]
        check(f"{name}: NaN and inf are not scored, an embedding of zeros is", (np.isnan(s) == [0, 1, 1, 1, 1, 0, 0, 0, 0]).all(), str(s))
        i = [0, 5, 6, 7, 8]
        near(f"{name}: rows that cannot be used are left out of the fit", s[i], want(q[i].astype(float), qz[i].astype(float)), absolute=1e-5)


# ---- features ----

def tails(fit, x):
    """-log of the share of fit <= x and >= x, x one more of them; zeros where x is missing."""
    fit = np.sort(fit[np.isfinite(fit)])
    n, missing = len(fit), np.isnan(x)
    left = -np.log((np.searchsorted(fit, x, "right") + 1) / (n + 1))
    right = -np.log((n - np.searchsorted(fit, x, "left") + 1) / (n + 1))
    return np.where(missing, 0, left), np.where(missing, 0, right)


def ecod_parts(fit, x, words=None, word=None, n_known=()):
    """rows x features: what each adds to the left sum, the right sum, and the one by skewness."""
    left, right, auto = [], [], []
    for f, v in zip(fit.T, x.T):
        l, r = tails(f, v)
        f = f[np.isfinite(f)]
        third = np.mean((f - f.mean()) ** 3) if len(f) and f.min() < f.max() else 0
        left.append(l), right.append(r), auto.append(l if third < 0 else r)
    for k, known in enumerate(n_known):
        counts = np.append(np.bincount(words[words[:, k] >= 0, k], minlength=known + 1)[:known], 0)
        rarer = {c: counts[counts <= c].sum() for c in np.unique(counts)}
        tail = np.array([-np.log((rarer[c] + 1) / (counts.sum() + 1)) for c in counts])
        tail = np.where(word[:, k] < 0, 0, tail[np.clip(word[:, k], 0, known)])
        left.append(tail), right.append(tail), auto.append(tail)
    return [np.array(a).T for a in (left, right, auto)]


def features(rng, n):
    """Numeric: normal, skewed to the right, to the left, few values, constant, never there. Categories: Zipf, two."""
    missing = lambda a: np.where(rng.random(n) < 0.1, np.nan, a)
    x = np.c_[rng.normal(size=n), missing(rng.lognormal(size=n)), -rng.exponential(size=n) * 1e6, rng.binomial(20, 0.8, n), np.full(n, 0.1), np.full(n, np.nan)]
    return x, np.c_[np.minimum(rng.zipf(1.5, n), 41) - 1, rng.integers(-1, 2, n)].astype(np.int32)


def test_ecod(rng):
    for n, points in ((30, 1024), (700, 1024), (20000, 1024), (20000, 64)):
        known = (40, 2)
        x, words = features(rng, n)
        words = np.where(words >= known, -1, words)
        q, word = features(rng, 300)
        q[:30, :4] *= 10
        q[30:40, 0], q[40:50, 4], q[50, 1], q[51, 1] = [np.nan] * 10, rng.normal(size=10), np.inf, -np.inf
        word[50:60, 1] = 2
        fit, rows = dict(numeric=x, category=words, n_known=known), dict(numeric=q, category=word, n_known=known)
        parts = ecod_parts(x, q, words, word, known)
        want, name = np.max([p.sum(1) for p in parts], axis=0), f"{n} rows, {points} points"
        got, learned, reasons = run_all("ecod", rows, fit, points=points)
        # Three of the features are tables: a tail in them is known to the factor by which their ranks grow.
        exact = n <= points
        near("ecod, " + name, got, want, 1e-6 if exact else 0, 0 if exact else 0.03 * 1024 / points * 0.5)
        check("ecod, fits are the same bits twice, " + name, run("ecod", rows, fit, points=points)[1] == learned)
        for i in range(100):
            told = {(kind, index): weight for kind, index, weight in reasons[i]}
            assert len(told) == len(reasons[i]) and abs(sum(told.values()) - 1) < 1e-12
            assert [w for _, _, w in reasons[i]] == sorted(told.values(), reverse=True)
            if exact:
                part = parts[max((2, 0, 1), key=lambda k: parts[k][i].sum())][i] / want[i]
                made = np.array([told.get((1, k), 0) for k in range(6)] + [told.get((2, k), 0) for k in range(2)])
                assert np.abs(made - part).max() < 1e-9, (i, made, part)
        check("ecod, reasons are what each feature adds, and add up to the score, " + name, True)
    there = ~np.isnan(q[:, :2]).all(1)
    got = run("ecod", dict(numeric=q[:, :2]), dict(numeric=x[:, :2]))[0]
    check("ecod: a row without any number is not scored", (np.isnan(got) == ~there).all() and not there.all())
    near("ecod, numeric features alone", got[there], np.max([p.sum(1) for p in ecod_parts(x[:, :2], q[there, :2])], axis=0), 0, 0.02)
    only = dict(category=words, n_known=known)
    want = np.max([p.sum(1) for p in ecod_parts(x[:, :0], q[:, :0], words, word, known)], axis=0)
    want[(word < 0).all(1)] = np.nan
    got = run("ecod", dict(category=word, n_known=known), only)[0]
    check("ecod: a row without any feature is not scored", (np.isnan(got) == np.isnan(want)).all())
    near("ecod, categories alone", got[~np.isnan(want)], want[~np.isnan(want)], 1e-6)
    many = rng.integers(0, 100000, 30000).astype(np.int32)[:, None]
    near("ecod, 100,000 categories", run("ecod", dict(category=many[:200], n_known=(100000,)), dict(category=many, n_known=(100000,)))[0],
         ecod_parts(x[:0, :0], x[:0, :0], many, many[:200], (100000,))[0][:, 0], 1e-6)
    with pytest.raises(Refused, match="no rows with features"):
        run("ecod", rows, dict(embedding=np.ones((5, 2))))


# ---- features together ----

def normal_scores(fit, x, words, word, known):
    """Coordinates of x: ranks as normal scores, rarities, and what is missing; fit has at most 512 distinct values a feature."""
    columns, rest, n = [], np.zeros(len(x)), len(fit)
    for f, v in zip(fit.T, x.T):
        there = np.sort(f[np.isfinite(f)])
        at, below = np.unique(there, return_index=True)
        up_to = np.r_[below[1:], len(there)]
        z = norm.ppf((below + up_to + 1) / 2 / (len(there) + 1))
        spread = there.std() if len(there) and there.std() > 1e-12 else abs(there.mean()) if len(there) and there.mean() else 1
        if len(there):
            score = np.interp(v, at, z)
            score = np.where(v < at[0], z[0] - (at[0] - v) / spread, np.where(v > at[-1], z[-1] + (v - at[-1]) / spread, score))
        else:
            score = np.zeros(len(v))
        columns.append(np.where(np.isnan(v), 0, np.clip(score, -1000, 1000)))
        rest += np.where(np.isnan(v), -np.log((n - len(there) + .5) / (n + 1)), -np.log((len(there) + .5) / (n + 1)))
    for k, most in enumerate(known):
        counts = np.bincount(words[words[:, k] >= 0, k], minlength=most + 1)
        rarity = -np.log((counts + .5) / (counts.sum() + 1))
        columns.append(np.where(word[:, k] < 0, (counts * rarity).sum() / counts.sum(), rarity[np.clip(word[:, k], 0, most)]))
        rest += np.where(word[:, k] < 0, -np.log((n - counts.sum() + .5) / (n + 1)), -np.log((counts.sum() + .5) / (n + 1)))
    return np.column_stack(columns + [rest])


def test_tabular(rng):
    known = (40, 2)
    x, words = features(rng, 500)
    x[:, 0] += x[:, 3]
    words = np.where(words >= known, -1, words)
    q, word = features(rng, 300)
    q[:30, :4] *= 10
    q[30:40, 0], q[40:50, 4], q[50, 1], q[51, 1] = [np.nan] * 10, rng.normal(size=10), np.inf, -np.inf
    word[50:60, 1] = 2
    fit, rows = dict(numeric=x, category=words, n_known=known), dict(numeric=q, category=word, n_known=known)
    z, zq = normal_scores(x, x, words, words, known), normal_scores(x, q, words, word, known)
    s = np.cov(z.T, ddof=0)
    inverse = np.linalg.inv(s + 1e-2 * np.trace(s) / len(s) * np.eye(len(s)))
    off = zq - z.mean(0)
    got, learned, reasons = run_all("copula", rows, fit)
    near("copula", got, np.einsum("ij,jk,ik->i", off, inverse, off))
    check("copula, fits are the same bits twice", run("copula", rows, fit)[1] == learned)
    for i in range(100):
        part = off[i] * (inverse @ off[i])
        shares = {(1, k): part[k] / part.clip(0).sum() for k in range(6)} | {(2, k): part[6 + k] / part.clip(0).sum() for k in range(2)}
        told = {(kind, index): weight for kind, index, weight in reasons[i]}
        assert list(told.values()) == sorted(told.values(), reverse=True)
        assert all(abs(shares[k] - told.get(k, 0)) < 1e-3 for k in shares if shares[k] > 1e-3), (i, shares, told)
    check("copula, reasons are what each feature adds", True)
    far = np.sqrt(((zq[:, None] - z[None]) ** 2).sum(2))
    for k in (1, 7):
        got, learned, reasons = run_all("tabular_knn", rows, fit, k=k)
        near(f"tabular_knn, k = {k}", got, np.sort(far, axis=1)[:, k - 1], 1e-4, 1e-4)
        for i in range(100):
            row = [(index, weight) for kind, index, weight in reasons[i] if kind == 4]
            assert len(row) == k and all(abs(far[i, int(j)] - w) < 1e-3 * w + 1e-3 for j, w in row)
        check(f"tabular_knn, k = {k}, reasons are the nearest rows", True)
    nothing = dict(numeric=np.full((3, 2), np.nan))
    for name in ("copula", "tabular_knn"):
        check(f"{name}: a row without any feature is not scored", np.isnan(run(name, nothing, dict(numeric=x[:, :2]))[0]).all())
        with pytest.raises(Refused, match="no rows with features"):
            run(name, rows, dict(embedding=np.ones((5, 2))))
    with pytest.raises(Refused, match="no feature varies"):
        run("copula", dict(numeric=np.ones((5, 2))), dict(numeric=np.ones((50, 2))))


# ---- the oracle ----

def lines(path):
    return subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout.decode().splitlines()


def table(path):
    rows = [line.split(",") for line in lines(path)]
    return {name: np.array([float(r[i]) for r in rows[1:]]) for i, name in enumerate(rows[0]) if name != "id"}


@pytest.mark.skipif("OODD_SHARED" not in os.environ, reason="OODD_SHARED is not set: a folder that holds data/clinc150 and its oracle")
def test_oracle():
    shared = os.environ["OODD_SHARED"]
    folder = os.path.join(shared, "data/clinc150")
    take = lambda name, field: np.array([json.loads(line)[field] for line in lines(os.path.join(folder, name + ".jsonl.zst"))], np.float32)
    oracle = table(os.path.join(folder, "oracle/scores_stream_all.csv.zst"))
    train, train_logits, stream, logits = take("reference_train", "embedding"), take("reference_train", "logits"), take("stream", "embedding"), take("stream", "logits")
    fit = dict(embedding=train, predicted=train_logits.argmax(1))
    near("oracle: msp", run("msp", dict(logits=logits))[0], oracle["msp"], 0, 1e-4)
    for name in ("maxlogit", "energy", "entropy", "gen"):
        near("oracle: " + name, run(name, dict(logits=logits))[0], oracle[name])
    for column, ridge in (("mahalanobis_pred", 1e-6), ("mahalanobis_pred_reg1e-3", 1e-3)):
        near("oracle: " + column, run("mahalanobis", dict(embedding=stream), fit, normalise="false", regularisation=ridge)[0], oracle[column])
    both, rows = dict(logits=train_logits, embedding=train), dict(logits=logits, embedding=stream)
    got, learned = run("fdbd", rows, both)
    near("oracle: fdbd", got, oracle["fdbd"])
    w = np.loadtxt(os.path.join(folder, "oracle/recovered_W_b.csv"), delimiter=",")
    w -= w.mean(0)
    near("oracle: W, less what all classes share", np.frombuffer(learned, np.float32)[-150 * 128:], w[:, :-1].ravel(), 0, 1e-6)
    # Between an energy and a residual of 10, 1e-4 of a score near zero is beyond single-precision logits.
    got, learned = run("vim", rows, both)
    near("oracle: vim", got, oracle["vim"], absolute=1e-6)
    info = json.load(open(os.path.join(folder, "oracle/fit_info.json")))["vim"]
    learned = np.frombuffer(learned[24:], np.float64)
    near("oracle: vim's alpha and |u|", [learned[0], np.linalg.norm(learned[1:129])], [info["alpha"], info["norm_u"]], 1e-6)
    for detector in ("scale", "react"):
        with pytest.raises(Refused, match="% of the activations' mass is below zero"):
            run(detector, rows, both)
    for k in (5, 50):
        near(f"oracle: knn{k}", run("knn", dict(embedding=stream), fit, k=k, bank=100000)[0], oracle[f"knn{k}"])
    # One of 7,100 rows lies at -0.0017 between terms of 90, where the embedding's single precision is 4e-7: the log's six digits count.
    for column, ridge in (("rmd_pred", 1e-6), ("rmd_pred_reg1e-3", 1e-3)):
        got = run("relative", dict(embedding=stream), fit, normalise="false", regularisation=ridge)[0]
        near("oracle: " + column, got, oracle[column])
