"""Slices: records by tags; where a shift sits, and which slices differ from the rest."""
import json
import random
import subprocess
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

from oodd import OODD

FIRST = datetime(2026, 3, 1, tzinfo=timezone.utc)
SHARES = {"EU": .5, "US": .3, "APAC": .2}
APPROVED = {"EU": .4, "US": .4, "APAC": .2}  # has always been so


def log(path, hours, first, seed, odd=None, approved=APPROVED, new=()):
    "A record every four seconds; odd: how the amount is drawn in a region."
    rng = random.Random(seed)
    with open(path, "w") as f:
        for i in range(hours * 900):
            region = rng.choices(list(SHARES), SHARES.values())[0]
            amount = rng.lognormvariate(3, .5)
            if odd and odd(region, i):
                amount *= 4
            record = {"ts": (first + timedelta(seconds=4 * i)).strftime("%Y-%m-%dT%H:%M:%S.000Z"), "id": f"{seed}-{i}", "model": "loan", "version": "1",
                      "features": {"amount": round(amount, 2), "age": rng.randint(18, 90)},
                      "prediction": "yes" if rng.random() < approved[region] else "no",
                      "metrics": {"latency": round(rng.gauss(20, 3), 2), "escalated": rng.random() < .1},
                      "tags": {"region": region, "tier": rng.choice([1, 2]), "host": f"h{rng.randint(0, 999)}"}}
            for name in new:
                record["tags"]["region"] = name if rng.random() < .1 else region
            if i % 97 == 0:
                del record["tags"]
            f.write(json.dumps(record) + "\n")
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("slices")
    (home / "rule.lua").write_text('''
alert "SlicesDiffer" {
  when = function(s) return s.slices.fresh and #s.slices.gaps > 0 and s.slices.gaps[1].news end,
  summary = function(s) return s.slices.gaps[1].words end,
}
alert "Where" { summary = function(s) return s.slices.where_words end }
''')
    configure(home)
    print(run(home, "fit", "--model", "loan", "--output", home / "ref", log(home / "reference.jsonl", 24, FIRST, 1)))
    return home


def configure(home, slices='"region", "tier", "host"', more='slice_period = "4h"'):
    (home / "oodd.lua").write_text(f'''
source "loan" {{ path = "{home}/live/*.jsonl" }}
model "loan" {{ reference = "{home}/ref", window = "10m",
  slices = {{ {slices} }}, {more} }}
rules "{home}/rule.lua"
state = "{home}/state"
''')


