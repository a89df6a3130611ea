"""The main job on real data, offline: fit, replay, score; and the laws of replay."""
import gzip
import json
import struct
import subprocess
from collections import Counter
from datetime import datetime

import msgpack
import pytest

from oodd import OODD, TREE, Home, MODEL, longer, sample, spaced


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    h = Home(tmp_path_factory.mktemp("replay"))
    h.fit()
    (h.path / "stream.jsonl").write_bytes(b"".join(sample("stream")))
    return h


@pytest.fixture(scope="module")
def events(home):
    return home.events(home.path / "stream.jsonl")


def test_the_balance_holds(events):
    summary = events[-1]
    assert summary["event"] == "summary" and summary["balanced"]
    assert summary["read"]["records"] == 1600
    assert summary["read"]["bytes"] == sum(len(line) for line in sample("stream"))
    assert summary["scored"]["records"] == 1600 and not summary["rejected"]
    assert sum(e["n"] for e in events if e["event"] == "window") == 1600


def test_the_abrupt_phase_is_found_and_nothing_before_it(events):
    "Rows 600 on stand at 22:00 and later; out-of-scope queries come from 22:14."
    alarms = [e for e in events if e["event"] == "signal" and e["fresh"]]
    assert alarms, "no alarm at all"
    assert alarms[0]["start"] >= "2026-03-01T22:10:00", alarms[0]
    assert alarms[0]["start"] <= "2026-03-01T22:30:00", alarms[0]
    moved = [f["name"] for f in alarms[0]["findings"] if f["moved"]]
    assert moved and alarms[0]["findings"][0]["change"]
    fired = [e for e in events if e["event"] == "alert" and e["state"] == "firing"]
    assert fired and fired[0]["model"] == MODEL and fired[0]["version"] == "1.0.0" and moved[0] in fired[0]["summary"]


def test_scores_come_one_a_record_in_order(home):
    lines = home.run("score", "--json", home.path / "stream.jsonl").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [r["id"] for r in rows] == [json.loads(line)["id"] for line in sample("stream")]
    truth = {json.loads(line)["id"]: json.loads(line)["ood"] for line in sample("labels")}
    flagged = Counter((truth[r["id"]], r["flag"]) for r in rows)
    assert all(0 < r["p"] <= 1 for r in rows)
    assert flagged[False, True] / (flagged[False, True] + flagged[False, False]) < .03
    assert flagged[True, True] > flagged[False, True]
    assert set(rows[0]["scores"]) == set(rows[0]["pvalues"]) and len(rows[0]["scores"]) >= 2


def test_threads_and_cuts_change_nothing(home, events):
    "Law: batch sizes and thread counts change nothing. The log in one piece, on several threads, compressed, by pieces."
    whole = home.path / "stream.jsonl"
    assert home.events("--threads", "4", whole) == events
    lines = whole.read_bytes().splitlines(True)
    for i, (a, b) in enumerate(((0, 1), (1, 700), (700, 1600))):
        (home.path / f"piece{i}.jsonl").write_bytes(b"".join(lines[a:b]))
    assert home.events(*[home.path / f"piece{i}.jsonl" for i in (2, 0, 1)]) == events
    assert home.events("--threads", "3", *[home.path / f"piece{i}.jsonl" for i in (0, 1, 2)]) == events


def test_two_workers_logs_are_merged_by_time(home, events):
    "Two logs written side by side replay as the one log they would have been."
    lines = (home.path / "stream.jsonl").read_bytes().splitlines(True)
    (home.path / "even.jsonl").write_bytes(b"".join(lines[::2]))
    (home.path / "odd.jsonl").write_bytes(b"".join(lines[1::2]))
    merged = home.events(home.path / "odd.jsonl", home.path / "even.jsonl")
    digests = lambda es: {e["start"]: e["digest"] for e in es if e["event"] == "window"}
    assert digests(merged) == digests(events)
    assert merged[-1]["late"]["records"] == 0


def test_two_quiet_logs_far_behind_one_another(home):
    "A chunk of one log spans some hundred windows that wait for the other: none is refused."
    for name in ("q1", "q2"):
        (home.path / f"{name}.jsonl").write_bytes(b"".join(spaced(sample("stream"), 1000, 300, name)))
    found = home.events(home.path / "q1.jsonl", home.path / "q2.jsonl")
    assert found[-1]["scored"]["records"] == 2000 and not found[-1]["rejected"], found[-1]
    assert {e["n"] for e in found if e["event"] == "window"} == {2}


def test_a_compressed_log_is_seen_through(home, events):
    assert home.events(TREE / "tests" / "data" / "clinc_stream.jsonl.zst") == events
    packed = home.path / "stream.jsonl.gz"
    packed.write_bytes(gzip.compress((home.path / "stream.jsonl").read_bytes()))
    assert home.events(packed) == events
    packed.write_bytes(packed.read_bytes()[:-1000])
    done = home.run("replay", "--json", packed, check=False)
    assert done.returncode == 65 and "stream.jsonl.gz" in done.stderr


