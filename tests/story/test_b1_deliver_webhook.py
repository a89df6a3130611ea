"""A webhook that answers, one that does not, and one that lies; killed in between."""
import base64
import hashlib
import hmac
import json
import os
import socket
import time

import pytest

from conftest import free_port
from oodd import wait_for as until
from courier import SCRIPTS, Courier, Receiver, endpoint

KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.close()


def hook(url, **more):
    return endpoint(name="hook", kind="webhook", url=url, timeout="1s", **more)


def test_signed_cloudevent(processes, tmp_path, receiver):
    secret = tmp_path / "secret"
    secret.write_text(f"whsec_{KEY}\n")
    secret.chmod(0o600)
    c = Courier(processes, tmp_path / "state", hook(receiver.url + "/in?token=T0PSECRET", secret_file=secret))
    c.fire("Shift", "k1")
    c.resolve("Shift", "k1")
    fired, resolved = receiver.wait(2)
    for r in (fired, resolved):
        h = r["headers"]
        assert r["path"] == "/in?token=T0PSECRET"
        assert h["Content-Type"].startswith("application/cloudevents+json")
        assert abs(int(h["webhook-timestamp"]) - time.time()) < 60
        signed = f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode() + r["body"]
        mac = hmac.new(base64.b64decode(KEY), signed, hashlib.sha256).digest()
        assert h["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
    event = json.loads(fired["body"])
    assert event["specversion"] == "1.0" and event["id"].startswith("k1-firing-20") and event["type"] == "dev.oodd.alert.firing"
    assert event["data"]["labels"] == {"team": "ml", "a.b": "\"x\"\n"} and event["data"]["model"] == "intent router"
    assert json.loads(resolved["body"])["data"]["ends_at"]
    assert receiver.keys() == ["k1-firing", "k1-resolved"]
    until(lambda: c.rows() == [])
    c.quit()
    assert KEY not in c.logged() and "T0PSECRET" not in c.logged()


def test_asked_to_wait_it_waits(processes, tmp_path, receiver):
    receiver.script = [(429, {"Retry-After": "2"})]
    c = Courier(processes, tmp_path / "state", hook(receiver.url))
    c.fire("Shift", "k1")
    first, second = receiver.wait(2)
    assert second["at"] - first["at"] >= 2
    assert receiver.keys() == ["k1-firing", "k1-firing"]
    until(lambda: c.rows() == [])
    c.quit()


def close_half_way(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def too_slow(handler):
    time.sleep(1.5)
    handler.close_connection = True


def no_http(handler):
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    handler.close_connection = True


@pytest.mark.parametrize("trouble", [500, 503, 408, close_half_way, too_slow, no_http])
def test_trouble_is_tried_again(processes, tmp_path, receiver, trouble):
    receiver.script = [trouble, trouble]
    c = Courier(processes, tmp_path / "state", hook(receiver.url))
    c.fire("Shift", "k1")
    c.resolve("Shift", "k1")
    receiver.wait(4)
    assert receiver.keys()[:4] == ["k1-firing"] * 3 + ["k1-resolved"]
    until(lambda: c.rows() == [])
    assert c.status("hook")["failed"] == 2
    c.quit()


def test_a_server_that_never_stops_talking(processes, tmp_path, receiver):
    def babble(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        try:
            for _ in range(1000):
                handler.wfile.write(b"x" * 65536)
        except OSError:
            pass
        handler.close_connection = True

    receiver.script = [babble]
    c = Courier(processes, tmp_path / "state", hook(receiver.url))
    c.fire("Shift", "k1")
    until(lambda: c.status("hook")["accepted"] == 1)
    c.quit()


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_refused_is_a_dead_letter_and_the_next_goes_on(processes, tmp_path, receiver, status):
    receiver.script = [status]
    c = Courier(processes, tmp_path / "state", hook(receiver.url))
    c.fire("Shift", "k1")
    c.fire("Shift", "k2")
    receiver.wait(2)
    row, = until(lambda: [r for r in c.rows() if r["dead"]])
    assert row["key"] == "k1" and row["said"] == f"answered {status}: said no"
    assert c.status("hook")["dead"] == 1
    c.quit()
    again = Courier(processes, tmp_path / "state", hook(receiver.url))
    assert [r["key"] for r in again.rows()] == ["k1"]  # kept, visible, not sent
    time.sleep(0.3)
    assert len(receiver.requests) == 2
    again.quit()
    assert "dead letter" in c.logged()


def test_redirects_are_not_followed(processes, tmp_path, receiver):
    elsewhere = Receiver()
    receiver.script = [(307, {"Location": elsewhere.url})]
    c = Courier(processes, tmp_path / "state", hook(receiver.url))
    c.fire("Shift", "k1")
    row, = until(lambda: [r for r in c.rows() if r["dead"]])
    assert "redirects are not followed" in row["said"]
    assert not elsewhere.requests
    elsewhere.close()
    c.quit()


def test_not_accepted_in_time_is_a_dead_letter(processes, tmp_path):
    c = Courier(processes, tmp_path / "state", hook(f"http://127.0.0.1:{free_port()}", expire="1s"))
    c.fire("Shift", "k1")
    row, = until(lambda: [r for r in c.rows() if r["dead"]])
    assert "not accepted in time" in row["said"] and row["attempts"] >= 1
    assert c.status("hook")["expired"] == 1
    c.quit()


def test_nothing_is_lost_while_nobody_listens_and_over_a_kill(processes, tmp_path):
    port = free_port()
    c = Courier(processes, tmp_path / "state", hook(f"http://127.0.0.1:{port}"))
    for i in range(5):
        c.fire("Shift", f"k{i}")
    until(lambda: c.status("hook")["failed"] >= 1)
    c.kill()
    receiver = Receiver()
    c = Courier(processes, tmp_path / "state", hook(receiver.url))
    receiver.wait(5)
    # Once each, in order but for the one that had been tried and has to wait its turn.
    assert sorted(receiver.keys()) == [f"k{i}-firing" for i in range(5)]
    until(lambda: c.rows() == [])
    c.quit()
    receiver.close()


def test_killed_between_answer_and_commit_the_same_key_comes_twice(processes, tmp_path, receiver):
    c = Courier(processes, tmp_path / "state", hook(receiver.url))
    c.say("hold")
    c.fire("Shift", "k1")
    until(lambda: c.status("hook")["accepted"] == 1)
    c.kill()
    c = Courier(processes, tmp_path / "state", hook(receiver.url))
    receiver.wait(2)
    assert receiver.keys() == ["k1-firing", "k1-firing"]
    assert receiver.requests[0]["body"] == receiver.requests[1]["body"]
    until(lambda: c.rows() == [])
    c.kill()
    c = Courier(processes, tmp_path / "state", hook(receiver.url))
    time.sleep(0.3)
    assert len(receiver.requests) == 2
    c.quit()


def test_kill_at_any_instant_loses_nothing(processes, tmp_path, receiver):
    """Ten rounds of alerts, each killed at another moment: every committed alert arrives."""
    sent = []
    for round_ in range(10):
        c = Courier(processes, tmp_path / "state", hook(receiver.url))
        for i in range(5):
            key = f"r{round_}i{i}"
            c.fire("Shift", key)
            sent.append(f"{key}-firing")
        time.sleep(0.005 * round_)
        c.kill()
    c = Courier(processes, tmp_path / "state", hook(receiver.url))
    until(lambda: set(sent) <= set(receiver.keys()))
    until(lambda: c.rows() == [])
    assert set(sent) == set(receiver.keys())
    c.quit()


def test_quitting_delivers_what_it_can(processes, tmp_path, receiver):
    c = Courier(processes, tmp_path / "state", hook(receiver.url))
    for i in range(20):
        c.say("fire", "Shift", f"k{i}")
    for _ in range(20):
        c.answer("committed")
    c.quit()
    assert receiver.keys() == [f"k{i}-firing" for i in range(20)]
    again = Courier(processes, tmp_path / "state", hook(receiver.url))
    assert again.rows() == []
    again.quit()


def test_a_broken_script_keeps_its_alerts_until_it_is_mended(processes, tmp_path, receiver):
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    script = scripts / "chat.lua"
    script.write_text("function request(alert, endpoint)\n  return { body = alert.nothing.here }\nend\n")
    chat = endpoint(name="chat", kind="chat", url=receiver.url + "/services/SECRET")
    c = Courier(processes, tmp_path / "state", chat, scripts=scripts)
    c.fire("Shift", "k1")
    until(lambda: "chat.lua:2" in c.status("chat")["said"])
    script.write_text("function request(\n")
    assert not c.reload(chat)  # the old one stays
    assert len(c.rows()) == 1 and "near <eof>" in c.logged()
    script.write_text("function request(alert) return { body = { text = alert.summary } } end\n")
    assert c.reload(chat)
    assert json.loads(receiver.wait(1)[0]["body"]) == {"text": "hours-per-week: mean 40.4 -> 1 240"}
    until(lambda: c.rows() == [])
    c.quit()
    assert "SECRET" not in c.logged()


def test_an_endpoint_that_goes_and_comes_back(processes, tmp_path, receiver):
    other = endpoint(name="other", kind="webhook", url=receiver.url)
    c = Courier(processes, tmp_path / "state", hook(f"http://127.0.0.1:{free_port()}"), other)
    c.fire("Shift", "k1", "hook")
    until(lambda: c.status("hook")["failed"] >= 1)
    assert c.reload(other)
    assert [r["endpoint"] for r in c.rows()] == ["hook"]
    c.quit()
    c = Courier(processes, tmp_path / "state", other)
    assert len(c.rows()) == 1 and "endpoints that are not configured" in c.logged()
    assert c.reload(other, hook(receiver.url))
    receiver.wait(1)
    until(lambda: c.rows() == [])
    c.quit()


def test_the_shipped_scripts_are_the_ones_tested():
    assert sorted(p for p in os.listdir(SCRIPTS) if p.endswith(".lua")) == ["alertmanager.lua", "webhook.lua"]
