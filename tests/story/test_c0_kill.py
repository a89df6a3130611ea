"""kill -9 at random instants while a writer appends and rotates: every record counted exactly once in its window, every
alert delivered with one key, windows equal to an undisturbed replay bit for bit."""
import json
import os
import random
import re
import signal
import threading
import time
from collections import Counter, defaultdict

from oodd import Home, Webhook, longer, sample, wait_for

KILLS = int(os.environ.get("OODD_KILLS", "100"))
LINES = 24000
ROTATE_EVERY = 1200


class Writer(threading.Thread):
    "Appends lines in uneven pieces, cut anywhere, and renames the log now and then, as logrotate does."

    def __init__(self, home, lines, seconds):
        super().__init__(daemon=True)
        self.home, self.lines, self.seconds, self.rotations = home, lines, seconds, 0

    def rotate(self):
        log = self.home.log
        self.rotations += 1
        os.rename(log, f"{log}.{self.rotations}")

    def run(self):
        dice = random.Random(7)
        written = 0
        begin = time.monotonic()
        out = open(self.home.log, "ab", buffering=0)
        for i in range(0, len(self.lines), 40):
            piece = b"".join(self.lines[i:i + 40])
            cut = dice.randrange(len(piece))
            out.write(piece[:cut])
            time.sleep(.001)
            out.write(piece[cut:])
            written += 40
            if written % ROTATE_EVERY == 0:
                out.close()
                self.rotate()
                out = open(self.home.log, "ab", buffering=0)
            due = begin + self.seconds * written / len(self.lines)
            time.sleep(max(0, due - time.monotonic()))
        out.close()


def windows_logged(log):
    "digest by (start) of every window that was ever said to be closed; a window said twice must be the same twice."
    said = defaultdict(set)
    for line in log.read_text().splitlines():
        if " window: closed " in line:
            said[re.search(r"start=(\S+)", line)[1]].add((re.search(r" n=(\d+)", line)[1], re.search(r"digest=(\S+)", line)[1]))
    return said


def test_a_hundred_kills(tmp_path):
    hook = Webhook()
    home = Home(tmp_path, url=hook.url, extra='commit = "100ms"', model_extra=', idle = "4s"')
    home.fit()
    lines = longer(sample("stream"), LINES)
    whole = tmp_path / "whole.jsonl"
    whole.write_bytes(b"".join(lines))
    truth = home.events(whole)
    want = {e["start"]: {(str(e["n"]), e["digest"])} for e in truth if e["event"] == "window"}
    alerts = {(e["key"], e["state"]) for e in truth if e["event"] == "alert" and e["state"] != "pending"}
    assert len(want) > 100 and alerts

    dice = random.Random(3)
    writer = Writer(home, lines, seconds=.3 * KILLS)
    writer.start()
    for _ in range(KILLS):
        agent = home.start()
        time.sleep(dice.uniform(.02, .6))
        agent.kill()
        agent.wait()
    writer.join()

    agent = home.start()
    try:
        wait_for(lambda: set(windows_logged(tmp_path / "agent.log")) >= set(want), 60, .2)
        wait_for(lambda: {key(got) for got in hook.got} >= alerts, 30, .2)
    finally:
        agent.terminate()
        assert agent.wait(20) == 0
    said = windows_logged(tmp_path / "agent.log")
    assert said == want
    assert sum(int(n) for one in said.values() for n, _ in one) == LINES
    assert {key(got) for got in hook.got} == alerts
    assert writer.rotations >= LINES // ROTATE_EVERY - 1
    balance = (tmp_path / "agent.log").read_text()[-3000:]
    assert re.search(rf"read +{LINES} records +{sum(map(len, lines))} bytes", balance), balance
    assert "UNACCOUNTED" not in balance


def key(got):
    "(dedup key, state) of what arrived; the idempotency key is made of the two and the time in the log."
    event = json.loads(got[1])
    return event["data"]["key"], event["data"]["state"]
