"""Dead letters: what a person can see of them at night, and that they can be sent again."""
import json
import os
import pwd
import subprocess
import time

import pytest

from oodd import Home, OODD, Webhook, sample, wait_for


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    h = Home(tmp_path_factory.mktemp("reference"))
    h.fit()
    return h.path / "intent.ref"


def listed(home, *args):
    return [json.loads(line) for line in home.run("outbox", "--json", *args).stdout.splitlines()]


def end(agent):
    agent.terminate()
    assert agent.wait(20) == 0


def test_a_refused_alert_is_listed_and_sent_again(tmp_path, reference):
    hook = Webhook(answers=(404,))
    home = Home(tmp_path, url=hook.url, extra='commit = "100ms"')
    home.fit(reference)
    assert home.run("outbox").stdout == "0 waiting, 0 dead\n"  # no agent has run here
    home.log.write_bytes(b"".join(sample("stream")))
    agent = home.start()
    try:
        wait_for(lambda: [r for r in listed(home) if r["dead"]])
        row, = listed(home, "hook")
        assert "404" in row["said"] and row["alert"]["name"] == "Shifted" and row["attempts"] == 1 and not listed(home, "other")
        assert "1 dead (--resend" in home.run("outbox").stdout
        assert home.run("outbox", "--resend", "other", check=False).returncode == 64
        hook.answers = [204]
        assert "sends 1 dead letter again" in home.run("outbox", "--resend", "hook").stdout
        wait_for(lambda: len(hook.got) == 2 and not listed(home))
    finally:
        end(agent)
    first, second = (json.loads(body) for _, body in hook.got)
    assert first["id"] == second["id"] and first["data"]["key"] == second["data"]["key"]
    assert home.run("outbox", "--resend").stdout == "no dead letters\n"


def test_asked_while_no_agent_runs_the_next_one_sends(tmp_path, reference):
    hook = Webhook(answers=(410,))
    home = Home(tmp_path, url=hook.url, extra='commit = "100ms"')
    home.fit(reference)
    home.log.write_bytes(b"".join(sample("stream")))
    agent = home.start()
    try:
        wait_for(lambda: [r for r in listed(home) if r["dead"]])
    finally:
        end(agent)
    home.run("outbox", "--resend")
    hook.answers = [204]
    agent = home.start()
    try:
        wait_for(lambda: len(hook.got) == 2 and not listed(home))
    finally:
        end(agent)
    assert not (home.path / "state" / "resend").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
def test_what_root_makes_belongs_to_the_agents_user(tmp_path, reference):
    nobody = pwd.getpwnam("nobody")
    home = Home(tmp_path)
    os.chown(home.path, nobody.pw_uid, nobody.pw_gid)
    home.fit()
    (home.path / "state").mkdir()
    os.chown(home.path / "state", nobody.pw_uid, nobody.pw_gid)
    home.run("relearn", "clinc-intent")
    made = [home.path / "intent.ref", home.path / "state" / "learning", home.path / "state" / "learning" / "relearn@clinc-intent"]
    assert [p.stat().st_uid for p in made] == [nobody.pw_uid] * 3
