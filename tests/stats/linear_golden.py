#!/usr/bin/python3
"""Figures for test_linear.c from another implementation: numpy and scipy. Prints linear_golden.h.

The rows follow from the same small generator in both places (unit() below).
"""
import numpy as np
from scipy.optimize import minimize

N, K = 400, 4


def unit(i):
    "Weyl's sequence, scrambled: exact in double precision."
    x = (i * 2654435761) % 4294967296
    x = ((x ^ (x >> 15)) * 2246822519) % 4294967296
    return ((x ^ (x >> 13)) + 0.5) / 4294967296.0


def rows():
    y = np.array([1 if i % 4 == 0 else 0 for i in range(N)])
    gain = [1.5, 0.4, 0.0, -0.8]
    x = np.array([[unit(i * K + j + 1) + (gain[j] if y[i] else 0.0) for j in range(K)] for i in range(N)])
    return x.astype(np.float32).astype(float), y


def weights(lam):
    x, y = rows()
    share = np.where(y, 0.5 / y.sum(), 0.5 / (N - y.sum()))

    def loss(v):
        w = v[:-1]
        z = x @ w + v[-1]
        return (share * np.logaddexp(0, np.where(y, -z, z))).sum() + lam / 2 * ((w - w.mean()) ** 2).sum()

    r = minimize(loss, np.full(K + 1, .1), method="L-BFGS-B", bounds=[(0, None)] * K + [(None, None)],
                 options=dict(ftol=1e-15, gtol=1e-10, maxiter=5000))
    return r.x


def strict(rank, n, delta):
    "Bates et al. 2023, section 3.2, by the product itself."
    m, i = n // 2, n + 1 - rank
    if i < m:
        return 1.0
    log = sum(np.log(i - j) - np.log(n - j) for j in range(m))
    return 1 - np.exp((np.log(delta) + log) / m)


def main():
    print("/* Printed by linear_golden.py. */")
    for name, lam in (("loose", 1e-4), ("held", .05), ("even", 100.)):
        print(f"static const double golden_{name}[{K + 1}] = {{{', '.join(f'{w:.6f}' for w in weights(lam))}}};")
    a = np.array([[4 if i == j else unit(100 + i * 6 + j) + unit(100 + j * 6 + i) for j in range(6)] for i in range(6)])
    print(f"static const double golden_solution[6] = {{{', '.join(f'{x:.12f}' for x in np.linalg.solve(a, np.arange(1., 7)))}}};")
    print("static const struct { int rank, n; double p; } golden_strict[] = {")
    for rank, n in ((1, 100), (5, 100), (50, 100), (90, 100), (1, 1346), (13, 1346), (200, 1346), (1, 100000), (1000, 100000)):
        print(f"\t{{{rank}, {n}, {strict(rank, n, .1):.12g}}},")
    print("};")


if __name__ == "__main__":
    main()
