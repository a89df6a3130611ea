"""Output metrics: watched like any measure, and held to limits that the user sets."""
import json
import random
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

from oodd import OODD

FIRST = datetime(2026, 3, 1, tzinfo=timezone.utc)


def log(path, n, first, seed, toxic=.01, grounded=.8, refused=.05):
    "One answer a second of a made-up assistant."
    rng = random.Random(seed)
    with open(path, "w") as f:
        for i in range(n):
            metrics = {"toxicity": round(rng.uniform(.5, 1) if rng.random() < toxic else rng.uniform(0, .3), 4),
                       "groundedness": round(min(1, max(0, rng.gauss(grounded, .1))), 4), "refusal": rng.random() < refused}
            f.write(json.dumps({"ts": (first + timedelta(seconds=i)).strftime("%Y-%m-%dT%H:%M:%S.000Z"), "id": f"{seed}-{i}", "model": "chat",
                                "version": "1", "features": {"prompt_tokens": rng.randint(5, 500)}, "metrics": metrics}) + "\n")
    return path


LIMITS = "metrics = { toxicity = { above = 0.5, at_most = 0.02 }, groundedness = { mean_at_least = 0.7 }, refusal = { at_most = 0.1 } }"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("metrics")
    configure(home, LIMITS)
    reference = log(home / "reference.jsonl", 12000, FIRST, 1)
    run(home, "fit", "--model", "chat", "--output", home / "ref", reference)
    return home


def configure(home, limits):
    (home / "oodd.lua").write_text(f'''
source "chat" {{ path = "{home}/live/*.jsonl" }}
model "chat" {{ reference = "{home}/ref", window = "5m",
  {limits} }}
endpoint "out" {{ kind = "stdout" }}
state = "{home}/state"
''')


def run(home, command, *args, code=0):
    done = subprocess.run([OODD, command, "-c", home / "oodd.lua", *args], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def replay(home, path):
    events = [json.loads(line) for line in run(home, "replay", "--json", path).splitlines()]
    return [e for e in events if e["event"] == "signal"], [e for e in events if e["event"] == "alert"]


def test_within_the_limits_nothing_is_said(home):
    signals, alerts = replay(home, log(home / "clean.jsonl", 9000, FIRST + timedelta(days=1), 2))
    assert not alerts and not any(s["alarm"] for s in signals)
    kinds = {f["name"]: f["kind"] for f in signals[1]["findings"]}
    assert kinds["toxicity"] == kinds["groundedness"] == kinds["refusal"] == "metric"
    names = [x["name"] for x in signals[1]["limits"]]
    assert names == ["toxicity above 0.5", "mean of groundedness", "refusal"]


def test_a_metric_moves_and_its_limit_is_breached(home):
    path = log(home / "toxic.jsonl", 6000, FIRST + timedelta(days=2), 3, toxic=.06)
    signals, alerts = replay(home, path)
    first = next(s for s in signals if s["limits"][0]["breached"])
    limit = first["limits"][0]
    assert limit["fresh"] and limit["at_most"] == .02 and limit["low"] > .02 and not first["limits"][1]["breached"]
    assert signals.index(first) < 6
    lines = [json.loads(x) for x in open(path)]
    shares = [[x["metrics"]["toxicity"] > .5 for x in lines if s["start"] <= x["ts"] < s["end"]] for s in signals]
    for s, share in zip(signals, shares):
        assert s["limits"][0]["n"] == len(share) and abs(s["limits"][0]["value"] - sum(share) / len(share)) < 1e-12
    assert "LimitBreached" in {a["name"] for a in alerts if a["state"] == "firing"}
    moved = [f for s in signals for f in s["findings"] if f["moved"] and f["name"] == "toxicity"]
    assert moved and moved[0]["change"]


def test_a_mean_below_its_limit_speaks_and_the_measure_names_itself(home):
    signals, alerts = replay(home, log(home / "unfounded.jsonl", 3000, FIRST + timedelta(days=3), 4, grounded=.65))
    assert any(s["limits"][1]["breached"] for s in signals)
    found = next(f for s in signals for f in s["findings"] if f["moved"])
    assert found["name"] == "groundedness" and found["before"] > .78 and found["after"] < .68
    assert {"LimitBreached", "OutOfDistribution"} <= {a["name"] for a in alerts}


def test_mistakes_are_told_with_their_line(home):
    for limits, told in [("metrics = { toxicity = { abov = 0.5 } }", "unknown key 'abov'; did you mean 'above'?"),
                         ("metrics = { toxicity = { above = 0.5 } }", "of how many records?"),
                         ("metrics = { toxicity = { at_most = 2 } }", "is a share of the records, from 0 to 1"),
                         ("metrics = { toxic = { mean_at_most = 1 } }", "knows no output metric 'toxic'"),
                         ("metrics = { toxicity = { above = 0.4, at_most = 0.1 } }", "fit again")]:
        configure(home, limits)
        errors = run(home, "replay", home / "clean.jsonl", code=78)
        assert told in errors and ("oodd.lua:4" in errors or "line 4" in errors), errors
    configure(home, LIMITS)


def rents(path, n, first, seed, told=lambda y: y):
    "A regression: the prediction is a number with decimals, and nothing else is known of the model."
    rng = random.Random(seed)
    with open(path, "w") as f:
        for i in range(n):
            area = rng.gauss(50, 10)
            f.write(json.dumps({"ts": (first + timedelta(seconds=i)).strftime("%Y-%m-%dT%H:%M:%S.000Z"), "id": f"{seed}-{i}", "model": "rent",
                                "version": "1", "features": {"area": round(area, 1)}, "prediction": told(round(3 * area + rng.gauss(100, 10), 2))}) + "\n")
    return path


def test_predictions_that_are_numbers(tmp_path):
    (tmp_path / "oodd.lua").write_text(f'''
source "rent" {{ path = "{tmp_path}/live/*.jsonl" }}
model "rent" {{ reference = "{tmp_path}/ref", window = "5m", metrics = {{ prediction = {{ above = 400, at_most = 0.01 }} }} }}
state = "{tmp_path}/state"
''')
    assert "predictions are numbers" in run(tmp_path, "fit", "--model", "rent", "--output", tmp_path / "ref", rents(tmp_path / "a", 12000, FIRST, 1))
    rng = random.Random(5)
    for told, says in [(lambda y: y, None), (lambda y: y + 60, "mean 2"), (lambda y: 251.5, "every record has 251.5"),
                       (lambda y: round(y / 1000, 5), "/1000"), (lambda y: None if rng.random() < .2 else y, "missing"),
                       (lambda y: f"{y} EUR", "text where numbers were")]:
        signals, _ = replay(tmp_path, rents(tmp_path / "b", 3000, FIRST + timedelta(days=2), 2, told))
        found = [f for s in signals for f in s["findings"] if f["moved"]]
        assert (not found) if says is None else (found[0]["name"] == "prediction" and says in found[0]["change"]), (says, found)
        assert all(f["name"] == "prediction" for f in found)
        if says == "mean 2":
            assert 245 < found[0]["before"] < 255 and 305 < found[0]["after"] < 315
            assert any(s["limits"][0]["breached"] for s in signals) is False
