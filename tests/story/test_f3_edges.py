"""Streams with next to nothing, or far too much, to judge by: each is defined, and what it means is said."""
import json
import random
import subprocess
import time
from datetime import datetime, timedelta, timezone

import msgpack
import pytest

from oodd import OODD

START = datetime(2026, 3, 1, tzinfo=timezone.utc)


def record(i, seconds=5, **fields):
    ts = (START + timedelta(seconds=seconds * i)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {"ts": ts, "id": str(i), "model": "m", "version": "1", **fields}


class Home:
    def __init__(self, path, window="10m", format="jsonl"):
        self.path = path
        (path / "oodd.lua").write_text(f"""
source "s" {{ path = "{path}/none/*.{format}", format = "{format}" }}
model "m" {{ reference = "{path}/ref", window = "{window}", false_alarms = "1 per 30d" }}
state = "{path}/state"
""")

    def write(self, name, rows):
        at = self.path / name
        at.write_text("".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in rows))
        return at

    def run(self, *args, status=0):
        done = subprocess.run([OODD, args[0], "-c", self.path / "oodd.lua", *args[1:]], capture_output=True, text=True, timeout=120)
        assert done.returncode == status, done.stderr[-3000:]
        return done.stdout if status == 0 else done.stderr

    def fit(self, rows, status=0):
        return self.run("fit", "--model", "m", "--output", self.path / "ref", self.write("reference.jsonl", rows), status=status)

    def replay(self, rows):
        events = [json.loads(line) for line in self.run("replay", "--json", self.write("live.jsonl", rows)).splitlines()]
        assert events[-1]["event"] == "summary" and events[-1]["balanced"]
        return [e for e in events if e["event"] == "signal"], events[-1]

    def scores(self, rows):
        return [json.loads(line) for line in self.run("score", "--json", self.write("scored.jsonl", rows)).splitlines()]


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def usual(seed, width=6, classes=3, zeros=0):
    "A maker of records with an embedding and logits that are its first numbers."
    rng = random.Random(seed)

    def make(i, **more):
        x = [round(rng.gauss(0, 1), 4) for _ in range(width)] + [3.0] * zeros
        return record(i, embedding=x, logits=x[:classes], prediction="abcdef"[x.index(max(x[:classes]))], **more)
    return make


def quiet(signals):
    assert signals and not any(s["alarm"] for s in signals), [s["findings"][0]["change"] for s in signals if s["alarm"]]


def test_dimensions_that_never_vary(home):
    make = usual(1, zeros=4)
    home.fit(make(i) for i in range(2000))
    quiet(home.replay(make(i) for i in range(2000, 2800))[0])
    moved = [make(i) for i in range(2800, 2900)]
    for r in moved:
        r["embedding"][-1] = 4.0
    odd = [s for s in home.scores(moved) if s["flag"]]
    assert len(odd) > 50, "a dimension that never varied and now does is odd"
    assert all(0 < s["p"] <= 1 for s in home.scores(moved))


def test_one_class_and_one_logit(home):
    rng = random.Random(2)
    one = lambda i: record(i, logits=[3 + rng.random(), rng.random()], prediction="a")
    home.fit(one(i) for i in range(2000))
    quiet(home.replay(one(i) for i in range(2000, 2800))[0])
    lone = lambda i: record(i, logits=[rng.gauss(0, 1)], prediction="a")
    assert "muted: it gives every record the same score" in home.fit(lone(i) for i in range(2000))
    quiet(home.replay(lone(i) for i in range(2000, 2800))[0])


def test_scores_that_are_all_equal(home):
    same = lambda i: record(i, logits=[1.0, 2.0, 3.0], prediction="c", features={"x": 5, "y": "k"})
    said = home.fit(same(i) for i in range(2000))
    assert "no detector counts" in said and "no record will be flagged" in said
    assert "feature x is constant: 5 in all 2000 records" in said and "feature y is constant: always k" in said
    assert all(s["p"] is None and not s["flag"] for s in home.scores(same(i) for i in range(2000, 2100)))
    quiet(home.replay(same(i) for i in range(2000, 2800))[0])


def test_fewer_records_than_dimensions(home):
    make = usual(3, width=300)
    said = home.fit(make(i) for i in range(250))
    assert "records    250" in said and "nothing will be flagged" in said and "at least 12 are needed" in said
    scores = home.scores(make(i) for i in range(250, 350))
    assert all(0 < s["p"] <= 1 for s in scores) and sum(s["flag"] for s in scores) == 0
    signals, _ = home.replay(make(i) for i in range(250, 600))
    assert all(s["state"] == "unjudged" and "the reference holds too little" in s["why"] for s in signals)


def test_a_reference_of_fifty_records(home):
    make = usual(4)
    assert "50 records are too few to say what normal is; at least 200 are needed" in home.fit((make(i) for i in range(50)), status=65)
    assert "no record of model 'm' in these logs" in home.fit([], status=65)


