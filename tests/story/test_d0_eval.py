"""What is known of a log laid beside what oodd said of it: eval against scikit-learn and against replay, selftest against scipy."""
import gzip
import json
import math
import re

import msgpack
import numpy as np
import pytest
from scipy.stats import beta, gamma

from oodd import Home, sample

# Rows 600..799 of the sample are clean (21:59:43 on), 800..1549 hold 40 % out-of-scope queries, the rest is clean again.
PHASES = {"phases": [
    {"phase": "clean", "first_row": 0, "first_ts": "2026-03-01T19:25:40.100Z"},
    {"phase": "oos \"40 %\"", "first_row": 800, "first_ts": "2026-03-01T22:14:01.422Z"},
    {"phase": "clean", "first_row": 1550, "first_ts": "2026-03-01T23:02:28.441Z"}]}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    h = Home(tmp_path_factory.mktemp("eval"))
    h.fit()
    (h.path / "stream.jsonl").write_bytes(b"".join(sample("stream")))
    (h.path / "labels.jsonl").write_bytes(b"".join(sample("labels")))
    (h.path / "phases.json").write_text(json.dumps(PHASES, indent=1))
    return h


def evaluated(home, *args, log="stream.jsonl"):
    return json.loads(home.run("eval", "--json", *args, home.path / log).stdout)


@pytest.fixture(scope="module")
def result(home):
    return evaluated(home, "--labels", home.path / "labels.jsonl")


@pytest.fixture(scope="module")
def scores(home):
    rows = [json.loads(line) for line in home.run("score", "--json", home.path / "stream.jsonl").stdout.splitlines()]
    truth = {r["id"]: r for r in map(json.loads, sample("labels"))}
    return [(r, truth[r["id"]]) for r in rows]


def figures(rows, score, flag):
    metrics = pytest.importorskip("sklearn.metrics", reason="apt-get install python3-sklearn")
    y = np.array([t["ood"] for _, t in rows])
    x = np.array([score(r) for r, _ in rows])
    flagged = np.array([flag(r) for r, _ in rows])
    fpr, tpr, _ = metrics.roc_curve(y, x, drop_intermediate=False)
    return {"auroc": metrics.roc_auc_score(y, x), "aupr": metrics.average_precision_score(y, x), "fpr95": fpr[np.argmax(tpr >= .95)],
            "tpr": flagged[y].mean(), "fpr": flagged[~y].mean(), "n_id": (~y).sum(), "n_ood": y.sum()}


def same(ours, theirs):
    for key, value in theirs.items():
        assert ours[key] == pytest.approx(value, rel=1e-6), key
    for key, (low, high) in ours["intervals"].items():
        assert low <= ours[key] <= high and (high - low < .3), (key, low, ours[key], high)


def test_figures_are_those_of_scikit_learn_on_the_scores_that_score_prints(result, scores):
    assert len(result["detectors"]) >= 2
    for d in result["detectors"]:
        same(d, figures(scores, lambda r: r["scores"][d["name"]], lambda r: (r["pvalues"][d["name"]] or 1) <= .01))
    same(result["fused"], figures(scores, lambda r: -r["p"], lambda r: r["flag"]))
    assert result["fused"]["auroc"] > .8 and result["records"]["labelled"] == 1600
    assert set(result["fused"]) | {"name"} == set(result["detectors"][0]) == {
        "name", "auroc", "aupr", "fpr95", "tpr", "fpr", "n_id", "n_ood", "intervals"}


def test_kinds_are_told_from_all_normal_records(result, scores):
    assert set(result["kinds"]) == {t["kind"] for _, t in scores}
    oos = result["kinds"]["oos"]
    assert oos["ood"] is True
    same(oos["fused"], figures([s for s in scores if s[1]["kind"] == "oos" or s[1]["ood"] is False], lambda r: -r["p"], lambda r: r["flag"]))
    normal = result["kinds"]["id"]
    assert normal["ood"] is False and normal["fused"]["auroc"] is None and normal["fused"]["n_ood"] == 0
    assert normal["fused"]["fpr"] == result["fused"]["fpr"]


