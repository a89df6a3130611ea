"""The nearest pair by scipy.optimize, the interval by its formula: what tests/stats/test_two_sample.c holds. Run to print its table."""
import numpy as np
from scipy.optimize import minimize_scalar


def kl(a, t):
    return a * np.log(a / t) + (1 - a) * np.log((1 - a) / (1 - t))


def log_e(x, n, a, margin):
    low, high = max(0, -margin) + 1e-12, min(1, 1 - margin) - 1e-12
    t = minimize_scalar(lambda t: n[0] * kl(a[0], t) + n[1] * kl(a[1], t + margin), bounds=(low, high), method="bounded",
                        options={"xatol": 1e-13}).x
    return sum(x[g] * np.log(a[g] / (t + g * margin)) + (n[g] - x[g]) * np.log((1 - a[g]) / (1 - t - g * margin)) for g in (0, 1))


for x, n, a, margin in [((3, 9), (200, 50), (.01, .15), .02), ((40, 3), (400, 100), (.1, .02), .05), ((7, 8), (20, 20), (.3, .5), 0),
                        ((1.5, .25), (12.5, 6), (.2, .1), -.05), ((100, 99), (1000, 1000), (.1, .0999), .03)]:
    print(f"\t{{{{{x[0]}, {x[1]}}}, {{{n[0]}, {n[1]}}}, {{{a[0]}, {a[1]}}}, {margin}, {log_e(x, n, a, margin):.9f}}},")
v, w, rho, alpha = 40., 900., 5., .05
print(np.sqrt((v + rho) * np.log((v + rho) / (rho * alpha ** 2))) / w)
