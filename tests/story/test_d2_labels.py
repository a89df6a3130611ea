"""Labels that come: realised accuracy and what was true, against numpy; errors and growth found as such; once each, whatever is killed."""
import json
import random
import re
import sqlite3
import time
from collections import defaultdict
from datetime import timedelta

import numpy as np
import pytest

from oodd import wait_for
from test_d1_performance import CLASSES, CONFIG, FIRST, Log, Made

DELAY = timedelta(minutes=50)
RUN = """
source "made" {{ path = "{path}/log/*.jsonl" }}
source "truth" {{ kind = "labels", path = "{path}/truth/*.jsonl", fields = {{ label = "/label" }} }}
model "made" {{ reference = "made.ref", window = "1h", lateness = "40m", idle = "10m" }}
state = "state"
commit = "50ms"
"""


def grown(label, rng):
    "Demand grows, and no feature says so: what was low is mid, what was mid is high."
    return {"low": "mid", "mid": "high"}.get(label, label) if rng.random() < .35 else label


@pytest.fixture(scope="module")
def streams():
    return [Log("calm", 8, 11, start=24), Log("grown", 8, 12, start=32, truth=grown)]


@pytest.fixture(scope="module")
def home(tmp_path_factory, streams):
    h = Made(tmp_path_factory.mktemp("truth"))
    reference = Log("ref", 40, 1)
    h.put("reference.jsonl", reference.records())
    h.put("reference-labels.jsonl", reference.labels(DELAY))
    h.fitted("--labels", h.path / "reference-labels.jsonl", h.path / "reference.jsonl")
    h.put("stream.jsonl", "".join(log.records() for log in streams))
    h.put("labels.jsonl", "".join(log.labels(DELAY) for log in streams))
    return h


@pytest.fixture(scope="module")
def events(home):
    return replayed(home, "labels.jsonl")


def replayed(home, labels, *args):
    out = home.run("replay", "--json", *args, "--labels", home.path / labels, home.path / "stream.jsonl").stdout
    return [json.loads(line) for line in out.splitlines()]


def of(events, kind):
    return [e for e in events if e["event"] == kind]


def finding(signal, name):
    return next(f for f in signal["findings"] if f["name"] == name)


def test_realised_accuracy_as_numpy_counts_it(events, streams):
    ts = np.array([t for log in streams for t in log.ts])
    right = np.concatenate([log.right for log in streams])
    for s in of(events, "signal"):
        start, end = (FIRST.fromisoformat(s[k].replace("Z", "+00:00")) for k in ("start", "end"))
        came = (ts + DELAY >= start) & (ts + DELAY < end)
        p = s["performance"]
        assert (p["n_labels"], p["n_right"]) == (came.sum(), right[came].sum())
        if came.any():
            assert p["realised"] == pytest.approx(right[came].mean())
            assert p["realised_interval"][0] < p["realised"] < p["realised_interval"][1]
    last = {}
    for e in of(events, "accuracy"):
        assert e["labels"] >= last.get(e["start"], {"labels": 0})["labels"]
        last[e["start"]] = e
    assert len(last) == 16
    for start, e in last.items():
        hour = FIRST.fromisoformat(start.replace("Z", "+00:00"))
        mine = (ts >= hour) & (ts < hour + timedelta(hours=1))
        assert (e["n"], e["labels"], e["right"]) == (600, mine.sum(), right[mine].sum())
    summary = of(events, "summary")[0]
    assert summary["balanced"] and summary["in_flight"]["records"] == 0 and not summary["rejected"]
    assert summary["scored"]["records"] == 2 * len(ts)


def test_growth_is_found_as_such_and_nothing_before_it(events):
    fresh = [s for s in of(events, "signal") if s["fresh"]]
    assert fresh and fresh[0]["start"] >= "2026-05-05T08:00"  # 24 + 8 hours; labels of it come from 08:50 on
    assert fresh[0]["start"] <= "2026-05-05T11:00"
    names = {f["name"]: f["change"] for f in fresh[0]["findings"] if f["moved"]}
    assert any(name == "accuracy" or name.startswith("label") for name in names)
    moved = {f["name"]: f for s in of(events, "signal") for f in s["findings"] if f["moved"]}
    assert "label | low" in moved and "mid" in moved["label | low"]["change"]
    assert not any(f["moved"] for s in of(events, "signal") for f in s["findings"] if f["kind"] not in ("label", "accuracy"))
    assert sum(s["fresh"] for s in of(events, "signal")) <= 2


