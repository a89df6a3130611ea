"""A cold start: without a reference the agent learns one from the traffic, says so, becomes active and alerts; a kill loses and
doubles nothing; a fit that fails asks for more; the next reference keeps the old one and never learns an alarm as normal."""
import json
import os
import random
import re
import signal
import sqlite3
import time

import pytest

from oodd import Home, Webhook, agent_log, longer, running, sample, wait_for

LEARN = ', idle = "2s", learn = { records = 1800, span = "1h" }'

LAST = "start=2026-03-01T23:05:00.000Z"  # the sample's last window, closed by the idle timer

LEARNED = """
alert "Learned" { on = "learned", severity = "info", to = { "hook" } }
"""


def append(home, lines):
    with open(home.log, "ab", buffering=0) as log:
        log.write(b"".join(lines))


def spools(home):
    return sorted((home.path / "state" / "learning").glob("*@*@*.jsonl"))


def kinds(events):
    return [e["state"] for e in events if e["event"] == "learning"]


def test_it_learns_becomes_active_and_alerts(tmp_path):
    hook = Webhook()
    home = Home(tmp_path, url=hook.url, extra='commit = "100ms"', model_extra=LEARN)
    (home.path / "rules.d" / "b.lua").write_text(LEARNED)
    with running(home):
        append(home, sample("reference"))
        wait_for(lambda: "activated: the stream is watched by what was learned" in agent_log(home), 40)
        wait_for((home.path / "intent.ref").exists)  # in its place when that is committed
        assert (home.path / "intent.ref").stat().st_mode & 0o777 == 0o600
        assert not list(home.path.glob("*.new"))
        append(home, sample("stream"))
        names = lambda: {(json.loads(b)["data"]["name"], json.loads(b)["data"]["state"]) for _, b in hook.got}
        wait_for(lambda: {("Learned", "firing"), ("Learned", "resolved"), ("Shifted", "firing")} <= names(), 30)
        wait_for(lambda: LAST in agent_log(home), 20)
    assert not spools(home)
    said = agent_log(home)
    assert re.search(r"learning: collecting .*records=\d+ of=1800 .*kept=.*classes=\d+ fields=5 logits=150 embedding=128 eta=", said)
    read, scored, learning = (int(re.search(rf" {word} +(\d+) records", said)[1]) for word in ("read", "scored", "learning"))
    assert (read, scored + learning) == (4000, 4000) and learning >= 1800 and scored >= 1600 and "UNACCOUNTED" not in said
    # What it made is a reference like any other, and says where it came from.
    with running(home):
        pass
    assert "streams=1" in agent_log(home).splitlines()[-10:][0] or re.search(r"running .*streams=1", agent_log(home))


def test_killed_while_it_learns_every_record_is_put_aside_once(tmp_path):
    home = Home(tmp_path, extra='commit = "50ms"', model_extra=', learn = { records = 100000, span = "2d" }')
    lines = longer(sample("reference"), 4000)
    dice = random.Random(5)
    for i in range(8):
        append(home, lines[i * 500:i * 500 + 500])
        agent = home.start()
        time.sleep(dice.uniform(.05, .5))
        agent.kill()
        agent.wait()
    with running(home):
        wait_for(lambda: spools(home) and spools(home)[0].stat().st_size == home.log.stat().st_size, 30)
        time.sleep(.3)
    assert spools(home)[0].read_bytes() == b"".join(lines)
    assert re.search(r" learning +4000 records", agent_log(home)) and "UNACCOUNTED" not in agent_log(home)
    # A file that is not what was committed (a power cut, a hand): said, and begun anew.
    spools(home)[0].write_bytes(b"not ours")
    with running(home):
        append(home, lines[:100])
        wait_for(lambda: spools(home) and spools(home)[0].stat().st_size == len(b"".join(lines[:100])), 20)
    assert "the records put aside are not those that were committed" in agent_log(home)