def run(home, command, *args, code=0):
    done = subprocess.run([OODD, command, "-c", home / "oodd.lua", *args], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def replay(home, path):
    events = [json.loads(line) for line in run(home, "replay", "--json", path).splitlines()]
    return [e for e in events if e["event"] == "signal"], [e for e in events if e["event"] == "alert"]


def test_counts_are_those_of_the_log_and_old_differences_are_no_news(home):
    path = log(home / "clean.jsonl", 9, FIRST + timedelta(days=1), 2, new=("MARS",))
    signals, alerts = replay(home, path)
    periods = [s["slices"] for s in signals if "counts" in s["slices"]]
    assert len(periods) == 2 and periods[0]["period_end"] == periods[1]["period_start"]
    records = [json.loads(line) for line in open(path)]
    for p in periods:
        within = [r for r in records if p["period_start"] <= r["ts"] < p["period_end"]]
        assert p["period_n"] == len(within)
        region = Counter(r["tags"]["region"] for r in within if "tags" in r)
        yes = Counter(r["tags"]["region"] for r in within if "tags" in r and r["prediction"] == "yes")
        told = {c["value"]: c for c in p["counts"] if c["tag"] == "region"}
        assert {k: v["n"] for k, v in told.items()} == {"EU": region["EU"], "US": region["US"], "APAC": region["APAC"], "(other)": region["MARS"]}
        assert {k: v["class"]["n"]["yes"] for k, v in told.items() if k != "(other)"} == {k: yes[k] for k in SHARES}
        tier = [r["metrics"]["latency"] for r in within if r.get("tags", {}).get("tier") == 2]
        two = next(c for c in p["counts"] if (c["tag"], c["value"]) == ("tier", "2"))
        assert two["n"] == len(tier) and two["latency"]["mean"] == pytest.approx(sum(tier) / len(tier), abs=1e-4)
        apac = next(g for g in p["gaps"] if (g["value"], g["what"]) == ("APAC", "share of yes"))
        assert apac["differs"] and not apac["news"] and apac["high"] < 0 and apac["ratio"] < .7
    assert "SlicesDiffer" not in {a["name"] for a in alerts}


def test_a_shift_in_one_slice_is_told_as_such(home):
    signals, alerts = replay(home, log(home / "eu.jsonl", 6, FIRST + timedelta(days=2), 3, odd=lambda region, i: region == "EU" and i > 1800 and i % 2))
    fresh = next(s for s in signals if s["fresh"])
    where = fresh["slices"]["where"][0]
    assert (where["tag"], where["value"]) == ("region", "EU")
    assert "amount" in {g["name"] for s in signals for g in s["slices"]["where"]} and all(g["tag"] == "region" for g in fresh["slices"]["where"])
    assert where["share"] > .8 and .4 < where["of_records"] < .6 and where["inside"] > where["before"] + .2
    assert "region EU" in next(a for a in alerts if a["name"] == "Where")["summary"]


def test_a_new_version_inherits_where(home):
    "Features in slices do not depend on the model: a version without a reference says where a shift sits, by the same counts."
    old, _ = replay(home, log(home / "eu.jsonl", 6, FIRST + timedelta(days=2), 3, odd=lambda region, i: region == "EU" and i > 1800 and i % 2))
    path = home / "eu2.jsonl"
    path.write_text((home / "eu.jsonl").read_text().replace('"version": "1"', '"version": "2"'))
    signals, alerts = replay(home, path)
    assert all(s["inherited_from"] == "1" for s in signals)
    where = next(s for s in signals if s["fresh"])["slices"]["where"][0]
    assert (where["tag"], where["value"], where["name"]) == ("region", "EU", "amount") and where["share"] > .8
    mine = [s["slices"] for s in signals if "counts" in s["slices"]]
    theirs = [s["slices"] for s in old if "counts" in s["slices"]]
    assert mine and len(mine) == len(theirs)
    for a, b in zip(mine, theirs):
        for x, y in zip(a["counts"], b["counts"]):
            assert (x["tag"], x["value"], x["n"]) == (y["tag"], y["value"], y["n"]) if "tag" in x else x["n"] == y["n"]
    # What the model puts out is not told apart by slices until there is a reference of its own.
    assert not [g for s in mine for g in s["gaps"]] and not [p for s in mine for p in s["parity"]]


def test_a_shift_of_all_is_told_as_such(home):
    signals, _ = replay(home, log(home / "all.jsonl", 6, FIRST + timedelta(days=3), 4, odd=lambda region, i: i > 1800 and i % 4 == 0))
    fresh = next(s for s in signals if s["fresh"])
    assert fresh["slices"]["where"] == [] and fresh["slices"]["where_words"].startswith("everywhere")


def test_a_slice_that_comes_to_differ_is_news(home):
    signals, alerts = replay(home, log(home / "unfair.jsonl", 9, FIRST + timedelta(days=4), 5, approved=APPROVED | {"US": .3}))
    period = [s["slices"] for s in signals if "gaps" in s["slices"]][0]
    assert any(g["news"] and (g["value"], g["name"]) == ("US", "yes") for g in period["gaps"])
    assert any(a["name"] == "SlicesDiffer" and "US" in a["summary"] for a in alerts)


def test_other_slices_want_another_reference(home):
    configure(home, '"tier"')
    assert "fitted for other slices" in run(home, "replay", home / "clean.jsonl", code=78)
    configure(home)


def test_a_shift_that_the_whole_stream_does_not_show_is_found_in_its_slices(home):
    "Half as many approved in one region, and more in the others: the stream's share stays what it was."
    path = log(home / "swap.jsonl", 9, FIRST + timedelta(days=5), 6, approved={"EU": .54, "US": .3, "APAC": .0})
    signals, _ = replay(home, path)
    fresh = next(s for s in signals if s["fresh"])
    moved = {f["name"] for f in fresh["findings"] if f["moved"]}
    assert moved and moved <= {"class[region=EU]", "class[region=US]", "class[region=APAC]"}, moved
    assert "class[region=APAC]" in {f["name"] for s in signals for f in s["findings"] if f["moved"]}
    assert not any(f["name"] == "class" and f["moved"] for s in signals for f in s["findings"])