def test_labels_contradict_the_estimate(home, events):
    "What the inputs mean has changed and no input has: the estimate goes on as before, and is said to be wrong once labels show it."
    signals = of(events, "signal")
    calm = [s for s in signals if s["start"] < "2026-05-05T08:00"]
    assert not any(s["performance"]["checked"] and s["performance"]["checked"]["contradicted"] for s in calm)
    last = signals[-2]["performance"]
    assert last["checked"]["contradicted"] and last["checked"]["labels"] >= 500
    # Its error is that of the labels' own records, which came 50 minutes before; and less that error it is what labels say.
    assert last["checked"]["error"] == pytest.approx(last["atc"] - last["realised"], abs=.06)
    assert last["checked"]["corrected_interval"][0] < last["realised"] < last["checked"]["corrected_interval"][1] < last["atc"]
    text = home.run("replay", "--labels", home.path / "labels.jsonl", home.path / "stream.jsonl").stdout
    assert re.search(r"accuracy: [\d.]+ % in the reference, about [\d.]+ % .* now, by ATC less its error; the estimate is contradicted by labels: "
                     r"of the last \d+ it took [\d.]+ points too many for right \(ATC alone says", text)
    (home.path / "rule.lua").write_text('alert "Wrong" { on = "signal", severity = "info", to = { "hook" }, '
                                        'when = function(s) return s.performance.contradicted and s.performance.error_low > .03 end, '
                                        'summary = function(s) return ("%.2f"):format(s.performance.corrected) end }\n')
    before = (home.path / "oodd.lua").read_text()
    (home.path / "oodd.lua").write_text(before + 'endpoint "hook" { kind = "webhook", url = "http://127.0.0.1:9/none" }\nrules "rule.lua"\n')
    alerts = of(replayed(home, "labels.jsonl"), "alert")
    (home.path / "oodd.lua").write_text(before)
    assert alerts and alerts[0]["name"] == "Wrong" and .3 < float(alerts[0]["summary"]) < .8


def test_more_errors_are_an_alarm_fewer_are_not(tmp_path, home):
    for name, truth in (("worse", lambda k, rng: CLASSES[rng.integers(3)] if rng.random() < .5 else k), ("better", None)):
        log = Log(name, 8, 13, start=24, truth=truth)
        if not truth:
            log.label = [CLASSES[k] for k in log.predicted]  # always right
        home.put("stream2.jsonl", log.records())
        home.put("labels2.jsonl", log.labels())
        out = home.run("replay", "--json", "--labels", home.path / "labels2.jsonl", home.path / "stream2.jsonl").stdout
        signals = of(map(json.loads, out.splitlines()), "signal")
        found = [finding(s, "accuracy") for s in signals]
        assert any(f["moved"] for f in found) == bool(truth), name
        if truth:
            assert found[-1]["before"] < .5 < found[-1]["after"] + .3 and "wrong" in found[-1]["change"]


def test_order_and_pieces_change_nothing(home, events, streams):
    lines = (home.path / "labels.jsonl").read_text().splitlines(True)
    random.Random(5).shuffle(lines)
    home.put("shuffled.jsonl", "".join(lines))
    shuffled = replayed(home, "shuffled.jsonl", "--threads", "3")
    same = lambda all_: [e for e in all_ if e["event"] in ("window", "signal")]
    assert same(replayed(home, "labels.jsonl", "--threads", "3")) == same(events)
    assert of(shuffled, "summary")[0]["scored"] == of(events, "summary")[0]["scored"]


def test_every_label_is_under_one_heading(home, streams):
    log = streams[0]
    extra = [{"id": log.id[3], "label": "low", "ts": "2026-05-05T03:00:00Z"}, {"id": "nobody", "label": "low", "ts": "2026-05-05T01:00:00Z"},
             {"id": log.id[4], "ts": "2026-05-05T01:00:00Z"}, {"id": log.id[5], "label": "low"}]
    home.put("odd-labels.jsonl", log.labels() + "".join(json.dumps(e) + "\n" for e in extra))
    summary = of(replayed(home, "odd-labels.jsonl"), "summary")[0]
    assert summary["balanced"] and summary["in_flight"]["records"] == 0
    assert {k: v["records"] for k, v in summary["rejected"].items()} == {"repeated": 1, "unmatched": 1, "no_label": 1, "no_time": 1}