def test_labels_under_other_names_late_twice_neither_and_missing(home, scores):
    lines = []
    for i, line in enumerate(sample("labels")):
        r = json.loads(line)
        if i % 10 == 0:
            continue
        # an earlier opinion that was wrong, then the truth; every 7th is neither
        lines.append({"record": r["id"], "odd": not r["ood"], "why": "x"})
        lines.append({"why": "caf\u00e9 \"\n", "extra": [1, {"id": "no"}], "odd": None if i % 7 == 0 else int(r["ood"]), "record": r["id"]})
    (home.path / "other.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    result = evaluated(home, "--labels", home.path / "other.jsonl.gz", "--id-field", "record", "--ood-field", "odd", "--kind-field", "why")
    order = [json.loads(line)["id"] for line in sample("labels")]
    place = {name: i for i, name in enumerate(order)}
    kept = [s for s in scores if place[s[0]["id"]] % 10]
    assert result["records"]["unlabelled"] == 160 and result["records"]["labelled"] == len(kept) == 1440
    assert result["records"]["neither"] == sum(place[r["id"]] % 7 == 0 for r, _ in kept)
    same(result["fused"], figures([s for s in kept if place[s[0]["id"]] % 7], lambda r: -r["p"], lambda r: r["flag"]))
    assert {k: v["ood"] for k, v in result["kinds"].items()} == {
        'caf\u00e9 "\n (ood false)': False, 'caf\u00e9 "\n (ood true)': True, 'caf\u00e9 "\n (ood null)': None}


def test_threads_and_runs_change_nothing(home, result):
    assert evaluated(home, "--threads", "3", "--labels", home.path / "labels.jsonl") == result


@pytest.mark.parametrize("text, said", [
    ('{"id":"a","ood":true}\n{"id":"b","ood":', "line 2"), ('{"ood":true}\n', 'no "id"'), ('{"id":"a","ood":"yes"}\n', "neither true, false nor null"),
    ('{"id":[],"ood":true}\n', "neither text nor a number"), ('[1]\n', "line 1"), ('{"id":"a","ood":2}\n', "not 0 or 1"), ('{"id":"\xff"}\n', "line 1")])
def test_a_label_file_that_is_none_is_refused_with_its_line(home, text, said):
    (home.path / "bad.jsonl").write_bytes(text.encode("latin-1"))
    done = home.run("eval", "--labels", home.path / "bad.jsonl", home.path / "stream.jsonl", check=False)
    assert done.returncode == 65 and said in done.stderr and "bad.jsonl" in done.stderr and not done.stdout


def test_what_to_evaluate_must_be_said(home):
    stream = home.path / "stream.jsonl"
    assert home.run("eval", stream, check=False).returncode == 64
    assert home.run("eval", "--labels", home.path / "none", stream, check=False).returncode == 66
    done = home.run("eval", "--change", "soon", "--", stream, check=False)
    assert done.returncode == 65 and "soon" in done.stderr
    done = home.run("eval", "--labels", home.path / "labels.jsonl", "--model", "another", stream, check=False)
    assert done.returncode == 65 and "another" in done.stderr
    for bad in ("{}", '{"phases":[{"phase":1}]}', '{"phases":[{"phase":"a"}]}', '{"phases":[', '{"phases":[{"phase":"a","first_row":5},{"phase":"b","first_row":5}]}'):
        (home.path / "bad.json").write_text(bad)
        done = home.run("eval", "--phases", home.path / "bad.json", stream, check=False)
        assert done.returncode == 65 and "bad.json" in done.stderr, bad


def test_delays_are_those_of_replay(home):
    result = evaluated(home, "--phases", home.path / "phases.json")
    (phase,) = result["phases"]
    start, end = PHASES["phases"][1]["first_ts"], PHASES["phases"][2]["first_ts"]
    signals = [e for e in home.events(home.path / "stream.jsonl") if e["event"] == "signal"]
    inside = [e for e in signals if e["end"] > start and e["start"] < end]
    first = next(i for i, e in enumerate(inside) if e["fresh"])
    assert phase["phase"] == 'oos "40 %"' and phase["found"] and phase["records"] == 750 and phase["windows"] == len(inside)
    assert phase["delay_windows"] == first + 1
    stamps = [json.loads(line)["ts"] for line in sample("stream")]
    assert phase["delay_records"] == sum(start <= ts < min(inside[first]["end"], end) for ts in stamps)
    assert phase["named"] == [f["name"] for f in inside[first]["findings"] if f["moved"] and not f["latched"]]
    assert 0 < phase["bound_windows"] < phase["delay_windows"]
    assert math.isclose(phase["bound_windows"] * phase["kl_per_window"], inside[0]["log_budget"])
    before = [e for e in signals if e["end"] <= start]
    clean = result["false_alarms"]
    assert clean["before"]["alarms"] == 0 and clean["before"]["windows"] + clean["before"]["unjudged"] == len(before)
    assert clean["before"]["upper95"] == pytest.approx(gamma.ppf(.95, 1))
    assert sum(clean[k]["windows"] + clean[k]["unjudged"] for k in clean) + len(inside) == len(signals)


def test_the_bound_is_that_of_the_p_values(home, scores):
    "log(budget) / KL, with the bins of the reference, numpy and scikit-learn."
    unpacker = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=0)
    unpacker.feed((home.path / "intent.ref").read_bytes()[20:])
    reference = unpacker.unpack()
    m = next(m for m in reference[b"measures"] if m[b"name"] == b"p-value")
    edges, mean = np.frombuffer(m[b"edges"]), np.frombuffer(m[b"mean"])
    p = np.array([r["p"] for r, _ in scores[800:1550]])
    n = np.bincount(np.searchsorted(edges, p, side="left"), minlength=len(mean))[:len(edges) + 1]
    q, mean = n / n.sum(), mean[:len(edges) + 1] / mean[:len(edges) + 1].sum()
    isotonic = pytest.importorskip("sklearn.isotonic", reason="apt-get install python3-sklearn")
    ratio = isotonic.IsotonicRegression(increasing=False).fit(np.arange(len(q)), q / mean, sample_weight=mean).predict(np.arange(len(q)))
    levels = 1 + np.sum(np.abs(np.diff(ratio)) > 1e-9)
    kl = np.sum(q[n > 0] * np.log(ratio[n > 0])) - (levels - 1) / (2 * n.sum())
    start, end = (np.datetime64(PHASES["phases"][i]["first_ts"][:-1]) for i in (1, 2))
    windows = (end - start) / np.timedelta64(5, "m")
    (phase,) = evaluated(home, "--phases", home.path / "phases.json")["phases"]
    assert phase["kl_per_window"] == pytest.approx(kl * len(p) / windows, rel=1e-6)


