#!/usr/bin/python3
"""What oodd says of the larger data sets, window by window, beside what is known about them.

usage: OODD_BUILD=DIR OODD_SHARED=DIR report.py [SET...]       (OODD_SHARED: the folder whose data/ holds the sets)
"""
import csv
import sys
import tempfile
from collections import defaultdict

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
            print("windows by phase:", {p: dict(c) for p, c in states.items()})


if __name__ == "__main__":
    main(sys.argv[1:])