def test_labels_likelier_wrong_than_the_prediction(home, streams):
    "Of labels that were flipped, and of those that are said to be: both from numpy, by the rule."
    log = streams[0]
    rng = np.random.default_rng(7)
    flip = rng.random(log.n) < .05
    clean, log.label = log.label, [rng.choice([c for c in CLASSES if c != k]) if f else k for k, f in zip(log.label, flip)]
    home.put("flipped.jsonl", log.labels())
    named = {e["id"] for e in of(replayed(home, "flipped.jsonl"), "mislabelled")}
    wrong = np.array([CLASSES[k] != t for k, t in zip(log.predicted, log.label)])
    log.label = clean
    reference = Log("ref", 40, 1)
    sure = [reference.p[np.array(reference.label) == c, k].mean() for k, c in enumerate(CLASSES)]
    could = {log.id[i] for i in range(log.n) if wrong[i] and log.confidence[i] >= sure[log.predicted[i]]}
    scores = [json.loads(line) for line in home.run("score", "--json", home.path / "stream.jsonl").stdout.splitlines()]
    p = {s["id"]: s["p"] for s in scores}
    want = {i for i in could if p[i] is None or p[i] > .2}
    classes = json.loads(home.run("eval", "--json", "--labels", home.path / "flipped.jsonl", home.path / "stream.jsonl").stdout)["classes"]
    assert set(classes["mislabelled_ids"]) == want and classes["mislabelled"] == len(want)
    assert (classes["n"], classes["right"]) == (log.n, log.n - wrong.sum())
    assert named == want and len(named & {log.id[i] for i in np.flatnonzero(flip)}) > .4 * flip.sum()


def db(home, what):
    with sqlite3.connect(f"file:{home.path}/state/oodd.db?mode=ro", uri=True) as c:
        return c.execute(what).fetchall()


def counts(home, source):
    return {what: records for what, records in db(home, f"SELECT what, records FROM count WHERE source = '{source}' AND records <> 0")}


def feed(home, streams, agent):
    "Records and labels appended side by side, as they come; agent() now and then."
    (home.path / "log").mkdir(exist_ok=True)
    (home.path / "truth").mkdir(exist_ok=True)
    lines = [(t, "log", line) for log in streams for t, line in zip(log.ts, log.records().splitlines(True))]
    lines += [(t + DELAY, "truth", line) for log in streams for t, line in zip(log.ts, log.labels(DELAY).splitlines(True))]
    lines.sort(key=lambda x: x[0])
    for i in range(0, len(lines), 600):
        for folder in ("log", "truth"):
            with open(home.path / folder / "a.jsonl", "a") as out:
                out.write("".join(line for _, f, line in lines[i:i + 600] if f == folder))
        agent()


def states(home):
    return {k: v for k, v in db(home, "SELECT key, bytes FROM state WHERE kind = 'label'")}


def run(tmp_path, home, streams, kills):
    h = Made(tmp_path)
    (tmp_path / "oodd.lua").write_text(RUN.format(path=tmp_path))
    (tmp_path / "made.ref").write_bytes((home.path / "made.ref").read_bytes())
    dice, now = random.Random(9), [h.start()]

    def agent():
        time.sleep(.02)
        if kills and dice.random() < .6:
            time.sleep(dice.uniform(0, .2))
            now[0].kill()
            now[0].wait()
            now[0] = h.start()

    feed(h, streams, agent)
    n = sum(log.n for log in streams)
    try:
        wait_for(lambda: (tmp_path / "state" / "oodd.db").exists() and counts(h, "truth").get("scored") == n, 30, .2)
        wait_for(lambda: counts(h, "made").get("scored") == n, 30, .2)
        with open(tmp_path / "log" / "a.jsonl", "a") as out:  # what closes the windows that still waited for the other file
            out.write(Log("last", 1, 14, start=42, every=3600).records())
        wait_for(lambda: counts(h, "made").get("scored") == n + 1, 30, .2)
        time.sleep(1)  # it may have just begun
    finally:
        now[0].terminate()
        assert now[0].wait(20) == 0
    return h