def test_phases_by_rows_and_changes_on_the_command_line_say_the_same(home):
    by_time = evaluated(home, "--phases", home.path / "phases.json")
    for p in (rows := json.loads(json.dumps(PHASES)))["phases"]:
        del p["first_ts"]
    (home.path / "rows.json").write_text(json.dumps(rows))
    assert evaluated(home, "--phases", home.path / "rows.json") == by_time
    lasting = evaluated(home, "--change", "odd=" + PHASES["phases"][1]["first_ts"], "--")["phases"][0]
    assert lasting["phase"] == "odd" and lasting["end"] is None
    for key in ("start", "found", "delay_windows", "delay_s", "named"):
        assert lasting[key] == by_time["phases"][0][key]
    late = evaluated(home, "--change", "2027-01-01T00:00:00Z", "--")
    assert not late["phases"][0]["found"] and late["false_alarms"]["before"]["alarms"] >= 1


def test_the_tables_hold_the_same_figures(home, result):
    text = home.run("eval", "--labels", home.path / "labels.jsonl", "--phases", home.path / "phases.json", home.path / "stream.jsonl").stdout
    fused = next(line for line in text.splitlines() if line.strip().startswith("fused"))
    assert f"{result['fused']['auroc']:.4f}" in fused and f"{result['fused']['intervals']['auroc'][0]:.4f}" in fused
    assert 'oos "40 %"' in text and "found" in text and "before any shift" in text


