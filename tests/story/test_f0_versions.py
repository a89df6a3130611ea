"""Versions of one model: a new one is watched by the features of the old one from its first record on."""
import json
import random
import sqlite3
import time
from datetime import datetime, timedelta, timezone

import msgpack
import pytest

from oodd import Home, sample, spaced, wait_for

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
    # The old version for three and a half hours; after two and a half the new one beside it, which gets older people an hour later.
    live = lines(records(6300, 2, 6, "1.0"), records(1800, 3, 8.5, "2.0"), records(1800, 4, 9.5, "2.0", older=8))
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
    assert judged == {"age", "job", "missing", "fields"}
    assert {f["name"] for f in signals[5]["findings"]} == judged | {"class", "confidence"}
    fresh = [e for e in events if e["event"] == "signal" and e["fresh"]]
    assert [s["version"] for s in fresh] == ["2.0"]
    assert "2026-03-01T09:25" <= fresh[0]["start"] <= "2026-03-01T09:45"
    assert [f["name"] for f in fresh[0]["findings"] if f["moved"]] == ["age"]


def test_its_records_are_counted_as_scored_without_detectors(events):
    assert events[-1]["balanced"] and not events[-1]["rejected"]
    assert events[-1]["scored"]["records"] == 9900 and events[-1]["no_detectors"] == 3600


def test_it_is_said_once(home):
    said = home.run("replay", "--json", home.path / "live.jsonl").stderr
    assert said.count("a new version of the model") == 1


def test_threads_and_cuts_change_nothing(home, events):
    "Which record is the version's first does not depend on how many chunks are under way."
    whole = home.path / "live.jsonl"
    assert home.events("--threads", "4", whole) == events
    rows = whole.read_bytes().splitlines(True)
    for i, (a, b) in enumerate(((0, 4501), (4501, 4502), (4502, 9900))):
        (home.path / f"piece{i}.jsonl").write_bytes(b"".join(rows[a:b]))
    by_stream = lambda es: sorted((json.dumps(e) for e in es if e["event"] != "alert"))
    assert by_stream(home.events("--threads", "3", *[home.path / f"piece{i}.jsonl" for i in (0, 1, 2)])) == by_stream(events)


def test_versions_that_are_gone_make_room(home):
    "A version a day for ten months: each is watched, though only so many at once; a flood of them in one hour is not."
    calm = [records(3, 10 + i, 24 * (1 + i), f"day-{i}") for i in range(300)]
    (home.path / "many.jsonl").write_bytes(b"".join(lines(*calm)))
    events = home.events(home.path / "many.jsonl")
    assert events[-1]["scored"]["records"] == events[-1]["no_detectors"] == 900 and not events[-1]["rejected"]
    assert len({e["version"] for e in events if e["event"] == "window"}) == 300
    flood = [records(1, 10 + i, 24 + i / 300, f"build-{i}") for i in range(300)]
    (home.path / "flood.jsonl").write_bytes(b"".join(lines(*flood)))
    events = home.events(home.path / "flood.jsonl")
    assert len({e["version"] for e in events if e["event"] == "window"}) == 256 and events[-1]["balanced"]
    build_ids = [records(1, 7, 24 + i / 3000, f"id-{i}") for i in range(3000)]
    (home.path / "ids.jsonl").write_bytes(b"".join(lines(*build_ids)))
    done = home.run("replay", home.path / "ids.jsonl")
    assert done.stderr.count("a new version of the model") == 256


def test_its_state_survives_a_restart(home, events):
    "Killed in the middle of the new version's second hour; what is said of windows after it is what replay says."
    rows = (home.path / "live.jsonl").read_bytes().splitlines(True)
    logged = home.path / "agent.log"

    def closed():
        text = logged.read_text() if logged.exists() else ""
        return {line.split("digest=")[1].split()[0] for line in text.splitlines() if " window: closed " in line and "version=2.0" in line}

    home.log.write_bytes(b"".join(rows[:8700]))
    agent = home.start()
    try:
        wait_for(lambda: len(closed()) >= 13)
        time.sleep(.5) # and committed
    finally:
        agent.kill()
        agent.wait()
    with open(home.log, "ab") as f:
        f.write(b"".join(rows[8700:]))
    want = {e["digest"] for e in events if e["event"] == "window" and e["version"] == "2.0"}
    agent = home.start()
    try:
        wait_for(lambda: closed() >= want)
    finally:
        agent.terminate()
        assert agent.wait(20) == 0
    assert closed() == want
    told = compares(events)
    with sqlite3.connect(home.path / "state" / "oodd.db") as db:
        kept = dict(db.execute("SELECT key, bytes FROM state WHERE kind = 'compare'"))
    assert list(kept) == ["credit\n1.0\n2.0"]
    so_far = msgpack.unpackb(kept["credit\n1.0\n2.0"])["so_far"]
    assert so_far[:3] == [told[-1]["windows"], told[-1]["n_stable"], told[-1]["n_canary"]]