def moves(path):
    "What was said of windows: digests, and alarms in words."
    windows = defaultdict(set)
    for line in (path / "agent.log").read_text().splitlines():
        if " window: closed " in line:
            windows[re.search(r"start=(\S+)", line)[1]].add(re.search(r"digest=(\S+)", line)[1])
    return windows


def test_killed_or_not_each_label_counts_once(tmp_path, home, streams, events):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    a, b = run(whole, home, streams, False), run(killed, home, streams, True)
    n = sum(log.n for log in streams)
    for h in (a, b):
        assert counts(h, "truth") == {"read": n, "scored": n}
        assert "UNACCOUNTED" not in (h.path / "agent.log").read_text()
    # Every prediction, every label, every open window of labels and the evidence: bit for bit.
    assert states(a) == states(b) and len(states(a)) > 2
    want = {e["start"]: {e["digest"]} for e in of(events, "window") if not e["cut"]}
    assert len(want) == 14
    for path in (whole, killed):
        said = moves(path)
        assert all(said[start] == digest for start, digest in want.items())
    alarms = {path: {re.search(r'change="?([^"]*)', line)[1] for line in (path / "agent.log").read_text().splitlines() if "the stream moved" in line}
              for path in (whole, killed)}
    assert alarms[whole] == alarms[killed] and alarms[whole]


class Regional(Log):
    "A third of the records are of region b."

    def __init__(self, *args, miss=0.0, **kwargs):
        super().__init__(*args, **kwargs)
        rng = np.random.default_rng(args[2] + 100)
        self.b = rng.random(self.n) < 1 / 3
        for i in np.flatnonzero(self.b & (rng.random(self.n) < miss)):
            if CLASSES[self.predicted[i]] == "low":
                self.label[i] = "high"  # in b some of the high are taken for low
        self.right = np.array([CLASSES[k] == t for k, t in zip(self.predicted, self.label)])

    def records(self):
        lines = super().records().splitlines()
        return "".join(line[:-1] + ', "tags": {"region": "%s"}}\n' % "ab"[int(b)] for line, b in zip(lines, self.b))


def test_equal_opportunity_of_slices(tmp_path):
    h = Made(tmp_path, ', slices = { "region" }, slice_period = "4h"')
    reference = Regional("ref", 40, 21)
    h.put("reference.jsonl", reference.records())
    h.put("reference-labels.jsonl", reference.labels())
    h.fitted("--labels", h.path / "reference-labels.jsonl", h.path / "reference.jsonl")
    log = Regional("miss", 9, 22, start=24, miss=.6)
    h.put("stream.jsonl", log.records())
    h.put("labels.jsonl", log.labels())
    told = [s for s in of(replayed(h, "labels.jsonl"), "signal") if s["slices"].get("opportunity")]
    assert [s["end"][11:16] for s in told] == ["04:00", "08:00"]
    rates = lambda l, rows, c, b: l.right[rows & (l.b == b) & (np.array(l.label) == c)]
    for s in told:
        end = FIRST.fromisoformat(s["end"].replace("Z", "+00:00"))
        rows = np.array([end - timedelta(hours=4) <= t < end for t in log.ts])
        for g in s["slices"]["opportunity"]:
            b = g["value"] == "b"
            inside, rest = rates(log, rows, g["name"], b), rates(log, rows, g["name"], not b)
            assert (g["n"], g["inside"], g["rest"]) == (len(inside), pytest.approx(inside.mean()), pytest.approx(rest.mean()))
            everything = np.ones(reference.n, bool)
            assert g["before"] == pytest.approx(rates(reference, everything, g["name"], b).mean())
            assert g["low"] < g["inside"] - g["rest"] < g["high"]
        first = s["slices"]["opportunity"][0]
        assert first["news"] and first["name"] == "high" and "found in region" in first["words"]
        assert {(g["value"], g["name"]) for g in s["slices"]["opportunity"] if g["news"]} >= {("a", "high"), ("b", "high")}
