"""A real Alertmanager: it is told while an alert fires, told again when it forgot, and told of the end."""
import datetime
import json
import os
import signal
import subprocess
import urllib.request

import pytest

from conftest import free_port, program
from oodd import Home, sample, spaced, wait_for as until
from courier import Courier, endpoint


class Alertmanager:
    def __init__(self, processes, folder):
        self.program = program("prometheus-alertmanager", "prometheus-alertmanager")
        self.processes = processes
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        folder.mkdir()
        (folder / "am.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
        self.life = 0

    def start(self):
        self.life += 1  # a fresh storage: what it knew is gone
        self.process = self.processes([self.program, f"--config.file={self.folder}/am.yml",
                                       f"--storage.path={self.folder}/data{self.life}", f"--web.listen-address=127.0.0.1:{self.port}",
                                       "--cluster.listen-address="], stdout=subprocess.DEVNULL,
                                      stderr=open(self.folder / "log", "ab"))
        until(self.ready, 30)
        return self

    def stop(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return answer.read()

    def ready(self):
        """Alertmanager is ready"""
        try:
            return self.get("/-/ready")
        except OSError:
            return False

    def alerts(self, resolved=False):
        found = json.loads(self.get("/api/v2/alerts"))
        return [a for a in found if resolved or a["status"]["state"]]


@pytest.fixture
def alertmanager(processes, tmp_path):
    return Alertmanager(processes, tmp_path / "am").start()


def oncall(am, **more):
    return endpoint(name="oncall", kind="alertmanager", url=am.url, timeout="2s", resend="1s", **more)


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_firing_seen_and_resolved(processes, tmp_path, alertmanager):
    c = Courier(processes, tmp_path / "state", oncall(alertmanager))
    c.fire("Shift", "k1")
    c.fire("Other", "k2")
    until(lambda: len(alertmanager.alerts()) == 2)
    alert = next(a for a in alertmanager.alerts() if a["labels"]["alertname"] == "Shift")
    assert alert["labels"] == {"alertname": "Shift", "severity": "page", "model": "intent router", "model_version": "3", "team": "ml",
                               "a_b": "\"x\"\n"}
    assert alert["annotations"] == {"summary": "hours-per-week: mean 40.4 -> 1 240", "runbook": "https://wiki.example/oodd",
                                    "oodd_key": "k1"}
    now = datetime.datetime.now(datetime.timezone.utc)
    assert 590 < (now - when(alert["startsAt"])).total_seconds() < 640
    assert 0 < (when(alert["endsAt"]) - now).total_seconds() < 5
    first_end = when(alert["endsAt"])
    until(lambda: any(when(a["endsAt"]) > first_end for a in alertmanager.alerts() if a["labels"]["alertname"] == "Shift"))
    c.resolve("Shift", "k1")
    until(lambda: [a["labels"]["alertname"] for a in alertmanager.alerts()] == ["Other"])
    assert c.status("oncall")["dead"] == 0
    c.quit()


def test_it_is_told_again_when_it_forgot(processes, tmp_path, alertmanager):
    c = Courier(processes, tmp_path / "state", oncall(alertmanager))
    c.fire("Shift", "k1")
    until(lambda: len(alertmanager.alerts()) == 1)
    alertmanager.stop()
    until(lambda: c.status("oncall")["failed"] >= 1)
    alertmanager.start()
    until(lambda: len(alertmanager.alerts()) == 1)
    assert alertmanager.alerts()[0]["annotations"]["oodd_key"] == "k1"
    c.quit()


def test_what_ended_while_it_was_away_is_not_told_as_firing(processes, tmp_path, alertmanager):
    c = Courier(processes, tmp_path / "state", oncall(alertmanager))
    alertmanager.stop()
    c.fire("Shift", "k1")
    until(lambda: c.status("oncall")["failed"] >= 1)
    c.resolve("Shift", "k1")
    c.fire("Other", "k2")
    alertmanager.start()
    until(lambda: [a["labels"]["alertname"] for a in alertmanager.alerts()] == ["Other"])
    assert [(r["key"], r["state"]) for r in c.rows()] == [("k1", "resolved"), ("k2", "firing")]
    c.quit()


def test_the_agent_killed_in_mid_incident_goes_on_telling(processes, tmp_path, alertmanager):
    c = Courier(processes, tmp_path / "state", oncall(alertmanager))
    c.fire("Shift", "k1")
    until(lambda: len(alertmanager.alerts()) == 1)
    c.kill()
    until(lambda: alertmanager.alerts() == [], 10)  # four times resend, and it believes nobody any more
    c = Courier(processes, tmp_path / "state", oncall(alertmanager))
    until(lambda: len(alertmanager.alerts()) == 1)
    c.say("firing", "k1")
    assert c.answer("ended") == 0
    c.say("firing", "k2")  # the rules no longer know k1
    assert c.answer("ended") == 1
    until(lambda: alertmanager.alerts() == [])
    c.quit()


def test_the_whole_agent_pages_is_killed_and_takes_it_back(processes, tmp_path, alertmanager):
    "From a log to a page and back: `oodd run`, killed while the alert fires, and at last in normal traffic again."
    home = Home(tmp_path, model_extra=', idle = "2s"', extra='commit = "100ms"')
    home.config.write_text(home.config.read_text().replace('kind = "webhook", url = "http://127.0.0.1:9/none"',
                                                           f'kind = "alertmanager", url = "{alertmanager.url}", resend = "1s"'))
    home.fit()
    agent = processes(home.command("run"), stderr=open(home.path / "agent.log", "ab"))
    with open(home.log, "ab") as log:
        log.writelines(sample("stream"))
    shown = until(alertmanager.alerts, 60)[0]
    assert shown["labels"]["alertname"] == "Shifted" and shown["labels"]["model"] == "clinc-intent"
    assert " moved (" in shown["annotations"]["summary"]
    os.kill(agent.pid, signal.SIGKILL)
    agent.wait()
    until(lambda: not alertmanager.alerts(), 20)  # nobody says that it lasts
    processes(home.command("run"), stderr=open(home.path / "agent.log", "ab"))
    again = until(alertmanager.alerts, 20)[0]
    assert again["annotations"]["oodd_key"] == shown["annotations"]["oodd_key"]
    with open(home.log, "ab") as log:  # five hours of normal traffic
        log.writelines(spaced(sample("stream")[:500], 5000, 3.6, "calm", datetime.datetime(2026, 3, 2, tzinfo=datetime.timezone.utc)))
    until(lambda: not alertmanager.alerts(), 60)
    assert (home.path / "agent.log").read_text().count("alert: resolved") == 1
