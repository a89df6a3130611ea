"""Odd records are told apart, and the same whatever happens to the agent: what kind, why, which are kept, which keep coming."""
import json
import random
import signal
import sqlite3
import time

import pytest

from oodd import MODEL, OODD, Home, sample, wait_for

GROUP_RULE = """
alert "NewGroup" { model = "clinc-*",
  when = function(s) return #s.groups > 0 and s.groups[1].fresh end,
  summary = function(s) return ("%s: %d like %s \\"%s\\""):format(s.odd, s.kinds.novel_class, s.groups[1].members[1], s.groups[1].text or "-") end,
  description = function(s) local e = s.examples[1] return ("%s %s %s"):format(e.id, e.kind, e.why) end }
"""


def faulty(record, n):
    "One cell of it does not fit."
    record["id"] = f"fault-{n}"
    if n % 2:
        record["features"]["n_chars"] = 10 ** 6
    else:
        record["features"]["n_words"] = ["three"]
    return record


def of_a_new_kind(record, n, direction, dice):
    "In a place of its own, and the model cannot say what it is."
    record["id"] = f"new-{n}"
    record["embedding"] = [round(x + dice.gauss(0, .7), 5) for x in direction]
    record["logits"] = [dice.gauss(0, .01) for _ in record["logits"]]
    record["text"] = "please water my plants while I am away, and do not forget the one on the balcony, it is thirsty"
    return record


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    h = Home(tmp_path_factory.mktemp("kinds"), model_extra=", samples = 6, texts = true")
    h.fit()
    dice, lines = random.Random(1), []
    for i, line in enumerate(sample("stream")[:600]):  # nothing odd by itself
        record = json.loads(line)
        if i == 0:
            direction = [-x for x in record["embedding"]]
        if i > 60 and i % 17 == 0:
            record = of_a_new_kind(record, i, direction, dice)
        elif i > 60 and i % 101 == 0:
            record = faulty(record, i)
        lines.append(json.dumps(record).encode() + b"\n")
    (h.path / "stream.jsonl").write_bytes(b"".join(lines))
    (h.path / "rules.d" / "a.lua").write_text(GROUP_RULE)
    return h


@pytest.fixture(scope="module")
def events(home):
    return home.events(home.path / "stream.jsonl")


def test_kinds_are_told(events):
    signals = [e for e in events if e["event"] == "signal"]
    for s in signals:
        assert s["flagged"] <= sum(s["kinds"].values()) <= s["n"]
        assert len(s["examples"]) == min(5, sum(s["kinds"].values()))
        assert s["odd"].startswith(f"{sum(s['kinds'].values())} odd record") if s["examples"] else s["odd"] == ""
    assert sum(s["kinds"]["data_fault"] for s in signals) == 5  # those that are not of the new kind
    by_id = {e["id"]: e for s in signals for e in s["examples"]}
    assert "n_chars 1000000, never above" in by_id["fault-101"]["why"] and by_id["fault-101"]["kind"] == "data_fault"
    assert "n_words neither a number nor a word, which is of another type" in by_id["fault-202"]["why"]
    groups = [(s, g) for s in signals for g in s["groups"]]
    assert [g["fresh"] for _, g in groups] == [True] + [False] * (len(groups) - 1) and len(groups) >= 3
    for s, g in groups:
        assert s["kinds"]["novel_class"] == g["n"] and all(m.startswith("new-") for m in [g["like"], *g["members"]])
        assert g["text"] == "please water my plants while I am away, and do not forget the one on the balcony..."


def test_a_rule_hears_of_a_new_group(events):
    alert = next(e for e in events if e["event"] == "alert")
    assert "of a new group (like new-" in alert["summary"] and "please water my plants" in alert["summary"]
    assert "novel_class its place is among the oddest" in alert["description"] or "unsure" in alert["description"]


def test_score_explains(home):
    rows = [json.loads(line) for line in home.run("score", "--json", "--explain", home.path / "stream.jsonl").stdout.splitlines()]
    assert all(("explanation" in r) == (r["flag"] or r["id"].startswith("fault")) for r in rows)
    new = next(r for r in rows if r["id"].startswith("new-"))["explanation"]
    assert abs(sum(d["share"] for d in new["detectors"]) - 1) < 1e-6
    reasons = {d["name"]: d["reasons"] for d in new["detectors"]}
    train = {r["id"]: r["prediction"] for r in map(json.loads, sample("train"))}
    assert [train[r["record"]] for r in reasons["knn"]] == [r["class"] for r in reasons["knn"]] and len(reasons["knn"]) == 3
    assert new["nearest"] == reasons["mahalanobis"][0]["class"]
    text = home.run("score", "--explain", home.path / "stream.jsonl").stdout.splitlines()
    assert any(line.split("\t")[3:4] == ["data_fault"] for line in text)


def kept(state):
    try:
        with sqlite3.connect(f"file:{state}/oodd.db?mode=ro", uri=True) as db:
            return db.execute("SELECT id, kind, why, reasons, p, length(record) FROM sample ORDER BY window_us, hash").fetchall(), \
                db.execute("SELECT max(offset) FROM position").fetchone()[0]
    except sqlite3.Error:
        return [], 0


def run_over(home, tmp, kills):
    h = Home(tmp, model_extra=", samples = 6, texts = true", extra='commit = "50ms"')
    h.fit(home.path / "intent.ref")
    lines = (home.path / "stream.jsonl").read_bytes().splitlines(True)
    last = json.loads(lines[-1])
    last.update(ts="2026-03-01T20:20:00Z", id="last")  # closes what is open
    lines.append(json.dumps(last).encode() + b"\n")
    agent = h.start()
    for i in range(0, len(lines), 20):
        with open(h.log, "ab") as f:
            f.write(b"".join(lines[i:i + 20]))
        if kills and i in (100, 320, 480):
            time.sleep(.2)
            agent.send_signal(signal.SIGKILL)
            agent.wait()
            agent = h.start()
    wait_for(lambda: kept(h.path / "state")[1] == h.log.stat().st_size, seconds=40)
    agent.terminate()
    agent.wait(20)
    return kept(h.path / "state")[0]


def test_samples_are_the_same_after_kills(home, events, tmp_path):
    (tmp_path / "calm").mkdir()
    (tmp_path / "killed").mkdir()
    calm, killed = run_over(home, tmp_path / "calm", False), run_over(home, tmp_path / "killed", True)
    assert calm == killed and len(calm) > 20
    assert all(why and json.loads(reasons)["detectors"] and n > 100 for _, _, why, reasons, _, n in calm)
    of = {i: k for i, k, *_ in calm}
    for s in events:  # and what replay says of them
        for e in s.get("examples", []):
            assert of[e["id"]] == e["kind"], (s["start"], s["kinds"], e)
