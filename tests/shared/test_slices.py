"""Slices of adult: counts beside the oracle's, and where each fault and selection sits."""
import csv
import json
import subprocess
from datetime import datetime, timedelta, timezone

import pytest

from shared import SHARED, Trial

TAGS = 'slices = { "sex", "race", "region" },'


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return Trial("adult", tmp_path_factory.mktemp("slices"), TAGS)


def rows(part):
    text = subprocess.run(["zstd", "-qdc", SHARED / f"adult/{part}.jsonl.zst"], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def one_day(trial, records):
    "The same records within one day, and one more on the next, that ends the period."
    day = datetime(2026, 5, 10, tzinfo=timezone.utc)
    path = trial.home / "day.jsonl"
    with open(path, "w") as f:
        for i, r in enumerate(records + records[:1]):
            ts = day + (timedelta(seconds=i * 86000 / len(records)) if i < len(records) else timedelta(days=1))
            f.write(json.dumps(r | {"ts": ts.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "id": f"{i}"}) + "\n")
    signals = [e for e in map(json.loads, trial.run("replay", "--json", path).splitlines()) if e["event"] == "signal"]
    return next(s["slices"] for s in signals if "counts" in s["slices"])


def test_counts_and_rates_are_the_oracles(trial):
    with open(SHARED / "adult/oracle/slices.csv") as f:
        oracle = list(csv.DictReader(f))
    logs, compared = {part: rows(part) for part in ("reference", "stream")}, 0
    for part, first, end in sorted({(r["part"], int(r["first_row"]), int(r["end_row"])) for r in oracle}):
        found = {(c["tag"], c["value"]): c for c in one_day(trial, logs[part][first:end])["counts"]}
        for r in oracle:
            if (r["part"], int(r["first_row"])) != (part, first) or (r["tag"], r["value"]) not in found:
                continue
            c = found[r["tag"], r["value"]]
            assert c["n"] == int(r["n"]), r
            assert c["class"]["n"][">50K"] / c["n"] == pytest.approx(float(r["positive_prediction_rate"]), abs=1e-8), r
            compared += 1
    assert compared >= 100


def test_parity_of_the_reference_is_no_news(trial):
    "What was always so is told as such: nothing is news when the reference's own day comes again."
    found = one_day(trial, rows("reference"))
    assert {(g["tag"], g["value"]) for g in found["gaps"] if g["what"] == "share of >50K" and g["differs"]} >= {("sex", "Female"), ("race", "Black")}
    assert not any(g["news"] for g in found["gaps"]) and not any(p["news"] for p in found["parity"])
    sex = next(p for p in found["parity"] if p["tag"] == "sex" and p["class"] == ">50K")
    assert sex["difference"] == pytest.approx(0.254410399 - 0.0741873805, abs=1e-8)
    assert sex["ratio"] == pytest.approx(0.0741873805 / 0.254410399, abs=1e-8)


def test_every_fault_is_found_in_its_slice(trial):
    signals = [e for e in trial.events() if e["event"] == "signal"]
    first = {}
    for s in signals:
        for g in s["slices"]["where"][:1] if s["alarm"] else []:
            first.setdefault(trial.phase(s["start"]), (g["tag"], g["value"], g["name"]))
    words = {trial.phase(s["start"]): s["slices"]["where_words"] for s in signals if s["fresh"]}
    assert first["slice_shift_women_age_le_30"] == ("sex", "Female", "age")
    assert first["fault_null_occupation_80pct_of_race_Black"][:2] == ("race", "Black")
    assert first["fault_hours_in_minutes_50pct_of_women"][:2] == ("sex", "Female")
    assert any(g["name"] == "hours-per-week" and g["value"] == "Female" for s in signals for g in s["slices"]["where"])
    assert words["fault_workclass_spelled_private_30pct"].startswith("everywhere")
    assert first["selection_shift_50pct_not_born_in_US"][:2] == ("region", "other")


def test_slices_delay_nothing_and_add_no_cause(trial, tmp_path):
    "The measures of slices have a tenth of the weight: the same causes, none later than without; one is found through its slice, earlier."
    spoke = lambda t: [s["start"] for s in t.events() if s["event"] == "signal" and s["fresh"]]
    with_slices, without = spoke(trial), spoke(Trial("adult", tmp_path))
    assert len(with_slices) == len(without)
    assert all(x <= y for x, y in zip(with_slices, without))
