"""What happens to a log's fields is told as what it is: which field, what change; and a healthy log is told nothing about."""
import json
import random
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

from oodd import OODD

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
SECONDS, WINDOW = 5, 240  # records a window of 20 minutes


def records(n, seed, first=0):
    rng = random.Random(seed)
    for i in range(first, first + n):
        yield {
            "ts": (START + timedelta(seconds=SECONDS * i)).strftime("%Y-%m-%dT%H:%M:%S.000Z"), "id": f"{seed}-{i}", "model": "m", "version": "1",
            "features": {
                "temperature": round(rng.gauss(18, 4), 1), "weight": round(rng.lognormvariate(4.2, .25), 2), "hours": rng.choice([8, 20, 30, 38, 40, 40, 40, 45, 60]),
                "duration": round(rng.lognormvariate(1, 1), 3), "share": round(rng.betavariate(2, 5), 4), "balance": round(rng.gauss(50, 20), 2),
                "device": rng.choices(["phone", "tablet", "Desk Top"], [6, 1, 3])[0], "site": "north", "plan": rng.choice("abcdefgh"),
                "coupon": rng.choice(["x", None, None, None]), "session": f"s{rng.getrandbits(40):x}", "zero": 0,
            },
            "prediction": rng.choices(["yes", "no"], [3, 7])[0], "confidence": round(.5 + rng.random() / 2, 4),
        }


