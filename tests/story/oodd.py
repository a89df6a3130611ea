"""What the stories share: the program, a home with a configuration, logs made of the sample, a webhook that remembers."""
import json
import os
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TREE = Path(os.environ.get("OODD_TREE", Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("OODD_BUILD", TREE))
OODD = BUILD / "agent" / "oodd"
MODEL = "clinc-intent"


def sample(name):
    "Lines of tests/data/clinc_NAME."
    path = TREE / "tests" / "data" / f"clinc_{name}.jsonl.zst"
    return subprocess.run(["zstd", "-qdc", path], capture_output=True, check=True).stdout.splitlines(True)


def longer(lines, n, prefix="x"):
    "n lines: the sample over and over, ids and times made to go on."
    records = [json.loads(line) for line in lines]
    first = datetime.fromisoformat(records[0]["ts"].replace("Z", "+00:00"))
    last = datetime.fromisoformat(records[-1]["ts"].replace("Z", "+00:00"))
    span = (last - first) + timedelta(seconds=4)
    tails = [line[line.index(b',"model"'):] for line in lines]
    stamps = [datetime.fromisoformat(r["ts"].replace("Z", "+00:00")) for r in records]
    out = []
    for i in range(n):
        ts = (stamps[i % len(lines)] + span * (i // len(lines))).astimezone(timezone.utc)
        head = '{"ts":"%s.%03dZ","id":"%s-%07d"' % (ts.strftime("%Y-%m-%dT%H:%M:%S"), ts.microsecond // 1000, prefix, i)
        out.append(head.encode() + tails[i % len(lines)])
    return out


def spaced(lines, n, every, prefix, first=datetime(2026, 3, 1, tzinfo=timezone.utc)):
    "n lines of the sample, one every so many seconds."
    out = []
    for i in range(n):
        ts = first + timedelta(seconds=every * i)
        line = lines[i % len(lines)]
        head = '{"ts":"%s.000Z","id":"%s-%06d"' % (ts.strftime("%Y-%m-%dT%H:%M:%S"), prefix, i)
        out.append(head.encode() + line[line.index(b',"model"'):])
    return out


class Webhook(ThreadingHTTPServer):
    "Remembers what was posted; `answers` are the statuses to give, the last one for ever."
    daemon_threads = True

    def __init__(self, answers=(204,)):
        super().__init__(("127.0.0.1", 0), WebhookHandler)
        self.got, self.answers, self.arrived = [], list(answers), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/alerts"


class WebhookHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answers[0] if len(self.server.answers) == 1 else self.server.answers.pop(0)
        self.server.got.append((dict(self.headers), body))
        self.send_response(status)
        self.end_headers()
        self.server.arrived.set()

    def log_message(self, *args):
        pass


RULE = """
alert "Shifted" {
  on = "signal", model = "clinc-*",
  severity = "page", to = { "hook" },
  summary = function(s) return ("%s moved (%s)"):format(s.top.name, s.top.change) end,
}
"""


class Home:
    "A folder with a configuration, a reference and a log folder."

    def __init__(self, path, url="http://127.0.0.1:9/none", glob="intent.jsonl*", extra="", model_extra="", source_extra=""):
        self.path = Path(path)
        (self.path / "log").mkdir(exist_ok=True)
        (self.path / "rules.d").mkdir(exist_ok=True)
        (self.path / "rules.d" / "a.lua").write_text(RULE)
        self.config = self.path / "oodd.lua"
        self.log = self.path / "log" / "intent.jsonl"
        self.config.write_text(f"""
source "intents" {{ path = "{self.path}/log/{glob}", format = "jsonl" {source_extra} }}
model "{MODEL}" {{
  reference = "{self.path}/intent.ref", window = "5m", lateness = "30s",
  false_alarms = "1 per 30d", flag = 0.01 {model_extra}
}}
endpoint "hook" {{ kind = "webhook", url = "{url}" }}
rules "{self.path}/rules.d/*.lua"
state = "{self.path}/state"
{extra}
""")

    def fit(self, reference=None):
        if reference:
            (self.path / "intent.ref").write_bytes(Path(reference).read_bytes())
            return
        for name in ("train", "reference"):
            (self.path / f"{name}.jsonl").write_bytes(b"".join(sample(name)))
        self.run("fit", "--model", MODEL, "--output", self.path / "intent.ref", "--fit", self.path / "train.jsonl",
                 "--calibrate", self.path / "reference.jsonl")

    def run(self, command, *args, check=True, **kwargs):
        done = subprocess.run([OODD, command, "-c", self.config, *args], capture_output=True, text=True, timeout=120, **kwargs)
        assert not check or done.returncode == 0, f"oodd {command}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done

    def events(self, *logs, **kwargs):
        return [json.loads(line) for line in self.run("replay", "--json", *logs, **kwargs).stdout.splitlines()]

    def command(self, name):
        return [OODD, name, "-c", self.config]

    def start(self, log=None):
        "oodd run; its log lines (as JSON where `log = { json = true }`) go to the file."
        err = open(log or self.path / "agent.log", "ab")
        return subprocess.Popen(self.command("run"), stderr=err, stdout=subprocess.DEVNULL)


def wait_for(what, seconds=30, every=.05):
    "what() until it is true; its value."
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(every)
    raise AssertionError(f"not within {seconds} s: {what}")


def agent_log(home):
    return (home.path / "agent.log").read_text()


class running:
    "The agent for the length of a `with`; it must end with 0 on SIGTERM."

    def __init__(self, home):
        self.home = home

    def __enter__(self):
        before = agent_log(self.home).count(" agent: running") if (self.home.path / "agent.log").exists() else 0
        self.agent = self.home.start()
        wait_for(lambda: agent_log(self.home).count(" agent: running") > before, 20)
        return self.agent

    def __exit__(self, kind, value, trace):
        self.agent.terminate()
        assert self.agent.wait(20) == 0 or kind, agent_log(self.home)[-3000:]