def test_msgpack_says_the_same(home, events):
    "A stream of maps, with packed float32 vectors: same records, same windows, whatever the format."
    config = home.path / "msgpack.lua"
    config.write_text(home.config.read_text().replace('format = "jsonl"', 'format = "msgpack"'))
    log = home.path / "stream.msgpack"
    with open(log, "wb") as out:
        for line in sample("stream"):
            r = json.loads(line)
            for key in ("embedding", "logits"):
                r[key] = struct.pack(f"<{len(r[key])}f", *r[key])
            out.write(msgpack.packb(r))
    done = subprocess.run([OODD, "replay", "-c", config, "--json", log], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    digests = lambda es: {e["start"]: e["digest"] for e in es if e["event"] == "window"}
    assert digests(theirs) == digests(events) and theirs[-1]["balanced"]


def test_a_log_with_other_names_needs_no_code(home, events):
    "Nested elsewhere, named otherwise, time in milliseconds, the model named by the source: the same records, the same windows."
    fields = """, model = "clinc-intent", version = "1.0.0", fields = { time = "/meta/at", id = "/meta/request~1id", features = "/in/put",
      embedding = "/out/0/vector", logits = "/out/0/scores", prediction = "/out/0/label", confidence = "/out/0/p", model = "", version = "",
      tags = "", text = "" }"""
    config = home.path / "other.lua"
    config.write_text(home.config.read_text().replace('format = "jsonl"', 'format = "jsonl"' + fields))
    log = home.path / "other.jsonl"
    with open(log, "w") as out:
        for line in sample("stream"):
            r = json.loads(line)
            at = datetime.fromisoformat(r["ts"].replace("Z", "+00:00"))
            out.write(json.dumps({"out": [{"label": r["prediction"], "p": r["confidence"], "scores": r["logits"], "vector": r["embedding"]}],
                                  "more": {"deep": [1, {"x": None}]}, "in": {"put": r["features"]},
                                  "meta": {"request/id": r["id"], "at": round(at.timestamp() * 1000)}}) + "\n")
    done = subprocess.run([OODD, "replay", "-c", config, "--json", log], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    digests = lambda es: {e["start"]: e["digest"] for e in es if e["event"] == "window"}
    assert digests(theirs) == digests(events), theirs[-1]


def test_standard_input_is_a_log(home, events):
    text = (home.path / "stream.jsonl").read_text()
    done = home.run("replay", "--json", "-", input=text)
    assert [json.loads(line) for line in done.stdout.splitlines()] == events


def test_hostile_lines_are_counted_under_their_reasons(home, events):
    good = sample("stream")
    bad = {
        b'{"ts":"2026-03-01T19:25:41Z"\n': "syntax",
        b"[1,2,3]\n": "not_object",
        b'{"ts":"2026-03-01T19:25:41Z","model":"clinc-intent","text":"\xff\xfe"}\n': "utf8",
        b'{"ts":"yesterday","model":"clinc-intent"}\n': "no_time",
        b'{"ts":"2026-03-01T19:25:41Z"}\n': "no_model",
        b'{"ts":"2026-03-01T19:25:41Z","model":"clinc-intent","version":"1.0.0","embedding":[1,2,3]}\n': "vector_width",
        b'{"ts":"2026-03-01T19:25:41Z","model":"another"}\n': "no_stream",
        b"\n": "blank",
        b'{"a":"' + b"x" * (1 << 20) + b'"}\n': "too_long",
        b"[" * 100 + b"]" * 100 + b"\n": "too_deep",
    }
    unseen = b'{"ts":"2026-03-01T19:25:41Z","model":"clinc-intent","version":"9"}\n' # counted, as far as it can be
    lines = good[:100] + list(bad) + [unseen] + good[100:]
    (home.path / "hostile.jsonl").write_bytes(b"".join(lines) + b'{"ts":"2026-03')
    summary = home.events(home.path / "hostile.jsonl")[-1]
    want = Counter(bad.values()) + Counter(["partial"])
    assert summary["balanced"]
    assert {reason: t["records"] for reason, t in summary["rejected"].items()} == dict(want)
    assert summary["scored"]["records"] == 1601 and summary["no_detectors"] == 1
    assert summary["read"]["bytes"] == (home.path / "hostile.jsonl").stat().st_size


def test_longer_logs_keep_their_laws(home):
    lines = longer(sample("stream"), 5000)
    (home.path / "long.jsonl").write_bytes(b"".join(lines))
    one, four = (home.events("--threads", n, home.path / "long.jsonl") for n in ("1", "4"))
    assert one == four and one[-1]["balanced"]
    assert sum(e["n"] for e in one if e["event"] == "window") + one[-1]["late"]["records"] == 5000