def write(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def run(home, *args):
    done = subprocess.run([OODD, args[0], "-c", home / "oodd.lua", *args[1:]], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    h = tmp_path_factory.mktemp("schema")
    (h / "oodd.lua").write_text(f"""
source "s" {{ path = "{h}/none/*.jsonl", format = "jsonl" }}
model "m" {{ reference = "{h}/ref", window = "20m", false_alarms = "1 per 30d" }}
state = "{h}/state"
""")
    (h / "summary").write_text(run(h, "fit", "--model", "m", "--output", h / "ref", write(h / "reference.jsonl", records(40 * WINDOW, 1))))
    return h


def replay(home, name, change, share=1.0, clean=6, broken=4):
    "Signals and alerts of a log whose last windows are changed in this share of their records."
    rng, rows = random.Random(name), []
    for i, r in enumerate(records((clean + broken) * WINDOW, 2, 40 * WINDOW)):
        if i >= clean * WINDOW and rng.random() < share:
            change(r["features"], r)
        rows.append(r)
    events = [json.loads(line) for line in run(home, "replay", "--json", write(home / f"{name}.jsonl", rows)).splitlines()]
    signals = [e for e in events if e["event"] == "signal"]
    begin = (START + timedelta(seconds=SECONDS * (40 + clean) * WINDOW)).strftime("%Y-%m-%dT%H:%M:%S")
    before, after = [s for s in signals if s["start"] < begin], [s for s in signals if s["start"] >= begin]
    assert not any(s["alarm"] or s["schema"] for s in before), [s["schema"] for s in before]
    return after, [e for e in events if e["event"] == "alert"]


def scaled(field, factor, offset=0.0):
    def change(f, r):
        f[field] = round(f[field] * factor + offset, 4)
    return change


def put(field, *values):
    def change(f, r):
        f[field] = values[hash(r["id"]) % len(values)] if len(values) > 1 else values[0]
    return change


FAULTS = {
    "new field": (lambda f, r: f.update(zip_code="10115"), 1, "new_field", "zip_code", "never had, in 100 %"),
    "new field of few": (lambda f, r: f.update({"geo": {"lat": 1.5}}), .2, "new_field", "geo.lat", "never had"),
    "vanished": (lambda f, r: f.pop("plan"), 1, "vanished_field", "plan", "no record has it any more (missing in"),
    "null": (lambda f, r: f.update(weight=None), .25, "missing", "weight", "missing in"),
    "text for number": (put("balance", "n/a"), .4, "retyped", "balance", "text where numbers were in"),
    "array for text": (put("plan", ["a", "b"]), .4, "retyped", "plan", "neither text nor number"),
    "number for text": (lambda f, r: f.update(device=len(r["id"])), .5, "retyped", "device", "numbers where words were in"),
    "new value": (put("device", "Gig-economy"), .3, "new_values", "device", "Gig-economy"),
    "spelling": (put("device", "desktop"), .3, "new_values", "device", "(known: Desk Top)"),
    "minutes": (scaled("hours", 60), .3, "unit", "hours", "looks like x60"),
    "seconds": (scaled("duration", 3600), 1, "unit", "duration", "looks like x3600"),
    "milliseconds": (scaled("duration", 1000), 1, "unit", "duration", "looks like x1000"),
    "per cent": (scaled("share", 100), 1, "unit", "share", "looks like x100"),
    "fahrenheit": (scaled("temperature", 1.8, 32), 1, "unit", "temperature", "looks like x1.8 + 32"),
    "kelvin": (scaled("temperature", 1, 273.15), .5, "unit", "temperature", "looks like +273.15"),
    "sign": (scaled("balance", -1), 1, "unit", "balance", "the sign flipped"),
    "stuck": (put("temperature", 18.3), 1, "constant", "temperature", "it varied, now every record has 18.3"),
    "stuck word": (put("plan", "c"), 1, "constant", "plan", "it varied, now every record has c"),
    "stuck model": (lambda f, r: r.update(prediction="no"), 1, "constant", "class", "now every record has no"),
    "no constant": (put("zero", 1), .5, "not_constant", "zero", "it was always 0"),
    "no constant word": (put("site", "south"), .5, "not_constant", "site", "it was always north"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_as_what_it_is(home, name):
    change, share, kind, field, words = FAULTS[name]
    after, alerts = replay(home, name, change, share)
    alarms = [s for s in after if s["fresh"]]
    assert alarms and alarms[0] in after[:2], f"no alarm within two windows: {[s['log_m'] for s in after]}"
    found = [r for r in alarms[0]["schema"] if r["kind"] == kind and r["field"] == field]
    assert len(found) == 1 and found[0]["moved"] and words in found[0]["detail"], alarms[0]["schema"]
    assert found[0]["first_seen"] >= after[0]["start"] and found[0]["records"] > .5 * share * WINDOW
    assert len(alarms) == 1, "one cause, told more than once"
    fired = [a for a in alerts if a["state"] == "firing"]
    assert len(fired) == 1 and words in fired[0]["summary"] + fired[0]["description"] and field in fired[0]["summary"], fired
    moved = [r for r in alarms[0]["schema"] if r["moved"]]
    assert all(r["field"] == field for r in moved), f"and blamed on others: {moved}"


def test_what_is_no_unit_is_not_called_one(home):
    for name, change in {"growth": scaled("weight", 1.5), "shift": scaled("temperature", 1, 9), "spread": lambda f, r: f.update(balance=3 * f["balance"] - 100)}.items():
        after, _ = replay(home, name, change)
        assert any(s["fresh"] for s in after[:2]), name
        assert not [r for s in after for r in s["schema"] if r["kind"] == "unit"], name


def test_a_small_factor_is_named_as_soon_as_it_can_be_told_from_growth(home):
    after, _ = replay(home, "pounds", scaled("weight", 2.204623))
    assert after[0]["fresh"]
    told = [r["detail"] for s in after for r in s["schema"] if r["kind"] == "unit"]
    assert told and all(t.startswith("looks like x2.205 (pounds for kilograms)") for t in told), told


def test_a_field_of_one_record_is_told_but_nobody_paged(home):
    after, alerts = replay(home, "one", lambda f, r: f.update(debug=1) if r["id"].endswith("00") and r["id"].endswith("500") else None)
    told = [r for s in after for r in s["schema"]]
    assert told and all(r["kind"] == "new_field" and r["field"] == "debug" and not r["moved"] for r in told)
    assert not alerts and not any(s["alarm"] for s in after)


def test_what_is_known_is_not_told_again_of_another_cause(home):
    def change(f, r):
        f["device"] = "Gig-economy"
        if int(r["id"].split("-")[1]) >= 50 * WINDOW:
            f["hours"] *= 60
    after, alerts = replay(home, "two", change, share=.3, broken=8)
    fresh = [s for s in after if s["fresh"]]
    assert [[r["field"] for r in s["schema"] if r["moved"] and not r["latched"]] for s in fresh] == [["device"], ["hours"]]
    fired = [a["summary"] for a in alerts if a["state"] == "firing"]
    assert len(fired) == 2 and "Gig-economy" in fired[0] and "x60" in fired[1] and "Gig-economy" not in fired[1], fired


def test_fit_says_what_it_leaves_out_and_what_never_varies(home):
    summary = (home / "summary").read_text()
    assert "feature session is left out: it looks like an identifier: 100 % of its 9600 values occur once; it is not watched by value" in summary
    assert "feature zero is constant: 0 in all 9600 records" in summary and "feature site is constant: always north" in summary


def test_the_headline_names_the_fields(home):
    "Not the p-values, and not that the prediction never varies now, which follows from the fields."
    def change(f, r):
        f["temperature"], f["balance"], r["prediction"] = f["balance"] - 300, f["temperature"] + 300, "no"

    _, alerts = replay(home, "swapped", change)
    summary = alerts[0]["summary"]
    assert summary.startswith(("m: temperature moved (mean 1", "m: balance moved (mean 5")), summary
    assert summary.endswith("; class: it varied, now every record has no") and "also moved: " in summary


def test_a_vector_that_is_missing_is_named(tmp_path):
    "It has no bins of its own."
    rng = random.Random(3)

    def vectors(n, first, without=0, text=0, zeros=0):
        for i, r in enumerate(records(n, 3, first)):
            del r["features"]["coupon"]
            if rng.random() < text:
                r["features"]["balance"] = "n/a"
            r["embedding"] = [round(rng.gauss(0, 1), 4) for _ in range(4)]
            if rng.random() < without:
                del r["embedding"]
            elif rng.random() < zeros:
                r["embedding"] = [0, 0, 0, 0]
            yield r

    (tmp_path / "oodd.lua").write_text(f"""
source "s" {{ path = "{tmp_path}/none/*.jsonl" }}
model "m" {{ reference = "{tmp_path}/ref", window = "20m" }}
state = "{tmp_path}/state"
""")
    run(tmp_path, "fit", "--model", "m", "--output", tmp_path / "ref", write(tmp_path / "reference.jsonl", vectors(20 * WINDOW, 0)))
    for fault in ({"without": .5}, {"zeros": .5}):  # an encoder that does not work
        lines = run(tmp_path, "replay", "--json", write(tmp_path / "stream.jsonl", vectors(4 * WINDOW, 20 * WINDOW, **fault))).splitlines()
        alerts = [e for e in map(json.loads, lines) if e["event"] == "alert"]
        assert alerts and alerts[0]["summary"].startswith(("m: embedding: missing, or all zeros, in 4", "m: embedding: missing, or all zeros, in 5")), alerts
    lines = run(tmp_path, "replay", "--json", write(tmp_path / "stream.jsonl", vectors(4 * WINDOW, 20 * WINDOW, text=.5))).splitlines()
    said = [r["field"] for e in map(json.loads, lines) if e["event"] == "signal" for r in e["schema"]]
    assert said and set(said) == {"balance"}, said
