#!/usr/bin/python3
"""make demo: oodd learns what normal is from a real prediction log, follows a live one, finds the out-of-scope queries in
it, and delivers an alert to a webhook on this machine. Leaves nothing running and no file behind.

usage: demo.py OODD_PROGRAM SOURCE_TREE
"""
import json
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

CONFIG = """
source "intents" {{ path = "{home}/log/intent-*.jsonl", format = "jsonl" }}

model "clinc-intent" {{
  reference = "{home}/intent.ref",
  window = "5m", lateness = "30s",
  false_alarms = "1 per 30d",
  flag = 0.01,
}}

endpoint "oncall" {{ kind = "webhook", url = "http://127.0.0.1:{port}/alerts", secret_file = "{home}/secret" }}
rules "{home}/rules.d/*.lua"
state = "{home}/state"
"""

RULE = """
alert "IntentTrafficShifted" {
  on = "signal", model = "clinc-*",
  when = function(s) return s.alarm and s.severity >= 1 end,
  severity = "page", to = { "oncall" },
  summary = function(s) return ("%s: %s moved (%s)"):format(s.model, s.top.name, s.top.change) end,
  description = function(s)
    local lines = {}
    for _, f in ipairs(s.findings) do
      if f.moved and #lines < 4 then lines[#lines + 1] = ("%s: %s"):format(f.name, f.change) end
    end
    for i, e in ipairs(s.examples) do
      if i <= 3 then lines[#lines + 1] = ("%s, %s: %s"):format(e.id, e.kind, e.why) end
    end
    return ("%d of %d queries flagged as odd; evidence %.1f, alarm at %.1f.\\n  %s.\\n  %s"):format(
      s.flagged, s.n, s.log_m, s.budget, s.odd, table.concat(lines, "\\n  "))
  end,
}
"""

SECRET = b"a secret of the demo"


class Webhook(HTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.got, self.arrived = [], threading.Event()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()
        self.server.arrived.set()

    def log_message(self, *args):
        pass


def say(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def unpack(tree, name, to):
    with open(to, "wb") as out:
        subprocess.run(["zstd", "-qdc", f"{tree}/tests/data/{name}.jsonl.zst"], stdout=out, check=True)


def append_at_speed(lines, path):
    "What a serving process does: whole lines, a few hundred at a time, forty times a second."
    with open(path, "ab", buffering=0) as log:
        for i in range(0, len(lines), 25):
            log.write(b"".join(lines[i:i + 25]))
            time.sleep(.025)


def show(headers, body):
    event = json.loads(body)
    data = event.get("data", event)
    print(f"  POST /alerts  {headers.get('Content-Type', '')}  idempotency-key: {headers.get('Idempotency-Key', '-')[:24]}...")
    for key in ("name", "state", "severity", "summary", "description", "model", "version", "starts"):
        if data.get(key):
            print(f"  {key:12s} {data[key]}")
    for name, value in sorted((data.get("annotations") or {}).items()):
        print(f"  {name:12s} {value}")


def main(oodd, tree):
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="oodd-demo-") as home:
        home = Path(home)
        (home / "log").mkdir()
        (home / "rules.d").mkdir()
        (home / "rules.d" / "intent.lua").write_text(RULE)
        (home / "secret").write_bytes(SECRET)
        (home / "secret").chmod(0o600)
        hook = Webhook()
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        (home / "oodd.lua").write_text(CONFIG.format(home=home, port=hook.server_port))
        for name in ("train", "reference", "stream"):
            unpack(tree, f"clinc_{name}", home / f"{name}.jsonl")
        config = ["-c", str(home / "oodd.lua")]

        say("1. oodd fit: what normal is, from 3,150 real queries to an intent classifier")
        subprocess.run([oodd, "fit", *config, "--model", "clinc-intent", "--output", home / "intent.ref",
                        "--fit", home / "train.jsonl", "--calibrate", home / "reference.jsonl"], check=True)

        say("2. oodd run: following a log that a writer appends to (1,600 queries; from the 601st on, out-of-scope ones among them)")
        lines = (home / "stream.jsonl").read_bytes().splitlines(True)
        agent = subprocess.Popen([oodd, "run", *config])
        try:
            append_at_speed(lines, home / "log" / "intent-0.jsonl")
            if not hook.arrived.wait(30):
                sys.exit("demo: no alert arrived within 30 s")
        finally:
            agent.terminate()
            status = agent.wait(timeout=20)
        hook.shutdown()

        say("3. What arrived at the webhook")
        headers, body = hook.got[0]
        show(headers, body)
        say(f"Done in {time.monotonic() - began:.0f} s: {len(hook.got)} request(s) delivered, agent ended with status {status}; nothing is left running.")
        sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
