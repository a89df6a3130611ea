#!/usr/bin/python3
"""A battery of streams that nothing was tuned on: of each nature of traffic a reference, a long clean stretch and stretches that move by a stated
size. Prints false alarms of the clean stretch, and of each shift the windows until an alarm beside log(budget) / KL of what moved, and whether
what moved was named.

usage: OODD_BUILD=DIR OODD_STREAMS=DIR [OODD_SHARED=DIR] [OODD_NAB=DIR] streams.py [NATURE...]
   OODD_STREAMS  where the logs are kept; those that are not there yet are made (from seeds: the same each time)
   OODD_SHARED   the folder whose data/ holds the four sets: their clean records, drawn anew, under other windows
   OODD_NAB      a checkout of github.com/numenta/NAB: its series as they are
What is absent is skipped, and said.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

TREE = Path(__file__).resolve().parents[2]
OODD = Path(os.environ.get("OODD_BUILD", TREE)) / "agent" / "oodd"
HOME = Path(os.environ.get("OODD_STREAMS", "/nowhere"))
SHARED = Path(os.environ.get("OODD_SHARED", "/nowhere")) / "data"
NAB = Path(os.environ.get("OODD_NAB", "/nowhere")) / "data"
T0 = datetime(2026, 3, 2, tzinfo=timezone.utc).timestamp()


# ---- what records are: columns, drawn for given times; a column of objects holds None where nothing is

def softmax_logits(x, classes, seed=5):
    w = np.random.default_rng(seed).normal(size=(x.shape[1], classes)) / np.sqrt(x.shape[1]) * 2
    return x @ w


def plain(rng, t, user=None, features=6, classes=5, categories=8, scale=None):
    "Numbers of several shapes, two categories, a linear classifier on them. user: what one record's user or hour adds to the latent numbers."
    n = len(t)
    z = rng.normal(size=(n, features)) + (0 if user is None else user[:, None] * np.linspace(1, .2, features))
    z[:, 1] = .6 * z[:, 0] + .8 * z[:, 1]
    columns = {}
    for i in range(features):
        columns[f"x{i}"] = [z[:, i], np.exp(z[:, i]), np.floor(3 * np.abs(z[:, i])), z[:, i] ** 3][i % 4]
    p = 1 / np.arange(1, categories + 1)
    shift = (0 if user is None else user[:, None] * np.linspace(.4, -.4, categories))
    logp = np.log(p) + shift + rng.gumbel(size=(n, categories))
    columns["kind"] = np.char.add("k", logp.argmax(1).astype(str)).astype(object)
    columns["site"] = np.char.add("s", rng.integers(0, 4, n).astype(str)).astype(object)
    return columns, softmax_logits(z, classes)


def many_categories(rng, t, user=None):
    columns, logits = plain(rng, t, user, features=2)
    p = 1 / np.arange(1, 1001)
    columns["kind"] = np.char.add("w", rng.choice(1000, len(t), p=p / p.sum()).astype(str)).astype(object)
    return columns, logits


def many_classes(rng, t, user=None):
    columns, logits = plain(rng, t, user, features=6, classes=100)
    return columns, logits + 2 * rng.gumbel(size=logits.shape)


def heavy(rng, t, user=None):
    n = len(t)
    columns = {"x0": rng.standard_t(1.2, n), "x1": rng.pareto(1, n), "x2": np.exp(3 * rng.normal(size=n)), "x3": rng.zipf(1.6, n).clip(0, 10 ** 9).astype(float)}
    z = np.arctan(np.stack(list(columns.values()), 1))
    columns["kind"] = np.char.add("k", (rng.zipf(1.5, n) % 50).astype(str)).astype(object)
    return columns, softmax_logits(z, 3)


def near_constant(rng, t, user=None):
    columns, logits = plain(rng, t, user, features=2)
    n = len(t)
    for i, share in enumerate((0, 0, 2e-4, 1e-3, .01)):
        columns[f"c{i}"] = np.where(rng.random(n) < share, 1. + rng.integers(0, 3, n), 0.)
    columns["kind"] = np.where(rng.random(n) < 5e-4, "b", "a").astype(object)
    return columns, logits


def wide(rng, t, user=None):
    n = len(t)
    z = rng.normal(size=(n, 100)) @ (np.eye(100) + .1 * np.random.default_rng(1).normal(size=(100, 100)))
    columns = {f"x{i}": z[:, i] if i % 3 else np.floor(2 * z[:, i]) for i in range(100)}
    columns["kind"] = np.char.add("k", rng.integers(0, 6, n).astype(str)).astype(object)
    return columns, softmax_logits(z, 3)


def regression(rng, t, user=None):
    return plain(rng, t, user)[0], None


def metrics_only(rng, t, user=None):
    z = rng.normal(size=(len(t), 3)) + (0 if user is None else user[:, None])
    return {"metric:toxicity": 1 / (1 + np.exp(3 - z[:, 0])), "metric:words": np.floor(np.exp(4 + z[:, 1])), "metric:refused": rng.random(len(t)) < .05,
            "metric:groundedness": 1 / (1 + np.exp(-2 - z[:, 2]))}, None


def pool(columns, logits, groups=None):
    "Draws with replacement from real records; user: sessions of like records, from one group."
    n_all = len(next(iter(columns.values())))

    def draw(rng, t, user=None):
        i = rng.integers(0, n_all, len(t))
        return {k: v[i] for k, v in columns.items()}, None if logits is None else logits[i]
    return draw


def sklearn_pool(name):
    from sklearn import datasets
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler
    from sklearn.pipeline import make_pipeline
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    half = len(x) // 3
    if name == "diabetes":
        m = make_pipeline(StandardScaler(), Ridge()).fit(x[:half], y[:half])
        columns = {f"x{i}": c for i, c in enumerate(x[half:].T)}
        columns["metric:predicted"] = m.predict(x[half:])
        return pool(columns, None)
    m = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000, C=.05)).fit(x[:half], y[:half])
    z = m.decision_function(x[half:])
    if z.ndim == 1:
        z = np.stack([-z / 2, z / 2], 1)
    columns = {f"x{i}": c.astype(float) for i, c in enumerate(x[half:].T)}
    if name == "digits":
        columns = {"embedding": x[half:] / 16}
    return pool(columns, z)


def shared_pool(name):
    "The clean records of a set: its reference, and what of its stream comes before the first shift."
    if not (SHARED / name).is_dir():
        return None
    text = subprocess.run(["zstd", "-qdc", SHARED / name / "reference.jsonl.zst"], capture_output=True, check=True).stdout
    rows = [json.loads(line) for line in text.splitlines()]
    columns = {k: np.array([r["features"][k] for r in rows], object) for k in rows[0]["features"]}
    if "embedding" in rows[0]:
        columns["embedding"] = np.array([r["embedding"] for r in rows])
    return pool(columns, np.array([r["logits"] for r in rows]))


# ---- how they come: times, what users or hours add, how often each record stands there

def poisson(rng, n, gap, at):
    return at + np.cumsum(rng.exponential(gap, n)), None, None


def bursty(rng, n, gap, at):
    "The rate of each half hour is log-normal, by a factor of e."
    rate = np.exp(rng.normal(0, 1, n) - .5)
    return at + np.cumsum(rng.exponential(gap, n) / np.repeat(rate, 400)[:n]), None, None


def duplicates(rng, n, gap, at):
    "Each record stands there 1 to 40 times."
    times = np.minimum(rng.geometric(.2, n) * np.where(rng.random(n) < .05, 8, 1), 40)
    return at + np.cumsum(rng.exponential(gap, n)), None, times


def sessions(rng, n, gap, at):
    "Some sixty users at a time, each with ways of his own, each for about an hour."
    t = at + np.cumsum(rng.exponential(gap, n))
    of, now, left = np.empty(n), rng.normal(0, .7, 60), rng.exponential(3600, 60)
    who = rng.integers(0, 60, n)
    end = at + left
    for i in range(n):
        w = who[i]
        if t[i] > end[w]:
            end[w] = t[i] + rng.exponential(3600)
            now[w] = rng.normal(0, .7)
        of[i] = now[w]
    return t, of, None


def walk(rng, n, gap, at):
    "A mean that wanders: by .2, forgotten in an hour."
    t = at + np.cumsum(rng.exponential(gap, n))
    k = int((t[-1] - at) // 300) + 1
    x, now = np.empty(k), rng.normal(0, .2)
    for i in range(k):
        now = np.exp(-1 / 12) * now + rng.normal(0, .2 * np.sqrt(1 - np.exp(-1 / 6)))
        x[i] = now
    return t, x[((t - at) // 300).astype(int)], None


def season(rng, n, gap, at):
    "Day and week, in volume and in mix."
    hour = np.arange(0, 100000)
    load = np.exp(.8 * np.sin(2 * np.pi * hour / 24) - .5 * (((hour // 24) % 7) >= 5))
    u = np.cumsum(rng.exponential(gap, n))
    start = (at - T0) / 3600
    c = np.concatenate([[0], np.cumsum(load[int(start):] * 3600)])
    t = T0 + (int(start) * 3600) + np.interp(u, c, np.arange(len(c)) * 3600.)
    h = (t - T0) / 3600
    return t, .5 * np.sin(2 * np.pi * (h - 3) / 24) + .5 * (((h // 24) % 7) >= 5), None


# ---- what moves: columns changed, from the first record on that comes after; part: how far along (0 to 1), frac: shares

def number_of(columns):
    for k, v in columns.items():
        if k != "embedding" and not isinstance(next((x for x in v if x is not None), ""), (str, bool, np.bool_)) and len(set(v[:200])) > 10:
            return k
    return None


def category_of(columns):
    return next((k for k, v in columns.items() if isinstance(v[0], str)), None)


def moved_mean(rng, columns, logits, part, by=.25):
    k = number_of(columns)
    if not k:
        return None
    x = np.array(columns[k], float)
    q = np.nanquantile(x, [.16, .84])
    columns[k] = x + by * part * (q[1] - q[0]) / 2
    return {k}


def new_category(rng, columns, logits, part, share=.1):
    k = category_of(columns)
    if not k:
        return None
    columns[k] = np.where(rng.random(len(columns[k])) < share * part, "new-one", columns[k])
    return {k}


def missing(rng, columns, logits, part, share=.1):
    k = number_of(columns) or next((k for k in columns if k != "embedding"), None)
    if not k:
        return None
    columns[k] = np.where(rng.random(len(columns[k])) < share * part, None, columns[k])
    return {k, "missing"}


def class_mix(rng, columns, logits, part, share=.2):
    "A fifth of the records are replaced by others of the commonest class."
    if logits is None:
        return None
    at = logits.argmax(1)
    c = np.bincount(at).argmax()
    some = np.flatnonzero(at == c)
    for i in np.flatnonzero(rng.random(len(at)) < share * part):
        j = rng.choice(some)
        logits[i] = logits[j]
        for v in columns.values():
            v[i] = v[j]
    return {"class"}


def group_mix(rng, columns, logits, part, share=.2):
    "The same, of a tenth of the classes."
    if logits is None or logits.shape[1] < 20:
        return None
    at = logits.argmax(1)
    some = np.flatnonzero(at < logits.shape[1] // 10)
    for i in np.flatnonzero(rng.random(len(at)) < share * part):
        j = rng.choice(some)
        logits[i] = logits[j]
        for v in columns.values():
            v[i] = v[j]
    return {"class"}


def stuck(rng, columns, logits, part):
    k = number_of(columns) or next((k for k in columns if k != "embedding"), None)
    if not k:
        return None
    bad = (rng.random(len(columns[k])) < .5) & (part > 0)
    x = np.array(columns[k], object)
    x[bad] = False if isinstance(x[0], (bool, np.bool_)) else -999.
    columns[k] = x
    return {k}


def constant_steps(rng, columns, logits, part):
    if "c0" not in columns:
        return None
    columns["c0"] = np.where(rng.random(len(columns["c0"])) < .43 * part, .42, columns["c0"])
    return {"c0"}


SHIFTS = {  # name: function, kind of course
    "mean+.25sd": (moved_mean, "step"), "new category 10%": (new_category, "step"), "missing 10%": (missing, "step"),
    "class mix 20%": (class_mix, "step"), "tenth of classes 20%": (group_mix, "step"),
    "ramp to 1sd": (lambda r, c, z, p: moved_mean(r, c, z, p, 1), "ramp"), "fault of 6 windows": (stuck, "fault"), "constant steps 43%": (constant_steps, "step"),
}
WARM, SHIFTED = 8, 60

# name: (records, arrivals, seconds between records, window in seconds, reference windows, clean windows)
NATURES = {
    "poisson": (plain, poisson, 3, 300, 60, 1500), "bursty": (plain, bursty, 3, 300, 60, 1500), "duplicates": (plain, duplicates, 12, 300, 60, 1000),
    "sessions": (plain, sessions, 3, 300, 100, 1500), "walk": (plain, walk, 3, 300, 200, 1500), "season": (plain, season, 30, 3600, 504, 1000),
    "8 windows": (plain, poisson, 3, 300, 8, 1000), "12 windows": (plain, poisson, 3, 300, 12, 1000), "20 windows": (plain, poisson, 3, 300, 20, 1000),
    "20 windows, sessions": (plain, sessions, 3, 300, 20, 1000), "tiny windows": (plain, poisson, 60, 300, 400, 3000),
    "huge windows": (regression, poisson, .015, 300, 12, 30), "many categories": (many_categories, poisson, 3, 300, 60, 1000),
    "many classes": (many_classes, poisson, 3, 300, 60, 1000), "heavy tails": (heavy, poisson, 3, 300, 60, 1500),
    "near-constant": (near_constant, poisson, 3, 300, 60, 1500), "100 features": (wide, poisson, 3, 300, 60, 300),
    "no logits": (regression, poisson, 3, 300, 60, 1000), "metrics only": (metrics_only, poisson, 3, 300, 60, 1500),
    "metrics, sessions": (metrics_only, sessions, 3, 300, 60, 1500),
    "digits": (lambda: sklearn_pool("digits"), poisson, 3, 300, 60, 500), "breast_cancer": (lambda: sklearn_pool("breast_cancer"), poisson, 3, 300, 60, 700),
    "wine": (lambda: sklearn_pool("wine"), poisson, 3, 300, 60, 1000), "diabetes": (lambda: sklearn_pool("diabetes"), poisson, 3, 300, 60, 1000),
    "clinc150, 1h": (lambda: shared_pool("clinc150"), poisson, 12, 3600, 24, 50), "clinc150, 5m": (lambda: shared_pool("clinc150"), poisson, 4, 300, 60, 200),
    "adult, 1h": (lambda: shared_pool("adult"), poisson, 20, 3600, 48, 600), "adult, 6h bursty": (lambda: shared_pool("adult"), bursty, 60, 21600, 40, 300),
    "adult, 1d duplicates": (lambda: shared_pool("adult"), duplicates, 2000, 86400, 40, 500), "elec2, drawn, 1d": (lambda: shared_pool("elec2"), poisson, 1800, 86400, 100, 1000),
    "bike, drawn, 1d": (lambda: shared_pool("bike"), poisson, 1800, 86400, 100, 1000), "bike, drawn, 1w": (lambda: shared_pool("bike"), poisson, 3600, 604800, 26, 300),
}
for nab in ("realKnownCause/nyc_taxi", "realAWSCloudwatch/ec2_cpu_utilization_5f5533", "realAWSCloudwatch/rds_cpu_utilization_cc0c53", "realTraffic/speed_7578",
            "realTweets/Twitter_volume_GOOG", "realAWSCloudwatch/elb_request_count_8c0756", "realKnownCause/machine_temperature_system_failure",
            "artificialNoAnomaly/art_daily_small_noise", "realAWSCloudwatch/ec2_network_in_257a54", "realKnownCause/cpu_utilization_asg_misconfiguration"):
    NATURES[nab] = None


# ---- logs

def text_of(x):
    if x is None or (isinstance(x, float) and np.isnan(x)):
        return "null"
    if isinstance(x, (bool, np.bool_)):
        return "true" if x else "false"
    return f'"{x}"' if isinstance(x, str) else f"{x:.6g}"


def write(path, t, columns, logits, times):
    features = [(f'"{k}":', v) for k, v in columns.items() if ":" not in k and k != "embedding"]
    metrics = [(f'"{k[7:]}":', v) for k, v in columns.items() if k.startswith("metric:")]
    with open(path, "w") as out:
        for i in range(len(t)):
            when = datetime.fromtimestamp(t[i], timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] + "Z"
            parts = ['"model":"m","version":"1"']
            if features:
                parts.append('"features":{' + ",".join(k + text_of(v[i]) for k, v in features) + "}")
            if metrics:
                parts.append('"metrics":{' + ",".join(k + text_of(v[i]) for k, v in metrics) + "}")
            if "embedding" in columns:
                parts.append('"embedding":[' + ",".join(f"{x:.5g}" for x in columns["embedding"][i]) + "]")
            if logits is not None:
                parts.append('"logits":[' + ",".join(f"{x:.5g}" for x in logits[i]) + f'],"prediction":"c{logits[i].argmax()}"')
            for j in range(1 if times is None else times[i]):
                out.write(f'{{"ts":"{when}","id":"{i}-{j}",' + ",".join(parts) + "}\n")


def kl(after, before):
    "Nats a record, by ten equal parts of what was before and each value that is a word, a half record added to each."
    numbers = [x for x in before if x is not None and not isinstance(x, str)]
    edges = np.unique(np.quantile(np.array(numbers, float), np.arange(.1, 1, .1))) if len(numbers) > .5 * len(before) else None
    key = lambda x: str(x) if x is None or isinstance(x, str) or edges is None else int(np.searchsorted(edges, x))
    a, b = [key(x) for x in after], [key(x) for x in before]
    keys = sorted(set(a) | set(b), key=str)
    index = {k: i for i, k in enumerate(keys)}
    p, q = (np.bincount([index[k] for k in s], minlength=len(keys)) + .5 for s in (a, b))
    p, q = p / p.sum(), q / q.sum()
    return max(1e-9, (p * np.log(p / q)).sum() - (len(keys) - 1) / 2 * (1 / len(a) + 1 / len(b)))


def make(name, folder):
    source, arrive, gap, window, reference, clean = NATURES[name]
    records = source if source.__code__.co_argcount else source()
    if records is None:
        return False
    rng = np.random.default_rng(int.from_bytes(name.encode(), "little") % 2 ** 32)
    per = window / gap
    folder.mkdir(parents=True)
    info, at = {"window": window, "shifts": {}}, T0

    def stretch(path, windows, at, change=None):
        t, user, times = arrive(rng, int(windows * per), gap, at)
        columns, logits = records(rng, t, user)
        before = {k: v.copy() for k, v in columns.items()}, None if logits is None else logits.copy()
        named = change(t, columns, logits) if change else None
        if change and named is None:
            return t, None, None
        write(path, t, columns, logits, times)
        return t, named, (before, columns, logits)
    at = stretch(folder / "reference.jsonl", reference, at)[0][-1]
    after = at + 3600
    stretch(folder / "clean.jsonl", clean, after)
    for shift, (f, course) in SHIFTS.items():
        begins = after + WARM * window

        def change(t, columns, logits):
            part = np.where(t < begins, 0., 1.)
            if course == "ramp":
                part = np.clip((t - begins) / (40 * window), 0, 1)
            if course == "fault":
                part = np.where((t >= begins) & (t < begins + 6 * window), 1., 0.)
            return f(rng, columns, logits, part)
        t, named, it = stretch(folder / f"{shift.replace(' ', '_')}.jsonl", min(WARM + SHIFTED, clean), after, change)
        if named is None:
            continue
        (before, z), columns, logits = it
        moved = (t >= begins) & (t < begins + (6 if course == "fault" else 60) * window)
        if "class" in named:
            size = kl(list(np.char.add("c", logits[moved].argmax(1).astype(str))), list(np.char.add("c", z.argmax(1).astype(str))))
        else:
            k = next(k for k in named if k != "missing")
            size = kl(list(columns[k][moved]), list(before[k]))
        info["shifts"][shift] = {"begins": begins, "names": [x.removeprefix("metric:") for x in named], "kl": size, "course": course}
    (folder / "info.json").write_text(json.dumps(info))
    return True


def make_nab(name, folder):
    if not (NAB / f"{name}.csv").is_file():
        return False
    rows = (NAB / f"{name}.csv").read_text().splitlines()[1:]
    t = np.array([datetime.strptime(r.split(",")[0][:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc).timestamp() for r in rows])
    x = np.array([float(r.split(",")[1]) for r in rows])
    cut = int(.4 * len(t))
    window = 86400 if (t[-1] - t[0]) > 60 * 86400 else 3600 * 6
    folder.mkdir(parents=True)
    write(folder / "reference.jsonl", t[:cut], {"value": x[:cut]}, None, None)
    write(folder / "clean.jsonl", t[cut:], {"value": x[cut:]}, None, None)
    (folder / "info.json").write_text(json.dumps({"window": window, "shifts": {}}))
    return True


# ---- what oodd says

def run(home, command, *args):
    done = subprocess.run([OODD, command, "-c", home / "oodd.lua", *args], capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr[-600:]}")
    return done.stdout


def signals(home, path):
    return [e for e in map(json.loads, run(home, "replay", "--json", path).splitlines()) if e["event"] == "signal"]


def stamp(s):
    return datetime.fromisoformat(s.replace("Z", "+00:00")).timestamp()


def top(e):
    return "; ".join(f"{f['name']} {f['change']}" for f in e["findings"] if f["moved"] and not f["latched"])[:110]


def trial(name, folder):
    info = json.loads((folder / "info.json").read_text())
    with tempfile.TemporaryDirectory() as home:
        home, begun = Path(home), time.time()
        (home / "oodd.lua").write_text(f'source "s" {{ path = "{home}/none/*.jsonl", format = "jsonl" }}\nmodel "m" {{ reference = "{home}/ref", '
                                       f'window = "{info["window"]}s", false_alarms = "1 per 30d", flag = 0.01 }}\nstate = "{home}/state"\n')
        said = run(home, "fit", "--model", "m", "--output", home / "ref", folder / "reference.jsonl")
        unjudged = sum(" not judged" in line for line in said.splitlines())
        clean = signals(home, folder / "clean.jsonl")
        fresh = [e for e in clean if e["fresh"]]
        low = [e["log_m"] for e in clean if e["log_m"] is not None]
        print(f"{name:38s} {len(clean):5d} clean windows, budget {np.exp(clean[-1]['log_budget']):6.0f}: {len(fresh)} alarms; log M at most "
              f"{max(low, default=-np.inf):5.1f}{f'; {unjudged} measures not judged' if unjudged else ''}  ({time.time() - begun:.0f} s)", flush=True)
        for e in fresh[:3]:
            print(f"      {'as it is' if NATURES[name] is None else 'FALSE'}: {e['start'][:16]} {top(e)}")
        for shift, s in info["shifts"].items():
            found = signals(home, folder / f"{shift.replace(' ', '_')}.jsonl")
            before = [e for e in found if e["fresh"] and stamp(e["end"]) <= s["begins"]]
            after = [e for e in found if stamp(e["end"]) > s["begins"] + 1]
            at = next((i for i, e in enumerate(after) if e["fresh"]), None)
            bound = after[0]["log_budget"] / s["kl"] / np.mean([e["n"] for e in after])
            moved = [f["name"] for f in after[at]["findings"] if f["moved"]] if at is not None else []
            right = "named" if set(moved) & set(s["names"]) else "by " + ", ".join(moved)[:60]
            print(f"      {shift:22s} bound {bound:6.1f}  {f'window {at + 1}, {right}' if at is not None else f'not in {len(after)}'}"
                  f"{f'; FALSE before: {top(before[0])}' if before else ''}", flush=True)
    return len(clean), len(fresh) if NATURES[name] else 0


def main(names):
    if str(HOME) == "/nowhere":
        sys.exit("SKIPPED: OODD_STREAMS does not name a folder for the streams' logs")
    windows = alarms = 0
    for name in names or NATURES:
        folder = HOME / name.replace("/", "_").replace(" ", "_")
        if not (folder / "info.json").is_file() and not (make_nab if NATURES[name] is None else make)(name, folder):
            print(f"{name:38s} SKIPPED: what it is made from is not here")
            continue
        n, false = trial(name, folder)
        windows, alarms = windows + n, alarms + false
    print(f"{windows} windows, {alarms} false alarms")


if __name__ == "__main__":
    main(sys.argv[1:])