def compares(events, canary="2.0"):
    return [e for e in events if e["event"] == "compare" and e["canary"] == canary]


def test_a_new_version_is_put_beside_the_old_one(events):
    """Side by side from 08:30 on, with the same traffic for an hour: not worse, so far as can be told without a reference of its
    own. Then the new one is given older people: held, for they do not get the same traffic."""
    told = compares(events)
    assert told and all(c["stable"] == "1.0" for c in told)
    assert {r["name"]: r["side"] for r in told[0]["rows"]} == {
        "class": "difference", "confidence": "more is worse", "age": "traffic", "job": "traffic"}
    verdicts = [(c["end"], c["verdict"]) for c in told if c["fresh"]]
    assert "roll back" not in {v for _, v in verdicts}
    assert told[-1]["verdict"] == "hold" or told[-1]["end"] <= "2026-03-01T09:30"
    last = told[-1]["reason"]
    assert "the two do not get the same traffic" in last or "not enough data" in last


def test_replay_tells_how_versions_stand(home, events):
    "Also those that are held, about whom nothing has changed: what is compared, a line each."
    text = home.run("replay", home.path / "live.jsonl").stdout
    last = compares(events)[-1]
    table = text[text.rindex(" COMPARE credit 2.0 with 1.0: "):]
    assert table.splitlines()[0].endswith(last["reason"])
    assert f"{last['windows']} pairs of windows, {last['n_stable']} and {last['n_canary']} records" in table.splitlines()[1]
    assert [line.split()[0] for line in table.splitlines()[2:6]] == [r["name"] for r in last["rows"]]


def test_one_that_is_gone_is_no_stable(home):
    "2.0 had a reference and gets no records any more: 3.0 is put beside 1.0 after as many windows as are kept waiting."
    (home.path / "second.jsonl").write_bytes(b"".join(lines(records(7200, 21, 5, "2.0"))))
    second = home.path / "intent@2.0.ref"
    home.run("fit", "--model", MODEL, "--version", "2.0", "--output", second, home.path / "second.jsonl")
    try:
        (home.path / "gone.jsonl").write_bytes(b"".join(lines(records(6000, 22, 12, "1.0", every=18), records(6000, 23, 12, "3.0", every=18))))
        told = compares(home.events(home.path / "gone.jsonl"), "3.0")
    finally:
        second.unlink()
    assert {c["stable"] for c in told} == {"1.0"} and told[0]["start"] >= "2026-03-02T09:00" and len(told) > 60


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    "The sample's model in two versions, each with a reference of its own."
    h = Home(tmp_path_factory.mktemp("router"))
    h.fit()
    for name in ("train", "reference"):
        rows = b"".join(sample(name)).replace(b'"version":"1.0.0"', b'"version":"2.0.0"')
        (h.path / f"{name}2.jsonl").write_bytes(rows)
    h.run("fit", "--model", "clinc-intent", "--output", h.path / "intent@2.0.0.ref", "--fit", h.path / "train2.jsonl",
          "--calibrate", h.path / "reference2.jsonl")
    (h.path / "rules.d" / "a.lua").write_text("""
alert "CanaryIsWorse" {
  on = "compare", to = { "hook" }, severity = "page",
  when = function(c) return c.verdict == "roll back" and c.rows.odd.difference > 0 end,
  summary = function(c) return ("%s %s: %s"):format(c.model, c.canary, c.reason) end,
}
alert "Plain" { on = "compare" }
""")
    return h


def side_by_side(path, odd_share):
    "Three of four records to 1.0.0, one to 2.0.0; `odd_share` of the latter's are out of scope."
    truth = {json.loads(line)["id"]: json.loads(line)["ood"] for line in sample("labels")}
    rows = [(truth[json.loads(line)["id"]], line) for line in sample("stream") + sample("reference") if json.loads(line)["id"] in truth]
    good, odd = [line for ood, line in rows if not ood], [line for ood, line in rows if ood]
    dice, out = random.Random(5), []
    lines_ = [good[dice.randrange(len(good))] for _ in range(16000)]
    for i, line in enumerate(spaced(lines_, len(lines_), 1, "x")):
        if i % 4 == 3:
            if dice.random() < odd_share:
                old = odd[dice.randrange(len(odd))]
                line = line[:line.index(b',"model"')] + old[old.index(b',"model"'):]
            line = line.replace(b'"version":"1.0.0"', b'"version":"2.0.0"')
        out.append(line)
    path.write_bytes(b"".join(out))
    return path


