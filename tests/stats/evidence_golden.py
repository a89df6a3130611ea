#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/stats/evidence_golden.h: figures of another implementation (numpy, scipy) for tests/stats/test_evidence.c.

usage: evidence_golden.py SHARED_DATA_FOLDER > evidence_golden.h

Sizes (psi, js, ks) are those of the published oracle (adult/oracle/drift_w500.csv), which were computed from the raw values;
the counts behind them are made here from the log by the bins that FORMAT.md states.
"""
import csv, json, subprocess, sys
import numpy as np
import scipy
from scipy.optimize import minimize_scalar
from scipy.special import gammaln
from scipy.stats import chi2, norm


def c(x):
    return "{" + ", ".join(repr(float(v)) if isinstance(v, (float, np.floating)) else str(int(v)) for v in x) + "}"


def rising(x, n):
    "a plain sum in 80-bit floats: no cancellation"
    return float(np.log(np.arange(n, dtype=np.longdouble) + np.longdouble(x)).sum())


def dm(n, a):
    return sum(rising(x, k) for x, k in zip(a, n)) - rising(a.sum(), n.sum())


def kappa(R, most):
    mean = R.sum(0) - R + .5
    mean /= mean.sum(1, keepdims=True)
    lik = lambda lk: sum((gammaln(np.exp(lk)) - gammaln(np.exp(lk) + n.sum()) + (gammaln(np.exp(lk) * m + n) - gammaln(np.exp(lk) * m)).sum()) for n, m in zip(R, mean))
    best = minimize_scalar(lambda x: -lik(x), bounds=(0, np.log(most)), method="bounded", options={"xatol": 1e-7}).x
    low, high = 0., best
    while high - low > 1e-6:
        mid = (low + high) / 2
        low, high = (mid, high) if lik(mid) < lik(best) - 2 else (low, mid)
    return np.exp(best), np.exp(high)


def rows(folder, name):
    text = subprocess.run(["zstd", "-dc", f"{folder}/{name}.jsonl.zst"], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def main(folder):
    rng = np.random.default_rng(11)
    print(f"/* SPDX-License-Identifier: Apache-2.0\n * Written by evidence_golden.py with numpy {np.__version__}, scipy {scipy.__version__}. Do not edit. */")

    print("static const struct { double x; int64_t n; double want; } golden_rising[] = {")
    for x in (1e-6, .003, .5, 1., 7.25, 10., 1234.5, 3e6):
        for n in (1, 2, 14, 15, 16, 75, 1000, 200000):
            print(f"\t{{{x!r}, {n}, {rising(x, n)!r}}},")
    print("};")

    print("static const struct { double k, z, want; } golden_chi2[] = {")
    for k in (1, 2, 9, 17, 149, 1000):
        for z in (0., 1.645, 3.09):
            print(f"\t{{{k}, {z}, {float(chi2.isf(norm.sf(z), k))!r}}},")
    print("};")

    print("#define GOLDEN_K 12\nstatic const struct { double kappa, mean[GOLDEN_K]; int64_t n[GOLDEN_K]; double want; } golden_dm[] = {")
    for k in (3., 80., 1e4, 1e7):
        m = rng.dirichlet(np.ones(12)); n = rng.multinomial(500, rng.dirichlet(20 * m))
        print(f"\t{{{k!r}, {c(m)}, {c(n)}, {dm(n, k * m)!r}}},")
    print("};")

    print("#define GOLDEN_T 21\nstatic const struct { double most; int64_t n[GOLDEN_T][GOLDEN_K]; double best, low; } golden_kappa[] = {")
    for k in (30., 400., 3000.):
        m = rng.dirichlet(np.ones(12))
        R = np.array([rng.multinomial(300, rng.dirichlet(k * m)) for _ in range(21)])
        best, low = kappa(R, 1e6)
        print(f"\t{{1e6, {{{', '.join(c(r) for r in R)}}}, {best!r}, {low!r}}},")
    print("};")

    print("/* m, a, radius, the nearest mean: by bisection of the segment on KL(m || .) */")
    print("static const struct { double m[GOLDEN_K], a[GOLDEN_K], radius, kl, share; } golden_nearest[] = {")
    for radius in (.001, .02, .3):
        m, a = rng.dirichlet(np.ones(12)), rng.dirichlet(np.ones(12))
        kl = lambda s: float((m * np.log(m / (m + s * (a - m)))).sum())
        low, high = 0., 1.
        if kl(1.) <= radius:
            low = 1.
        else:
            for _ in range(60):
                mid = (low + high) / 2
                low, high = (mid, high) if kl(mid) <= radius else (low, mid)
        print(f"\t{{{c(m)}, {c(a)}, {radius!r}, {float((m * np.log(m / a)).sum())!r}, {low!r}}},")
    print("};")

    ref, stream = rows(folder + "/adult", "reference"), rows(folder + "/adult", "stream")
    want = {(int(r["window"]), r["field"]): r for r in csv.DictReader(open(folder + "/adult/oracle/drift_w500.csv"))}
    print("#define GOLDEN_BINS 10\nstatic const struct { const char *name; int k; int64_t p[GOLDEN_BINS], q[GOLDEN_BINS]; double psi, js; } golden_sizes[] = {")
    for window in (0, 11, 23, 29):
        for name in ("age", "hours-per-week", "race", "relationship"):
            p, q = [r["features"][name] for r in ref], [r["features"][name] for r in stream[window * 500:][:500]]
            if isinstance(p[0], str):
                words = sorted(set(p) | set(q))
                count = lambda v: np.array([v.count(w) for w in words])
            else:
                e = np.unique(np.quantile(p, np.arange(1, 10) / 10))
                count = lambda v: np.bincount(np.searchsorted(e, v), minlength=len(e) + 1)
            w = want[window, "features." + name]
            print(f"\t{{\"{name}, window {window}\", {len(count(p))}, {c(count(p))}, {c(count(q))}, {w['psi']}, {w['js_bits']}}},")
    print("};")
    print("/* Area between cumulated shares, mass spread evenly within bins: by the trapezoid rule on a fine grid. */")
    print("static const struct { double p[GOLDEN_K], q[GOLDEN_K], start, end[GOLDEN_K], want; } golden_w1[] = {")
    for _ in range(3):
        p, q, cuts = rng.dirichlet(np.ones(12)), rng.dirichlet(np.ones(12)), np.sort(rng.normal(size=13))
        grid = np.unique(np.concatenate([np.linspace(cuts[0], cuts[-1], 2_000_001), cuts]))
        F = lambda s: np.interp(grid, cuts, np.concatenate([[0], s.cumsum()]))
        gap = np.abs(F(p) - F(q))
        print(f"\t{{{c(p)}, {c(q)}, {float(cuts[0])!r}, {c(cuts[1:])}, {float(np.trapz(gap, grid))!r}}},")
    print("};")


main(sys.argv[1])