def test_a_fit_that_fails_asks_for_more(tmp_path):
    home = Home(tmp_path, model_extra=', learn = { records = 500, span = "0s" }')
    log = tmp_path / "reference.jsonl"
    log.write_bytes(b"".join(sample("reference")))
    events = home.events(log)
    states = kinds(events)
    assert states[0] == "begun" and "failed" in states and states[-1] == "active"
    failed = [e for e in events if e["event"] == "learning" and e["state"] == "failed"]
    assert "no measure of it can be judged" in failed[0]["why"] and failed[0]["wanted_records"] == 750
    assert any(e["event"] == "signal" and e["state"] == "learned" for e in events)
    assert any(e["event"] == "window" for e in events)
    assert events[-1]["balanced"] and events[-1]["learning"]["records"] + events[-1]["scored"]["records"] == 2400
    # It is only for the replay: no file is left, and no figure depends on threads.
    assert not list(tmp_path.glob("*.ref*"))
    assert home.events("--threads", "3", log) == events


def test_a_detector_that_is_not_there_is_a_failed_fit_and_nothing_is_lost(tmp_path):
    home = Home(tmp_path, model_extra=', idle = "2s", detectors = { "knn" }, learn = { records = 300, span = "0s" }', extra='commit = "100ms"')
    lines = []
    for line in sample("reference")[:400]:
        record = json.loads(line)
        del record["embedding"], record["logits"]
        lines.append(json.dumps(record).encode() + b"\n")
    with running(home):
        append(home, lines)
        wait_for(lambda: "no reference could be made of these; more is collected" in agent_log(home), 30)
    assert re.search(r"fit: .*knn", agent_log(home)) and spools(home)
    assert re.search(r" learning +(3\d\d|400) records", agent_log(home))


def test_learning_can_be_left_out(tmp_path):
    home = Home(tmp_path, model_extra=", learn = false")
    log = tmp_path / "reference.jsonl"
    log.write_bytes(b"".join(sample("reference")[:10]))
    summary = home.events(log)[-1]
    assert summary["rejected"]["no_reference"]["records"] == 10 and summary["learning"]["records"] == 0


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    h = Home(tmp_path_factory.mktemp("reference"))
    h.fit()
    return h.path / "intent.ref"


def test_the_next_reference_keeps_the_old_one(tmp_path, reference):
    home = Home(tmp_path, extra='commit = "100ms"', model_extra=LEARN)
    home.fit(reference)
    done = home.run("relearn", "clinc-intent")
    assert "no agent runs" in done.stdout
    before = (home.path / "intent.ref").read_bytes()
    with running(home):
        wait_for(lambda: "learned from its traffic" in agent_log(home), 20)
        append(home, sample("reference"))
        wait_for(lambda: "activated: the stream is watched by what was learned" in agent_log(home), 40)
        assert "asked: the agent collects" in home.run("relearn", "clinc-intent").stdout
        wait_for(lambda: agent_log(home).count("learned from its traffic") == 2, 20)
    kept = list(home.path.glob("intent.ref.2*"))
    assert len(kept) == 1 and kept[0].read_bytes() == before != (home.path / "intent.ref").read_bytes()
    # Its records were scored all the while: none was only learned from.
    assert re.search(r" scored +2400 records", agent_log(home)) and re.search(r" learning +0 records", agent_log(home))
    assert home.run("relearn", "no-such-model", check=False).returncode != 0


def test_the_next_reference_from_logs(tmp_path, reference):
    home = Home(tmp_path)
    home.fit(reference)
    log = tmp_path / "month.jsonl"
    log.write_bytes(b"".join(sample("reference")))
    assert f"in place: {tmp_path}/intent.ref; what was there is kept" in home.run("relearn", "clinc-intent", log).stdout
    kept = list(home.path.glob("intent.ref.2*"))
    assert [k.read_bytes() for k in kept] == [reference.read_bytes()] != [(home.path / "intent.ref").read_bytes()]
    # Too little of it: not sound, and the old one stays.
    log.write_bytes(b"".join(sample("reference")[:220]))
    done = home.run("relearn", "clinc-intent", log, check=False)
    assert done.returncode == 65 and "no measure of it can be judged" in done.stderr and "the old reference stays" in done.stderr
    assert list(home.path.glob("intent.ref.2*")) == kept and not list(home.path.glob("*.new"))