def test_selftest_keeps_the_budget_and_bounds_are_exact(home):
    args = ("--windows", "1000", "--replays", "2", "--json")
    one, again = (home.run("selftest", "--threads", n, *args).stdout for n in "13")
    assert one == again
    one = json.loads(one)
    trials = {t["trial"]: t for t in one["trials"]}
    assert set(trials) == {"drawn", "drawn x5", "drawn x20", "shuffled", "shuffled x5", "shuffled x20", "in order", "in order x5", "in order x20"}
    for t in trials.values():
        assert t["within_budget"]
        effect = t["design_effect"]
        assert effect >= 1 and (effect == 1 or t["replays_with_alarm"] > 0)
        assert t["upper95"] == pytest.approx(effect * gamma.ppf(.95, t["alarms"] / effect + 1))
        assert t["interval"][1] == pytest.approx(effect * gamma.ppf(.975, t["alarms"] / effect + 1))
        if not t["trial"].startswith("in order"):
            assert t["windows"] == 2000 and t["allowed"] == pytest.approx(2000 / 8640)
    assert trials["in order"]["windows"] <= one["null_windows"]
    flags = one["flags"]
    k, n = (flags[x] / flags["design_effect"] for x in ("flagged", "records"))
    assert flags["design_effect"] >= 1 and flags["achieved"] == pytest.approx(flags["flagged"] / flags["records"])
    assert flags["interval"] == pytest.approx([beta.ppf(.025, k, n - k + 1) if k else 0, beta.ppf(.975, k + 1, n - k)])
    text = home.run("selftest", *args[:4]).stdout
    assert "the budget allows" in text and "not shown here" in text and " not broken " in text
    for name, t in trials.items():
        line = next(line.split() for line in text.splitlines() if line.startswith(f"  {name}  "))
        assert str(t["windows"]) in line and f"{t['interval_per_period'][1]:.2g})" in line, (name, t, line)
        assert t["interval_per_period"][1] == pytest.approx(t["interval"][1] * 8640 / t["windows"])


def test_selftest_where_nothing_can_be_judged(tmp_path):
    "A reference of one window says nothing of how windows vary: that is said once, and no trial is called kept."
    h = Home(tmp_path)
    h.config.write_text(re.sub(r'window = "[^"]*"', 'window = "30d"', h.config.read_text()))
    h.fit()
    args = ("--windows", "100", "--replays", "1")
    text = h.run("selftest", *args).stdout
    assert "not tried" in text and "0 whole windows in the reference, 4 needed" in text and "kept" not in text
    for t in json.loads(h.run("selftest", *args, "--json").stdout)["trials"]:
        assert t["windows"] == 0 and t["within_budget"] is None


def test_selftest_on_logs(home):
    "Clean logs keep the budget; a log that moved does not, and the flags show it."
    lines = (home.path / "stream.jsonl").read_bytes().splitlines(True)
    (home.path / "clean.jsonl").write_bytes(b"".join(lines[:600]))
    clean = json.loads(home.run("selftest", "--json", home.path / "clean.jsonl").stdout)
    assert clean["logs"]["alarms"] == 0 and clean["logs"]["within_budget"]
    assert clean["flags"]["records"] == 600 and clean["flags"]["interval"][0] < .02
    moved = json.loads(home.run("selftest", "--json", home.path / "stream.jsonl").stdout)
    events = home.events(home.path / "stream.jsonl")
    assert moved["logs"]["alarms"] == sum(e["fresh"] for e in events if e["event"] == "signal") >= 1
    assert not moved["logs"]["within_budget"]
    assert moved["flags"]["flagged"] == events[-1]["flagged"]


def test_selftest_without_a_reference(tmp_path):
    h = Home(tmp_path)
    done = h.run("selftest", check=False)
    assert done.returncode == 66 and "no reference" in done.stderr
