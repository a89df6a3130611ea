"""The agent while it runs: it follows, says what matters, reloads, ends; and what it says when something is broken."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from oodd import BUILD, Home, OODD, Webhook, agent_log, longer, running, sample, spaced, wait_for


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    h = Home(tmp_path_factory.mktemp("reference"))
    h.fit()
    return h.path / "intent.ref"


@pytest.fixture
def home(tmp_path, reference):
    h = Home(tmp_path, model_extra=', idle = "2s"', extra='commit = "100ms"')
    h.fit(reference)
    return h


def test_it_follows_and_delivers(tmp_path, reference):
    hook = Webhook()
    home = Home(tmp_path, url=hook.url, extra='commit = "100ms"')
    home.fit(reference)
    with running(home):
        with open(home.log, "ab", buffering=0) as log:
            for line in sample("stream"):
                log.write(line)
        assert hook.arrived.wait(20)
    headers, body = hook.got[0]
    event = json.loads(body)
    assert headers["Content-Type"].startswith("application/cloudevents+json")
    assert event["specversion"] == "1.0" and event["data"]["name"] == "Shifted" and event["data"]["state"] == "firing"
    assert re.search(r"read +1600 records", agent_log(home)) and "UNACCOUNTED" not in agent_log(home)


def test_after_a_stop_it_goes_on_where_it_was(home):
    lines = sample("stream")
    for piece in (lines[:500], lines[500:1100], lines[1100:]):
        with running(home):
            with open(home.log, "ab", buffering=0) as log:
                log.write(b"".join(piece))
            time.sleep(1)
    assert re.findall(r"read +(\d+) records", agent_log(home)) == ["500", "1100", "1600"]


def test_a_log_truncated_during_a_stop_is_counted(home):
    lines = sample("stream")
    for part in (lines[:500], lines[500:700]):  # the second, shorter, is written over the first
        with running(home):
            home.log.write_bytes(b"".join(part))
            time.sleep(1)
    assert re.findall(r"read +(\d+) records", agent_log(home)) == ["500", "700"]
    assert re.findall(r"files were truncated (\d+) times", agent_log(home)) == ["1"]


def test_a_backlog_of_rotated_files_is_read_in_order_of_time(home):
    "Files that were never met before: whichever is seen first, the oldest records come first, and none is taken for a wrong clock."
    lines = longer(sample("stream"), 12000)
    for i in reversed(range(10)):  # the newest is born first: a restored backup, say
        home.log.with_name(f"intent.jsonl.{10 - i}").write_bytes(b"".join(lines[i * 1200:(i + 1) * 1200]))
    with running(home):
        wait_for(lambda: sum(int(n) for n in re.findall(r"window: closed .* n=(\d+)", agent_log(home))) >= 12000, 60)
    assert re.search(r"scored +12000 records", agent_log(home)), agent_log(home)[-1500:]


def test_two_quiet_logs_far_behind_one_another(home):
    for name in ("intent.jsonl", "intent.jsonl.other"):
        home.log.with_name(name).write_bytes(b"".join(spaced(sample("stream"), 1000, 300, name)))
    with running(home):
        wait_for(lambda: sum(int(n) for n in re.findall(r"window: closed .* n=(\d+)", agent_log(home))) >= 2000, 60)
    assert re.search(r"scored +2000 records", agent_log(home)), agent_log(home)[-1500:]
    assert set(re.findall(r"window: closed .* n=(\d+)", agent_log(home))) == {"2"}


def test_hup_reloads_and_a_bad_configuration_is_refused(home):
    with running(home) as agent:
        good = home.config.read_text()
        home.config.write_text(good.replace("window =", "windw ="))
        agent.send_signal(signal.SIGHUP)
        wait_for(lambda: "reload refused" in agent_log(home))
        assert re.search(r"oodd\.lua:\d+.*unknown key 'windw'.*window", agent_log(home))
        home.config.write_text(good.replace('lateness = "30s"', 'lateness = "45s"'))
        agent.send_signal(signal.SIGHUP)
        wait_for(lambda: re.search(r"agent: reloaded", agent_log(home)))
        with open(home.log, "ab", buffering=0) as log:
            log.write(b"".join(sample("stream")[:100]))
        time.sleep(1)
    assert re.search(r"read +100 records", agent_log(home))


def test_the_service_manager_is_told(home, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        told = []

        def until(word):
            while not told or word not in told[-1]:
                told.append(manager.recv(4096).decode())

        with running(home) as agent:
            until("READY=1\nSTATUS=1 sources, 1 streams")
            until("WATCHDOG=1")
            agent.send_signal(signal.SIGHUP)
            until("RELOADING=1\nMONOTONIC_USEC=")
            until("READY=1")
            until("WATCHDOG=1")
        until("STOPPING=1")


def test_reloads_under_load_lose_nothing(home):
    lines = sample("stream")
    with running(home) as agent:
        with open(home.log, "ab", buffering=0) as log:
            for i in range(0, len(lines), 20):
                log.write(b"".join(lines[i:i + 20]))
                if i % 200 == 0:
                    agent.send_signal(signal.SIGHUP)
                time.sleep(.01)
        time.sleep(1)
    assert agent_log(home).count("agent: reloaded") >= 3
    assert re.search(r"read +1600 records", agent_log(home)) and re.search(r"scored +1600 records", agent_log(home))


def test_a_second_agent_on_the_same_state_is_refused(home):
    with running(home):
        done = home.run("run", check=False)
        assert done.returncode == 73 and "another oodd" in done.stderr


@pytest.mark.parametrize("how, want", [
    (lambda b: b"", "empty"), (lambda b: b[:1000], ""), (lambda b: b[:500] + b"\xff" + b[501:], ""), (lambda b: b"hello", ""),
])
def test_a_broken_reference_is_named(home, how, want):
    ref = home.path / "intent.ref"
    ref.write_bytes(how(ref.read_bytes()))
    done = home.run("check", check=False)
    assert done.returncode == 78 and "intent.ref" in done.stderr and 'model "clinc-intent"' in done.stderr, done.stderr
    assert home.run("run", check=False).returncode == 78


def test_a_corrupt_database_is_set_aside(home):
    with running(home):
        pass
    db = home.path / "state" / "oodd.db"
    db.write_bytes(b"this is no database" * 1000)
    with running(home):
        pass
    assert list((home.path / "state").glob("oodd.db.corrupt-*")), agent_log(home)[-2000:]


def test_a_world_writable_plugin_is_refused_and_the_rest_loads(home):
    plugins = home.path / "plugins"
    plugins.mkdir(mode=0o755)
    shutil.copy(BUILD / "plugins" / "null.so", plugins / "open.so")
    (plugins / "open.so").chmod(0o777)
    (plugins / "garbage.so").write_bytes(b"\x7fELF garbage")
    done = subprocess.run([OODD, "plugin", "list"], capture_output=True, text=True, env={**os.environ, "OODD_PLUGIN_PATH": str(plugins)})
    assert "open.so" in done.stderr and "can be written by everybody" in done.stderr and "garbage.so" in done.stderr
    assert "energy" in done.stdout and "mahalanobis" in done.stdout


def test_late_records_are_said(home):
    lines = sample("stream")
    home.log.write_bytes(b"".join(lines[:800] + lines[:30]))
    with running(home):
        wait_for(lambda: " late=" in agent_log(home))
    said = re.findall(r"counted as late.* late=(\d+)", agent_log(home))
    assert said and int(said[-1]) <= 30, said


def test_check_remarks_on_what_may_not_be_meant(home):
    secret = home.path / "token"
    secret.write_text("abc")
    secret.chmod(0o600)
    text = home.config.read_text().replace("intent.jsonl*", "intent.jsonl")
    home.config.write_text(text.replace('"http://127.0.0.1:9/none"', f'"http://pager.example/", secret_file = "{secret}"'))
    done = home.run("check")
    assert re.search(r'oodd\.lua:2: source "intents": no file matches path yet', done.stderr)
    assert re.search(r'source "intents": path does not match rotated names', done.stderr)
    assert re.search(r'endpoint "hook": url is not https', done.stderr)
    assert ": ok: " in done.stdout
    home.config.write_text('state = "/nowhere/at/all"\n')
    done = home.run("check")
    assert all(f"no {what}: " in done.stderr for what in ("source", "model", "endpoint")) and "neither /nowhere/at/all nor" in done.stderr
    home.config.write_text(text + 'endpoint "archive" { kind = "file", path = "/nowhere/alerts.jsonl" }\n')
    assert "the folder of /nowhere/alerts.jsonl is not there" in home.run("check").stderr


def test_a_bad_rule_is_named(home):
    (home.path / "rules.d" / "b.lua").write_text('alert "X" { on = "signal", wen = function(s) return true end }')
    done = home.run("check", check=False)
    assert done.returncode == 78 and re.search(r"b\.lua:1: .*wen.*when", done.stderr), done.stderr


def test_a_rule_that_fails_raises_its_own_alert_and_the_others_run(home):
    (home.path / "stream.jsonl").write_bytes(b"".join(sample("stream")))
    (home.path / "rules.d" / "b.lua").write_text('alert "X" { on = "signal", when = function(s) return s.nonsense > 1 end }')
    alerts = [e for e in home.events(home.path / "stream.jsonl") if e["event"] == "alert"]
    names = {a["name"] for a in alerts}
    assert "OoddRuleError" in names and "Shifted" in names


def test_rejected_records_stand_in_the_dead_letter_file(home):
    with running(home):
        with open(home.log, "ab", buffering=0) as log:
            log.write(sample("stream")[0] + b'{"broken": \n' + sample("stream")[1])
        wait_for(lambda: list((home.path / "state").glob("dead-*.jsonl")))
        time.sleep(.5)
    dead = [json.loads(line) for line in (home.path / "state" / "dead-intents.jsonl").read_text().splitlines()]
    assert len(dead) == 1 and dead[0]["reason"] == "syntax" and dead[0]["offset"] == len(sample("stream")[0])


def test_a_model_that_logs_nan_is_said_at_once(home):
    "Its records are refused: the journal says so with the first, the tenth, the hundredth, and no more."
    with running(home):
        with open(home.log, "ab", buffering=0) as log:
            for line in sample("stream")[:150]:
                log.write(line.replace(b'"logits":[', b'"logits":[NaN,'))
        wait_for(lambda: agent_log(home).count("records are refused") == 3)
        time.sleep(.5)
    said = [line for line in agent_log(home).splitlines() if "records are refused" in line]
    assert len(said) == 3 and all("reason=vector_value" in line and "source=intents" in line for line in said), said
    assert "100" in said[2] and "dead-intents.jsonl" in said[2]


def test_logrotate_create_and_copytruncate(home):
    if not shutil.which("logrotate"):
        pytest.skip("logrotate is not installed")
    lines = sample("stream")
    conf = home.path / "logrotate.conf"
    with running(home):
        for how, part in (("create 0644", lines[:400]), ("copytruncate", lines[400:800]), ("create 0644", lines[800:])):
            conf.write_text(f"{home.log} {{\n  rotate 20\n  su root root\n  {how}\n}}\n" if os.getuid() == 0 else
                            f"{home.log} {{\n  rotate 20\n  {how}\n}}\n")
            conf.chmod(0o644)
            with open(home.log, "ab", buffering=0) as log:
                log.write(b"".join(part))
            time.sleep(1)  # copytruncate loses what is unread when it truncates: that is logrotate's, and counted
            subprocess.run(["logrotate", "-f", "-s", home.path / "rotate.state", conf], check=True)
        time.sleep(2)
    assert re.search(r"read +1600 records", agent_log(home)), agent_log(home)[-2000:]
    assert re.search(r"scored +1600 records", agent_log(home))