def test_an_alarm_is_not_learned_as_normal(tmp_path, reference):
    home = Home(tmp_path, extra='commit = "100ms"', model_extra=', idle = "2s", relearn = "1s", learn = { records = 100000, span = "1d" }')
    home.fit(reference)
    with running(home):
        append(home, sample("stream"))
        wait_for(lambda: "relearning is postponed" in agent_log(home), 30)
        wait_for(lambda: "judge: the stream moved" in agent_log(home), 10)
        time.sleep(1)
        assert all(p.stat().st_size == 0 for p in spools(home))
    assert "activated" not in agent_log(home)


def test_replay_relearns_by_event_time(tmp_path, reference):
    home = Home(tmp_path, model_extra=', relearn = "1h", learn = { records = 900, span = "30m" }')
    home.fit(reference)
    log = tmp_path / "later.jsonl"
    log.write_bytes(b"".join(longer(sample("reference"), 7200)[2400:]))
    events = home.events(log)
    states = kinds(events)
    assert states[0] == "begun" and "active" in states
    assert all(e["relearn"] for e in events if e["event"] == "learning")
    assert events[-1]["scored"]["records"] == 4800 and events[-1]["learning"]["records"] == 0
    assert (home.path / "intent.ref").read_bytes() == reference.read_bytes()


def counted(home, what):
    with sqlite3.connect(home.path / "state" / "oodd.db") as db:
        return db.execute("SELECT sum(records) FROM count WHERE what = ?", (what,)).fetchone()[0]


def test_a_new_version_is_watched_and_learned_at_once(tmp_path, reference):
    home = Home(tmp_path, extra='commit = "100ms"', model_extra=LEARN)
    home.fit(reference)
    lines = [line.replace(b'"version":"1.0.0"', b'"version":"2.0/b"') for line in sample("reference")]
    with running(home):
        append(home, lines)
        wait_for(lambda: re.search(r"activated: .*version=2.0/b", agent_log(home)), 40)
        wait_for(lambda: counted(home, "scored") == 2400)  # what came while it was made, too
    made = home.path / "intent@2.0%2Fb.ref"
    assert made.exists() and (home.path / "intent.ref").read_bytes() == reference.read_bytes()
    assert re.search(r" scored +2400 records", agent_log(home)), agent_log(home)[-1500:]
    with running(home):
        pass
    assert re.findall(r"running .*streams=(\d)", agent_log(home)) == ["1", "2"]


def test_reloads_while_it_learns(tmp_path):
    home = Home(tmp_path, extra='commit = "100ms"', model_extra=LEARN)
    lines = sample("reference")
    with running(home) as agent:
        for i in range(0, 2400, 300):
            append(home, lines[i:i + 300])
            time.sleep(.15)
            agent.send_signal(signal.SIGHUP)
        wait_for(lambda: "enough: a reference is being made" in agent_log(home), 20)
        agent.send_signal(signal.SIGHUP)  # its fit goes on
        wait_for(lambda: "activated: the stream is watched by what was learned" in agent_log(home), 40)
        append(home, sample("stream"))
        wait_for(lambda: LAST in agent_log(home), 20)
    said = agent_log(home)
    assert said.count("agent: reloaded") >= 2 and said.count("activated:") == 1 and "UNACCOUNTED" not in said
    assert re.search(r" read +4000 records", said)


def test_models_that_nobody_named_are_learned_too(tmp_path):
    "One block for all, and no path: each stream has a reference of its own in the state directory."
    home = Home(tmp_path, extra='commit = "100ms"')
    config = home.config.read_text()
    config = re.sub(r'model "clinc-intent" \{.*?\n\}', 'model "*" { window = "5m", idle = "2s", learn = { records = 1000, span = "1h" } }', config, flags=re.S)
    home.config.write_text(config)
    lines = sample("reference")[:1500]
    other = [line.replace(b'"model":"clinc-intent"', b'"model":"a b/c"') for line in lines]
    with running(home):
        append(home, [line for pair in zip(lines, other) for line in pair])
        wait_for(lambda: agent_log(home).count("activated: the stream is watched by what was learned") == 2, 60)
    names = sorted(p.name for p in (home.path / "state" / "references").iterdir())
    assert names == ["a%20b%2Fc@1.0.0.ref", "clinc-intent@1.0.0.ref"]
    with running(home):
        pass
    assert re.findall(r"running .*streams=(\d)", agent_log(home)) == ["0", "2"]


if __name__ == "__main__":
    pytest.main([__file__])
