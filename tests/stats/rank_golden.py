#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/stats/rank_golden.h: ranks, correlations, quantiles and p-values by numpy and scipy, for tests/stats/test_rank.c.

usage: rank_golden.py > rank_golden.h
"""
import numpy as np
import scipy
from scipy.stats import rankdata, spearmanr

rng = np.random.default_rng(7)
X = {
    "smooth": rng.normal(size=41),
    "tied": rng.integers(0, 6, 40).astype(float),
    "huge": rng.normal(size=37) * 1e300,
    "two": np.array([2., -1.]),
    "pair": np.array([3., 3.]),
}


def c(x):
    return "{" + ", ".join(repr(float(v)) for v in x) + "}"


def line(name, x):
    y = np.roll(x, 3) + 0.5 * np.arange(len(x)) * (1e300 if name == "huge" else 1)
    rho = spearmanr(x, y)[0]
    q = np.linspace(0, 1, 9)
    # conformal p of each y among x, deterministic part: how many of x are greater, how many equal
    print(f'\t{{"{name}", {len(x)}, {c(x)}, {c(y)}, {c(rankdata(x))}, {"NAN" if np.isnan(rho) else repr(float(rho))},')
    print(f'\t\t{c(np.quantile(x, q))}}},')


print(f"/* SPDX-License-Identifier: Apache-2.0\n * Written by rank_golden.py with numpy {np.__version__}, scipy {scipy.__version__}. Do not edit. */")
print("static const struct {\n\tconst char *name;\n\tsize_t n;\n\tdouble x[48], y[48], rank[48], rho, quantile[9];\n} golden_ranks[] = {")
import warnings
warnings.simplefilter("ignore")
for name, x in X.items():
    line(name, x)
print("};")