def test_a_canary_with_more_odd_records_is_rolled_back(router):
    events = router.events(side_by_side(router.path / "worse.jsonl", .10))
    told = compares(events, "2.0.0")
    fresh = [c for c in told if c["fresh"]]
    assert [c["verdict"] for c in fresh] == ["roll back"], fresh
    assert fresh[0]["reason"].endswith("worse than tolerated") and fresh[0]["windows"] <= 40
    assert {r["name"] for r in fresh[0]["rows"] if r["worse"]} <= {"odd", "confidence"}
    odd = next(r for r in told[-1]["rows"] if r["name"] == "odd")
    assert odd["low"] > 0 and odd["log_worse"] > 4.6 and odd["difference"] > .02
    alerts = [e for e in events if e["event"] == "alert"]
    assert [(a["name"], a["state"], a["version"]) for a in alerts] == [("CanaryIsWorse", "firing", "2.0.0"), ("Plain", "firing", "2.0.0")]
    assert alerts[1]["summary"].startswith("clinc-intent: version 2.0.0 beside 1.0.0: roll back; ")
    assert "worse than" in alerts[0]["summary"] and alerts[0]["severity"] == "page"
    assert router.events("--threads", "3", router.path / "worse.jsonl") == events


def test_an_equal_one_is_held_then_promoted(router):
    events = router.events(side_by_side(router.path / "equal.jsonl", 0))
    told = compares(events, "2.0.0")
    assert told[0]["verdict"] == "hold" and "not enough data" in told[0]["reason"]
    assert [c["verdict"] for c in told if c["fresh"]] == ["promote"]
    assert told[-1]["verdict"] == "promote" and not [e for e in events if e["event"] == "alert"]


def test_comparing_can_be_told_and_left(router):
    text = router.config.read_text()
    side_by_side(router.path / "worse.jsonl", .10)
    try:
        router.config.write_text(text.replace("flag = 0.01", 'flag = 0.01, compare = { stable = "2.0.0", canary = "1.0.0" }'))
        told = compares(router.events(router.path / "worse.jsonl"), "1.0.0")
        assert told and all(c["stable"] == "2.0.0" and c["verdict"] != "roll back" for c in told)
        router.config.write_text(text.replace("flag = 0.01", "flag = 0.01, compare = false"))
        assert not [e for e in router.events(router.path / "worse.jsonl") if e["event"] == "compare"]
        router.config.write_text(text.replace("flag = 0.01", 'flag = 0.01, compare = { stable = "2.0.0" }'))
        assert "name both versions" in router.run("check", check=False).stderr
    finally:
        router.config.write_text(text)


def swapped(line, by=.3):
    "The same embedding under another last layer: each logit moved along two dimensions of it."
    r = json.loads(line)
    x, z = r["embedding"], r["logits"]
    r["logits"] = [round(z[c] + by * (x[7 * c % len(x)] - x[3 * c % len(x)]), 4) for c in range(len(z))]
    return (json.dumps(r, separators=(",", ":")) + "\n").encode()


def test_a_model_swapped_under_its_version_is_said(router):
    "Logits stop to follow from embeddings by the reference's last layer; odd records, which do follow, are no swap."
    truth = {json.loads(line)["id"]: json.loads(line)["ood"] for line in sample("labels")}
    good = [line for line in sample("reference") + sample("stream") if not truth.get(json.loads(line)["id"], False)]
    dice = random.Random(3)
    live = spaced([good[dice.randrange(len(good))] for _ in range(6000)], 6000, 1, "s")
    (router.path / "swapped.jsonl").write_bytes(b"".join(live[:3000] + [swapped(line) for line in live[3000:]]))
    signals = [e for e in router.events(router.path / "swapped.jsonl") if e["event"] == "signal"]
    fresh = [s for s in signals if s["fresh"]]
    assert fresh and "2026-03-01T00:50" <= fresh[0]["start"] <= "2026-03-01T01:00"
    said = {f["name"]: f["change"] for s in fresh for f in s["findings"] if f["moved"]}
    assert "model swapped under the same version?" in said["last layer"] and said["last layer"].startswith("100 %")
    for s in router.events(side_by_side(router.path / "odd.jsonl", .10)):
        if s["event"] == "signal":
            assert not [f for f in s["findings"] if f["name"] == "last layer" and (f["moved"] or f["after"] > .01)]


def test_a_reference_takes_over_the_bins_of_the_version_before(home):
    "So that two versions with references of their own have more in common than p-values and classes."
    (home.path / "reference2.jsonl").write_bytes(b"".join(lines(records(7200, 7, 0, "2.0"))))
    at = home.path / "intent@2.0.ref"
    try:
        said = home.run("fit", "--model", MODEL, "--output", at, home.path / "reference2.jsonl").stdout
        assert "bins are those of version 1.0" in said
        told = compares(home.events(home.path / "live.jsonl"))
        sides = {r["name"]: r["side"] for r in told[0]["rows"]}
        assert sides == {"odd": "more is worse", "class": "difference", "confidence": "more is worse", "age": "traffic", "job": "traffic"}
        assert "roll back" not in {c["verdict"] for c in told}
        assert not [r for r in told[-1]["rows"] if r["worse"] or r["differs"]], told[-1]
    finally:
        at.unlink()
