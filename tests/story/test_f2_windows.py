"""Window detectors from the configuration to the alert: beside the measures, and bound by the same laws of replay."""
import json

import pytest

from oodd import MODEL, Home, sample, spaced

DETECTORS = ', detectors = { "mean_shift", "covariance_shift", rff_mmd = { features = 64, sample = 0.5 }, "bbse", "chi_squared" }'
NAMES = {"mean_shift", "covariance_shift", "rff_mmd", "bbse", "chi_squared"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    h = Home(tmp_path_factory.mktemp("windows"), model_extra=DETECTORS)
    h.fit()
    (h.path / "stream.jsonl").write_bytes(b"".join(sample("stream")))
    return h


@pytest.fixture(scope="module")
def events(home):
    return home.events(home.path / "stream.jsonl")


def of_windows(event):
    return {f["name"]: f for f in event["findings"] if f["kind"] == "statistic"}


def test_detectors_of_records_stay_as_they_were(home):
    "Naming window detectors alone leaves the choice of the others to oodd."
    out = json.loads(home.run("fit", "--json", "--model", MODEL, "--output", home.path / "again.ref", "--fit", home.path / "train.jsonl",
                              "--calibrate", home.path / "reference.jsonl").stdout)
    assert len(out["detectors"]) >= 4 and not NAMES & {d["name"] for d in out["detectors"]}
    assert {d["name"] for d in out["window_detectors"]} == NAMES
    assert all(d["judged"] or "not enough data" in d["why"] for d in out["window_detectors"])
    listed = {d["name"]: d for d in json.loads(home.run("plugin", "list", "--json").stdout)["detectors"]}
    assert all(listed[name]["windows"] and not listed[name]["records"] for name in NAMES)
    assert listed["knn"]["records"] and not listed["knn"]["windows"]
    assert home.run("plugin", "list").stdout.count("looks at windows") == len(NAMES)


def test_windows_without_a_shift_are_as_usual(events):
    calm = [e for e in events if e["event"] == "signal" and e["end"] <= "2026-03-01T22:10:00" and e["state"] != "unjudged"]
    assert calm and all(set(of_windows(e)) == NAMES for e in calm)
    assert not any(f["moved"] for e in calm for f in e["findings"])
    ratios = [f["after"] / f["before"] for e in calm for f in of_windows(e).values() if f["judged"]]
    assert ratios and .5 < sum(ratios) / len(ratios) < 2


def test_threads_and_cuts_change_nothing(home, events):
    whole = home.path / "stream.jsonl"
    assert home.events("--threads", "4", whole) == events
    lines = whole.read_bytes().splitlines(True)
    for i, (a, b) in enumerate(((0, 1), (1, 633), (633, 1600))):
        (home.path / f"piece{i}.jsonl").write_bytes(b"".join(lines[a:b]))
    assert home.events("--threads", "3", *[home.path / f"piece{i}.jsonl" for i in range(3)]) == events


def test_other_classes_are_named(home):
    "After an hour, only the classes of a tenth of the alphabet are asked for."
    lines = sample("reference")
    few = [line for line in lines if json.loads(line)["prediction"] < "calc"]
    (home.path / "shift.jsonl").write_bytes(b"".join(spaced(lines, 900, 4, "a") + [
        line.replace(b"2026-03-01T00", b"2026-03-01T01", 1) for line in spaced(few, 900, 4, "b")]))
    signals = [e for e in home.events(home.path / "shift.jsonl") if e["event"] == "signal"]
    assert not [e for e in signals if e["alarm"] and e["start"] < "2026-03-01T01"]
    found = [e for e in signals if e["fresh"]]
    assert found and found[0]["start"] < "2026-03-01T01:20"
    moved = {f["name"]: f for e in signals for f in e["findings"] if f["moved"] and f["kind"] == "statistic"}
    assert "mean_shift" in moved, [(f["name"], f["change"]) for e in signals for f in e["findings"] if f["moved"]]
    bbse = of_windows(found[0])["bbse"]
    named = [part.split(":")[0] for part in bbse["change"].split("; ")[1].split(", ")] if "; " in bbse["change"] else []
    assert not bbse["judged"] or (len(named) == 3 and all(name < "calc" for name in named)), bbse["change"]


def test_the_selftest_has_them_too(home):
    out = json.loads(home.run("selftest", "--json", "--windows", "500", "--replays", "2").stdout.splitlines()[0])
    assert sum(t["alarms"] for t in out["trials"]) == 0
