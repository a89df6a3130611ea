"""A learned reference takes over at the same record in `run` and in `replay`: windows, alerts and counts are equal bit for bit, whatever
stands behind that record in the log, however long the fit takes, and with kill -9 at any instant."""
import json
import os
import random
import re
import signal
import time
from collections import defaultdict

import pytest

from oodd import Home, Webhook, longer, sample, wait_for

LEARN = ', idle = "2s", learn = { records = 1200, span = "1h" }'


def text(home):
    return (home.path / "agent.log").read_text()


def windows_logged(home):
    "digest by start and version; a window said twice must be the same twice."
    said = defaultdict(set)
    for line in text(home).splitlines():
        if " window: closed " in line:
            said[re.search(r"model=(\S+)", line)[1], re.search(r"version=(\S+)", line)[1], re.search(r"start=(\S+)", line)[1], re.search(r"cut=(\S+)", line)[1]].add(
                (re.search(r" n=(\d+)", line)[1], re.search(r"digest=(\S+)", line)[1]))
    return said


def truth_of(home, lines):
    whole = home.path / "whole.jsonl"
    whole.write_bytes(b"".join(lines))
    events = home.events(whole)
    assert [e["state"] for e in events if e["event"] == "learning"].count("active") >= 1
    windows = defaultdict(set)
    for e in events:
        if e["event"] == "window":
            windows[e["model"], e["version"], e["start"], "true" if e["cut"] else "false"].add((str(e["n"]), e["digest"]))
    alerts = {(e["key"], e["state"]) for e in events if e["event"] == "alert" and e["state"] != "pending"}
    return windows, alerts, events[-1]


def key(got):
    event = json.loads(got[1])
    return event["data"]["key"], event["data"]["state"]


def same_as_replay(home, hook, lines, kills=0, piece=None, seed=1):
    want, alerts, summary = truth_of(home, lines)
    dice = random.Random(seed)
    at = 0
    for i in range(kills):
        if piece and at < len(lines):
            with open(home.log, "ab") as log:
                log.write(b"".join(lines[at:at + piece]))
            at += piece
        agent = home.start()
        time.sleep(dice.uniform(.05, .9))
        agent.kill()
        agent.wait()
    with open(home.log, "ab") as log:
        log.write(b"".join(lines[at:]))
    agent = home.start()
    try:
        wait_for(lambda: set(windows_logged(home)) >= set(want), 60, .2)
        wait_for(lambda: {key(got) for got in hook.got} >= alerts, 20, .2)
    finally:
        agent.terminate()
        assert agent.wait(20) == 0, text(home)[-2000:]
    assert windows_logged(home) == want
    assert {key(got) for got in hook.got} == alerts
    said = text(home)
    for word in ("scored", "learning"):
        assert re.findall(rf" {word} +(\d+) records", said)[-1] == str(summary[word]["records"])
    assert "UNACCOUNTED" not in said
    for left in ("*.new", "state/learning/*.behind"):
        assert not list(home.path.glob(left))
    return said


def test_a_log_that_was_there_before(tmp_path):
    "All of it is read while the first fit runs: it waits, and is watched from the very record on."
    hook = Webhook()
    home = Home(tmp_path, url=hook.url, extra='commit = "100ms"', model_extra=LEARN)
    said = same_as_replay(home, hook, sample("reference") + sample("stream"))
    assert re.search(r" learning +1[23]\d\d records", said)


def test_kills_while_it_takes_over(tmp_path):
    hook = Webhook()
    home = Home(tmp_path, url=hook.url, extra='commit = "50ms"', model_extra=LEARN)
    same_as_replay(home, hook, sample("reference") + sample("stream"), kills=8, piece=500)
    assert not list((tmp_path / "state" / "learning").glob("*.jsonl"))


def test_the_next_reference_with_kills(tmp_path):
    "The old reference's windows end, and the new one's begin, at the same record; so does what a second version inherits."
    hook = Webhook()
    home = Home(tmp_path, url=hook.url, extra='commit = "50ms"',
                model_extra=', idle = "2s", relearn = "1h", learn = { records = 900, span = "30m" }')
    home.fit()
    lines = longer(sample("reference"), 5800)[2400:]
    lines[2200:] = [line.replace(b'"version":"1.0.0"', b'"version":"2.0"') for line in lines[2200:]]
    same_as_replay(home, hook, lines, kills=8, piece=500)


def children(agent):
    return [int(pid) for pid in open(f"/proc/{agent.pid}/task/{agent.pid}/children").read().split()]


def test_a_slow_fit_holds_up_nobody_else(tmp_path):
    home = Home(tmp_path, extra='commit = "50ms"', model_extra=LEARN)
    home.fit()
    config = home.config.read_text()
    home.config.write_text(config + f'model "new" {{ reference = "{tmp_path}/new.ref", window = "5m", lateness = "30s", flag = 0.01 {LEARN} }}\n')
    new = [line.replace(b'"model":"clinc-intent"', b'"model":"new"') for line in sample("reference")]
    lines = [line for pair in zip(new, sample("reference")) for line in pair]
    want, _, _ = truth_of(home, lines)
    home.log.write_bytes(b"".join(lines[:3000]))
    agent = home.start()
    fit = wait_for(lambda: children(agent), 20)[0]
    os.kill(fit, signal.SIGSTOP)
    try:
        before = wait_for(lambda: text(home).count(" window: closed model=clinc-intent"), 20)
        with open(home.log, "ab") as log:
            log.write(b"".join(lines[3000:]))
        wait_for(lambda: text(home).count(" window: closed model=clinc-intent") > before + 5, 20)
        assert " window: closed model=new" not in text(home)
        time.sleep(2.5)  # longer than `idle`: what waits is no silence
    finally:
        os.kill(fit, signal.SIGCONT)
    wait_for(lambda: set(windows_logged(home)) >= set(want), 30)
    agent.terminate()
    assert agent.wait(20) == 0 and windows_logged(home) == want


if __name__ == "__main__":
    pytest.main([__file__])
