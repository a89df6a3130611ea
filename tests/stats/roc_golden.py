#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/stats/roc_golden.h: ROC figures by scikit-learn, exact intervals by scipy, for tests/stats/test_roc.c.

usage: roc_golden.py > roc_golden.h
"""
import numpy as np
import scipy
import sklearn
from scipy.special import betainc, gammainc
from scipy.stats import beta, gamma
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

rng = np.random.default_rng(11)


def rows(n, odd, shift, step):
    "Scores of n rows, a share of them odd and shifted, rounded to multiples of `step` (0: not)."
    y = (rng.random(n) < odd).astype(int)
    x = rng.normal(size=n) + shift * y
    return (np.round(x / step) * step if step else x), y


CASES = {
    "smooth": rows(120, .3, 1., 0),
    "tied": rows(100, .4, 1., .5),
    "coarse": rows(90, .5, .5, 2),
    "backwards": rows(60, .3, -2., 0),
    "perfect": (np.arange(40.), (np.arange(40) >= 25).astype(int)),
    "constant": (np.zeros(30), (np.arange(30) % 3 == 0).astype(int)),
    "lone": (np.arange(20.), (np.arange(20) == 12).astype(int)),
    "infinite": (np.array([np.inf, 1, -np.inf, 2, np.inf]), np.array([1, 0, 0, 1, 0])),
}


def figures(x, y, w=None):
    x = np.clip(x, -1e300, 1e300)  # scikit-learn refuses infinities; the order is the same
    fpr, tpr, _ = roc_curve(y, x, sample_weight=w, drop_intermediate=False)
    return roc_auc_score(y, x, sample_weight=w), average_precision_score(y, x, sample_weight=w), fpr[np.argmax(tpr >= .95)]


def c(x):
    return "{" + ", ".join("INFINITY" if v == np.inf else "-INFINITY" if v == -np.inf else repr(float(v)) for v in x) + "}"


print(f"/* SPDX-License-Identifier: Apache-2.0\n * Written by roc_golden.py with scikit-learn {sklearn.__version__}, scipy {scipy.__version__}. Do not edit. */")
print("static const struct {\n\tconst char *name;\n\tsize_t n;\n\tdouble score[120];\n\tuint8_t positive[120];\n\tuint32_t weight[120];\n"
      "\tdouble plain[3], weighted[3];\n} golden_rocs[] = {")
for name, (x, y) in CASES.items():
    w = rng.integers(0, 4, len(x))
    w[y.argmax()] = w[y.argmin()] = 1
    whole = lambda v: "{" + ", ".join(str(int(i)) for i in v) + "}"
    print(f'\t{{"{name}", {len(x)}, {c(x)},\n\t\t{whole(y)},\n\t\t{whole(w)},\n\t\t{c(figures(x, y))}, {c(figures(x, y, w))}}},')
print("};")

print("static const struct {\n\tdouble k, n, tail, share_low, share_high, count_low, count_high;\n} golden_intervals[] = {")
for k, n, tail in ((0, 10, .025), (10, 10, .025), (3, 17, .05), (1, 86400, .025), (0, 86400, .05), (54, 5400, .025), (54.5, 2700.25, .025),
                   (100000, 1e7, .025), (5e5, 1e6, .05)):
    print("\t" + c([k, n, tail, beta.ppf(tail, k, n - k + 1) if k else 0, beta.ppf(1 - tail, k + 1, n - k) if k < n else 1,
                    gamma.ppf(tail, k) if k else 0, gamma.ppf(1 - tail, k + 1)]) + ",")
print("};")

print("static const struct {\n\tdouble a, b, x, beta, gamma;\n} golden_tails[] = {")
for a, b, x in ((.5, .5, .1), (2, 3, .5), (20, 1, .97), (1, 20, .001), (300, 700, .31), (5e4, 5e6, .0101), (1e-3, 4, .2)):
    print("\t" + c([a, b, x, betainc(a, b, x), gammainc(a, b * x)]) + ",")
print("};")
