"""The tail beside Debian's logrotate, the real one, renaming or copying and truncating, while a writer goes on writing and the
tail is killed again and again. Every line is numbered: none twice, and none missing but what copytruncate itself loses."""
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import time

import pytest

from conftest import program

BUILD = pathlib.Path(os.environ.get("OODD_BUILD", "."))
LINE = re.compile(rb'L {"id":(\d+),"pad":"x*"}')
SECONDS = float(os.environ.get("OODD_LOGROTATE_SECONDS", "5"))


class Writer(threading.Thread):
    "Numbered lines into a log, some of them in two halves; opens it again when it was moved, as a good daemon does when told."

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.n, self.lock, self.ended = path, 0, threading.Lock(), threading.Event()
        self.reopen = threading.Event()
        self.open()

    def open(self):
        self.fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def run(self):
        chance = random.Random(1)
        while not self.ended.is_set():
            with self.lock:
                if self.reopen.is_set():
                    os.close(self.fd)
                    self.open()
                    self.reopen.clear()
                for _ in range(chance.randrange(40)):
                    line = b'{"id":%d,"pad":"%s"}\n' % (self.n, b"x" * chance.randrange(60, 300))
                    cut = chance.randrange(len(line)) if chance.random() < 0.1 else 0
                    os.write(self.fd, line[:cut])
                    os.write(self.fd, line[cut:])
                    self.n += 1
            time.sleep(0.002)

    def end(self):
        self.ended.set()
        self.join()
        os.close(self.fd)


class Tail:
    def __init__(self, processes, folder, glob):
        self.driver = BUILD / "tests" / "input" / "tail_driver"
        if not self.driver.exists():
            pytest.skip(f"{self.driver} is not built: make check builds it")
        self.start_process, self.journal, self.glob = processes, folder / "journal", glob
        self.log = open(folder / "tail.log", "ab")
        self.kills = -1
        self.start()

    def start(self):
        self.process = self.start_process([self.driver, self.journal, self.glob], stdout=subprocess.PIPE,
                                          stderr=self.log)
        self.kills += 1

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.start()

    def committed(self):
        "Ids in the order of their commits."
        ids, group = [], []
        for line in self.journal.read_bytes().splitlines():
            whole = LINE.fullmatch(line)
            if whole:
                group.append(int(whole[1]))
            elif line == b"C":
                ids += group
                group = []
        return ids

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=20)
        assert self.process.returncode == 0
        return json.loads(out)


class Logrotate:
    def __init__(self, folder, log, *directives):
        self.program, self.state, self.conf = program("logrotate", "logrotate"), folder / "state", folder / "conf"
        body = "\n\t".join(["rotate 200", "missingok", "nocompress", *directives])
        self.conf.write_text(f"{log} {{\n\t{body}\n}}\n")
        self.conf.chmod(0o644)
        self.turns = 0

    def run(self):
        subprocess.run([self.program, "-f", "-s", self.state, self.conf], check=True, stderr=subprocess.DEVNULL)
        self.turns += 1


@pytest.fixture
def world(tmp_path, processes):
    "Folders that logrotate trusts, a writer, and a way to set it all going."
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o700)
    writer = Writer(logs / "a.log")
    tail = Tail(processes, tmp_path, str(logs / "a.log*"))

    def go(rotator, rotate, kill):
        chance = random.Random(2)
        until = time.monotonic() + SECONDS
        writer.start()
        while time.monotonic() < until:
            time.sleep(chance.random() * 0.1)
            rotate(rotator)
            if kill and chance.random() < 0.7:
                time.sleep(chance.random() * 0.05)
                tail.kill()
        writer.end()
        deadline = time.monotonic() + 20
        while len(tail.committed()) < writer.n and time.monotonic() < deadline:
            time.sleep(0.1)
            if not kill and time.monotonic() > deadline - 15:
                break
        stats = tail.end()
        ids = tail.committed()
        print(f"{writer.n} lines, {rotator.turns} rotations, {tail.kills} kills, {len(ids)} read, {stats}")
        return ids, stats

    yield tmp_path, logs, writer, go
    writer.ended.set()


def renamed(writer):
    def rotate(rotator):
        rotator.run()
        time.sleep(0.01)        # the writer goes on in the renamed file for a while
        writer.reopen.set()
    return rotate


def test_renamed_and_killed(world):
    folder, logs, writer, go = world
    ids, _ = go(Logrotate(folder, logs / "a.log", "nocreate"), renamed(writer), kill=True)
    assert len(ids) == len(set(ids)), "read twice"
    assert set(ids) == set(range(writer.n)), "missing"


def test_renamed_dated_and_compressed_later(world):
    "With dateext the names do not count up, and delaycompress leaves .gz files behind that hold what was read already."
    folder, logs, writer, go = world
    rotator = Logrotate(folder, logs / "a.log", "create 0600", "dateext", "dateformat -%Y%m%d-%s", "compress", "delaycompress")

    def rotate(rotator):
        time.sleep(1)           # a name for each second
        renamed(writer)(rotator)

    ids, _ = go(rotator, rotate, kill=False)
    assert sorted(ids) == list(range(writer.n))
    assert ids == sorted(ids), "one writer, so the order of its lines is that of the files"
    assert list(logs.glob("*.gz"))


def test_copied_and_truncated_and_killed(world):
    "The writer holds its breath while logrotate copies and truncates: then nothing at all may be missing."
    folder, logs, writer, go = world

    def rotate(rotator):
        with writer.lock:
            rotator.run()

    ids, stats = go(Logrotate(folder, logs / "a.log", "copytruncate"), rotate, kill=True)
    assert len(ids) == len(set(ids)), "read twice"
    assert set(ids) == set(range(writer.n)), "missing"
    assert stats["lost"] == 0


def test_copied_and_truncated_while_written_to(world):
    "What is written between the copy and the truncation is lost by copytruncate itself: some of it, and nothing twice."
    folder, logs, writer, go = world
    ids, stats = go(Logrotate(folder, logs / "a.log", "copytruncate"), lambda rotator: rotator.run(), kill=False)
    missing = set(range(writer.n)) - set(ids)
    print(f"{len(missing)} lines lost by copytruncate")
    assert len(missing) < writer.n / 20
    # A line cut by the truncation leaves its second half at the head of the new file; it is never taken for another.
    assert len(ids) == len(set(ids)), "read twice"
