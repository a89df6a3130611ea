"""Versions of one model: a new one is watched by the features of the old one from its first record on."""
import json
import random
import time
from datetime import datetime, timedelta, timezone

import pytest

from oodd import Home, wait_for

MODEL = "credit"
FIRST = datetime(2026, 3, 1, tzinfo=timezone.utc)


def records(n, seed, start, version, older=0, every=2.0):
    "n loan requests, one every so many seconds; `older`: years added to each age."
    dice = random.Random(seed)
    out = []
    for i in range(n):
        ts = FIRST + timedelta(hours=start, seconds=every * i + dice.random())
        age = dice.gauss(40, 10) + older
        job = dice.choices(["clerk", "cook", "smith"], [6, 3, 1])[0]
        good = dice.random() < .7
        out.append((ts, {"ts": ts.isoformat(timespec="milliseconds"), "id": f"{version}-{seed}-{i}", "model": MODEL, "version": version,
                         "features": {"age": round(age, 1), "job": job}, "prediction": "yes" if good else "no",
                         "confidence": round(.5 + .5 * dice.random(), 3)}))
    return out


def lines(*streams):
    "By time."
    return [(json.dumps(r, separators=(",", ":")) + "\n").encode() for _, r in sorted(sum(streams, []), key=lambda tr: tr[0])]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    h = Home(tmp_path_factory.mktemp("versions"), extra='commit = "100ms"', model_extra=', idle = "4s"')
    h.config.write_text(h.config.read_text().replace("clinc-intent", MODEL).replace("clinc-*", "*"))
    (h.path / "rules.d" / "a.lua").write_text('alert "Shifted" { to = { "hook" } }')
    (h.path / "reference.jsonl").write_bytes(b"".join(lines(records(7200, 1, 0, "1.0"))))
    h.run("fit", "--model", MODEL, "--output", h.path / "intent.ref", h.path / "reference.jsonl")
    # Four hours of the old version; two and a half hours later the new one takes over, and after an hour gets older people.
    live = lines(records(4500, 2, 6, "1.0"), records(1800, 3, 8.5, "2.0"), records(1800, 4, 9.5, "2.0", older=8))
    (h.path / "live.jsonl").write_bytes(b"".join(live))
    return h


@pytest.fixture(scope="module")
def events(home):
    return home.events(home.path / "live.jsonl")


def test_a_new_version_is_judged_by_its_features_at_once(events):
    signals = [e for e in events if e["event"] == "signal" and e["version"] == "2.0"]
    assert signals and all(s["inherited_from"] == "1.0" for s in signals)
    assert all(e["inherited_from"] is None for e in events if e["event"] == "signal" and e["version"] == "1.0")
    judged = {f["name"] for f in signals[5]["findings"] if f["judged"]}
    assert judged == {"age", "job", "missing"}
    assert {f["name"] for f in signals[5]["findings"]} == judged | {"class", "confidence"}
    fresh = [e for e in events if e["event"] == "signal" and e["fresh"]]
    assert [s["version"] for s in fresh] == ["2.0"]
    assert "2026-03-01T09:25" <= fresh[0]["start"] <= "2026-03-01T09:45"
    assert [f["name"] for f in fresh[0]["findings"] if f["moved"]] == ["age"]


def test_its_records_are_counted_as_scored_without_detectors(events):
    assert events[-1]["balanced"] and not events[-1]["rejected"]
    assert events[-1]["scored"]["records"] == 8100 and events[-1]["no_detectors"] == 3600


def test_it_is_said_once(home):
    said = home.run("replay", "--json", home.path / "live.jsonl").stderr
    assert said.count("a new version of the model") == 1


def test_threads_and_cuts_change_nothing(home, events):
    "Which record is the version's first does not depend on how many chunks are under way."
    whole = home.path / "live.jsonl"
    assert home.events("--threads", "4", whole) == events
    rows = whole.read_bytes().splitlines(True)
    for i, (a, b) in enumerate(((0, 4501), (4501, 4502), (4502, 8100))):
        (home.path / f"piece{i}.jsonl").write_bytes(b"".join(rows[a:b]))
    assert home.events("--threads", "3", *[home.path / f"piece{i}.jsonl" for i in (0, 1, 2)]) == events


def test_its_state_survives_a_restart(home, events):
    "Killed in the middle of the new version's second hour; what is said of windows after it is what replay says."
    rows = (home.path / "live.jsonl").read_bytes().splitlines(True)
    logged = home.path / "agent.log"

    def closed():
        text = logged.read_text() if logged.exists() else ""
        return {line.split("digest=")[1].split()[0] for line in text.splitlines() if " window: closed " in line and "version=2.0" in line}

    home.log.write_bytes(b"".join(rows[:7000]))
    agent = home.start()
    try:
        wait_for(lambda: len(closed()) >= 13)
        time.sleep(.5) # and committed
    finally:
        agent.kill()
        agent.wait()
    with open(home.log, "ab") as f:
        f.write(b"".join(rows[7000:]))
    want = {e["digest"] for e in events if e["event"] == "window" and e["version"] == "2.0"}
    agent = home.start()
    try:
        wait_for(lambda: closed() >= want)
    finally:
        agent.terminate()
        assert agent.wait(20) == 0
    assert closed() == want
