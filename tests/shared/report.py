#!/usr/bin/python3
"""What oodd says of the larger data sets, window by window, beside what is known about them.

usage: OODD_BUILD=DIR OODD_SHARED=DIR report.py [SET...]       (OODD_SHARED: the folder whose data/ holds the sets)
"""
import csv
import sys
import tempfile
from collections import defaultdict

import numpy as np

from shared import SETS, SHARED, Trial

ROWS = {"clinc150": 250, "adult": 500, "elec2": 336, "bike": 168}


def table(name):
    "The tables' largest PSI by window, for comparison: time of the window's end, field, psi."
    best = {}
    with open(SHARED / name / "oracle" / f"drift_w{ROWS[name]}.csv") as f:
        for r in csv.DictReader(f):
            if r["psi"] and float(r["psi"]) > best.get(r["last_ts"], ("", -1))[1]:
                best[r["last_ts"]] = (r["field"].replace("features.", ""), float(r["psi"]))
    return sorted(best.items())


EDGES = [0, .005, .01, .02, .05, .1, .2, .35, .5, .75, 1]


def bounds(trial, signals):
    """Of each phase: windows that no test can beat on average, log(budget) / KL of its fused p-values from uniform in one window (bias of so
    few records taken off), beside the window in which an alarm came; or stood, when it was known before."""
    p = np.array([np.nan if r["p"] is None else r["p"] for r in trial.scores()])
    phases = trial.meta.get("phases", [])
    for i, phase in enumerate(phases):
        x = p[phase["first_row"]:phase["end_row"]]
        n = np.histogram(x[~np.isnan(x)], EDGES)[0]
        end = phases[i + 1]["first_ts"] if i + 1 < len(phases) else "9999"
        within = [s for s in signals if phase["first_ts"] <= s["start"] and s["end"] <= end]
        if not within or n.sum() == 0:
            continue
        q, w = n / n.sum(), np.diff(EDGES)
        kl = (q[n > 0] * np.log(q[n > 0] / w[n > 0])).sum() - (len(w) - 1) / 2 / n.sum()
        each = kl * sum(s["n"] for s in within) / len(within)
        found = next((k + 1 for k, s in enumerate(within) if s["alarm"]), None)
        yield phase["phase"], within[0]["log_budget"] / each if each > 0 else np.inf, found, len(within)


def main(names):
    for name in names or SETS:
        with tempfile.TemporaryDirectory() as home:
            trial = Trial(name, home)
            print(f"\n==== {name}, windows of {trial.window}\n{trial.summary}")
            signals = [e for e in trial.events() if e["event"] == "signal"]
            psi = table(name)
            states = defaultdict(lambda: defaultdict(int))
            for s in signals:
                states[trial.phase(s["start"])][s["state"]] += 1
                beside = next((f"{field} psi {value:.2f}" for ts, (field, value) in psi if ts >= s["end"]), "")
                moved = [f for f in s["findings"] if f["moved"]]
                new = "; ".join(f["change"] for f in moved if not f["latched"])
                if s["state"] in ("alarm", "resolved"):
                    print(f"{s['start'][:16]} {trial.phase(s['start'])[:28]:28s} {s['state']:9s} n={s['n']:<5d} flagged={s['flagged']:<3d} "
                          f"log M {s['log_m'] if s['log_m'] is not None else float('nan'):6.1f}  {new}   [table: {beside}]")
            for phase, bound, found, n in bounds(trial, signals):
                print(f"{phase[:40]:40s} bound by p-values alone {bound:7.1f} windows, {'alarm in window ' + str(found) if found else 'no alarm'} of {n} whole ones")
            print("windows by phase:", {p: dict(c) for p, c in states.items()})


if __name__ == "__main__":
    main(sys.argv[1:])