def test_numbers_that_are_none(home, tmp_path):
    "In a vector they cannot be scored: the record is rejected and counted. In a feature the value is missing."
    make = usual(5)
    home.fit(make(i, features={"x": i % 7}) for i in range(2000))
    lines = [json.dumps(make(i, features={"x": i % 7})) + "\n" for i in range(2000, 2600)]
    for k, none in enumerate(("NaN", "1e999", "-1e999", "null", '"NaN"', "Infinity")):
        row = json.loads(lines[130 + k])
        lines[130 + k] = json.dumps(row).replace(f'"logits": [{row["logits"][0]}', f'"logits": [{none}') + "\n"
    lines[140] = lines[140].replace('"x": ', '"x": 1e999, "was": ')
    signals, summary = home.replay(lines)
    assert summary["rejected"] == {"vector_value": {"records": 6, "bytes": sum(len(line) for line in lines[130:136])}}
    assert summary["scored"]["records"] == 594
    quiet(signals)
    (tmp_path / "mp").mkdir()
    packed = Home(tmp_path / "mp", format="msgpack")
    (packed.path / "ref").write_bytes((home.path / "ref").read_bytes())
    live = [make(i) for i in range(2000, 2100)]
    live[7]["logits"][1], live[8]["embedding"][0] = float("nan"), float("inf")
    (packed.path / "live.mp").write_bytes(b"".join(map(msgpack.packb, live)))
    summary = json.loads(packed.run("replay", "--json", packed.path / "live.mp").splitlines()[-1])
    assert summary["rejected"]["vector_value"]["records"] == 2 and summary["scored"]["records"] == 98


def test_windows_without_records(home):
    make = usual(6)
    home.fit(make(i) for i in range(2000))
    signals, summary = home.replay([make(i) for i in range(2000, 2600)] + [make(i) for i in range(40000, 40600)])
    quiet(signals)
    assert len(signals) < 20 and summary["scored"]["records"] == 1200, "a stretch without records has no windows"
    signals, summary = home.replay([])
    assert not signals and summary["read"]["records"] == 0


def test_ten_thousand_classes(home):
    "Many of them never seen in the reference: how many to expect is known (Good and Turing), so that they are no news."
    rng = random.Random(7)
    many = lambda i: record(i, prediction=f"c{rng.randrange(10000)}", confidence=round(rng.random(), 4))
    begin = time.monotonic()
    home.fit(many(i) for i in range(30000))
    quiet(home.replay(many(i) for i in range(30000, 33000))[0])
    assert time.monotonic() - begin < 30
    signals, _ = home.replay(record(i, prediction="new" if i % 4 == 0 else many(i)["prediction"], confidence=.5) for i in range(33000, 34000))
    assert any(r["kind"] == "new_values" and "new 2" in r["detail"] for s in signals for r in s["schema"])


def test_ten_thousand_logits(home):
    rng = random.Random(8)
    pool = [",".join("%.2f" % rng.gauss(0, 1) for _ in range(100)) for _ in range(300)]
    line = lambda i: json.dumps(record(i)).replace("}", ', "logits": [' + ",".join(rng.choices(pool, k=100)) + "]}\n")
    begin = time.monotonic()
    assert "10000 logits" in home.fit(line(i) for i in range(240))
    assert all(0 < s["p"] <= 1 for s in home.scores(line(i) for i in range(240, 280)))
    assert time.monotonic() - begin < 30


def test_a_hundred_thousand_categories(tmp_path):
    home, rng = Home(tmp_path, window="1h"), random.Random(9)
    some = lambda i: '{"ts":%d.0,"id":"%d","model":"m","version":"1","features":{"c":"v%d","x":%.3f}}\n' % (1772323200 + 5 * i, i, rng.randrange(100000), rng.random())
    begin = time.monotonic()
    assert "1 numeric and 1 categorical features" in home.fit(some(i) for i in range(210000))
    quiet(home.replay(some(i) for i in range(210000, 213000))[0])
    signals, _ = home.replay(some(i).replace('"c":"v', '"c":"Gig-economy","w":"') if i % 3 == 0 else some(i) for i in range(213000, 216000))
    assert any("Gig-economy 3" in r["detail"] for s in signals if s["alarm"] for r in s["schema"]), "the one that is common is named among many that are not"
    assert time.monotonic() - begin < 45


def test_identifiers_and_clocks_are_left_out_and_said(home):
    rng = random.Random(10)
    make = lambda i: record(i, features={"user": f"u{rng.getrandbits(48):x}", "serial": 10 ** 6 + 3 * i, "at": 1.7e9 + 5 * i + rng.random(), "left": 9e6 - i,
                                         "minute": i // 12 % 60, "x": round(rng.random(), 3)})
    said = home.fit(make(i) for i in range(4000))
    assert "feature user is left out: it looks like an identifier: 100 % of its 4000 values occur once; it is not watched by value" in said
    for name in ("serial", "at"):
        assert f"feature {name} is left out: it only ever rises, like a counter or a clock" in said
    assert "feature left is left out: it only ever falls" in said
    assert "2 numeric and 0 categorical features" in said, "the minute comes round again"
    signals, _ = home.replay(make(i) for i in range(4000, 5500))
    quiet(signals)
    assert not any(s["schema"] for s in signals), "what was left out is known all the same"
