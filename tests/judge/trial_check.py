#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: trial_check.py DATA_FOLDER TRIAL_PROGRAM; see trial.sh. Prints what it saw; exits 1 when an expectation fails."""
import json, os, re, subprocess, sys, tempfile
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import trial

DATA, PROGRAM = sys.argv[1], sys.argv[2]
failures = []


def expect(what, holds):
    print(("ok    " if holds else "FAILED"), what)
    if not holds:
        failures.append(what)


def run(*args):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, check=True).stdout


def alarms(path):
    "(first row, end row, phases, names of the measures that moved) of every window that speaks anew"
    info, out = json.load(open(path + ".info")), []
    for line in run(path, "replay").splitlines():
        t, state = line.split()[:2]
        if state == "alarm":
            out.append((info[int(t)]["first"], info[int(t)]["end"], info[int(t)]["phases"], set(re.findall(r"\| (\S+?)\*? log_m", line))))
    return out


def found(what, all_alarms, first_row, end_row, names, within):
    "an alarm that names one of `names` at most `within` rows after first_row"
    hit = [a for a in all_alarms if first_row < a[1] and a[0] < end_row and a[3] & names]
    expect(f"{what}: {sorted(names)} within {within} rows: " + (f"rows {hit[0][0]}..{hit[0][1]}" if hit else "never"), bool(hit) and hit[0][1] <= first_row + within)


def selftest(path, most, seeds):
    n = [int(re.search(r"alarms=(\d+)", run(path, "selftest", "8640", str(seed))).group(1)) for seed in seeds]
    expect(f"{os.path.basename(path)}: false alarms in 8640 windows of the reference itself, by draw: {n}, at most {most}", max(n) <= most)


with tempfile.TemporaryDirectory() as folder:
    at = lambda name: os.path.join(folder, name)
    for name, width, most in (("clinc150", 300, 0), ("adult", 1200, 0), ("elec2", 604800, 0), ("bike", 604800, 3)):
        trial.main(f"{DATA}/{name}", width, at(name))
        selftest(at(name), most, (0, 7, 19))
        for repeat in (5, 20):
            trial.main(f"{DATA}/{name}", width, at(f"{name}.{repeat}"), repeat)
            selftest(at(f"{name}.{repeat}"), most, (0,))

    trial.main(f"{DATA}/bike", 3600, at("bike.hours"))  # its season of hours is learned
    selftest(at("bike.hours"), 0, (0, 7))

    a = alarms(at("clinc150"))
    expect("clinc150: nothing before row 1300", all(x[0] > 1300 for x in a))
    found("clinc150: 10 % OOD", a, 1300, 2300, {"p-value"}, 800)
    found("clinc150: 40 % OOD", a, 2500, 3250, {"p-value", "oov_frac"}, 250)
    found("clinc150: banking only", a, 3450, 3900, {"class"}, 300)
    found("clinc150: burst", a, 4100, 4600, {"p-value"}, 90)
    found("clinc150: ramp", a, 5200, 7100, {"p-value", "oov_frac"}, 600)
    a = alarms(at("adult"))
    expect("adult: nothing before row 5000", all(x[0] > 5000 for x in a))
    found("adult: slice", a, 5000, 7000, {"age"}, 1500)
    found("adult: null occupation", a, 8000, 10000, {"missing", "occupation"}, 1100)
    found("adult: hours in minutes", a, 11000, 12500, {"hours-per-week"}, 250)
    found("adult: private", a, 13500, 15000, {"workclass"}, 300)
    found("adult: not born in US", a, 16000, 16726, {"native-country"}, 500)
    expect("adult: no more alarms than causes", len(a) == 5)
    a = alarms(at("elec2"))
    found("elec2: the link to Victoria", a, 3024, 4000, {"transfer", "vicprice", "vicdemand"}, 500)
    expect("elec2: nothing before it", a and a[0][0] >= 2800)
print(f"{len(failures)} failed")
sys.exit(bool(failures))
