"""The courier in a process of its own (tests/deliver/courier_driver.c), and a receiver that misbehaves on demand."""
import http.server
import json
import os
import queue
import signal
import ssl
import subprocess
import threading
import time

import pytest

from oodd import BUILD, TREE, wait_for as until

SCRIPTS = TREE / "scripts" / "endpoints"


def endpoint(**fields):
    return ";".join(f"{name}={value}" for name, value in fields.items())


class Courier:
    """start, then fire / resolve / status / ...; kill is SIGKILL."""

    def __init__(self, processes, state, *endpoints, scripts=SCRIPTS, ready=True):
        driver = BUILD / "tests" / "deliver" / "courier_driver"
        if not driver.exists():
            pytest.skip(f"{driver} is not built: make check builds it")
        self.log_path = f"{state}.log"
        self.log = open(self.log_path, "ab")
        self.process = processes([driver, state, scripts, *endpoints], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=self.log, text=True, bufsize=1)
        self.lines = queue.Queue()
        self.others = []
        threading.Thread(target=self._read, daemon=True).start()
        if ready:
            assert self.answer("ready")

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def answer(self, word, seconds=20):
        """The next answer that has this word; others are kept."""
        deadline = time.monotonic() + seconds
        while True:
            for line in self.others:
                if word in line:
                    self.others.remove(line)
                    return line[word]
            try:
                self.others.append(self.lines.get(timeout=max(0.01, deadline - time.monotonic())))
            except queue.Empty:
                pytest.fail(f"no '{word}' from the courier; its log:\n{self.logged()}")

    def say(self, *words):
        print(*words, file=self.process.stdin, flush=True)

    def fire(self, name, key, *to):
        self.say("fire", name, key, *to)
        self.answer("committed")

    def resolve(self, name, key, *to):
        self.say("resolve", name, key, *to)
        self.answer("committed")

    def look(self):
        self.others.clear()
        self.say("status")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            line = self.lines.get(timeout=20)
            if "status" in line:
                return line
            self.others.append(line)
        pytest.fail("no status")

    def status(self, name):
        return self.look()["status"][name]

    def rows(self):
        return self.look()["rows"]

    def reload(self, *endpoints):
        self.say("reload", *endpoints)
        return self.answer("reloaded")

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def quit(self):
        self.say("quit")
        assert self.process.wait(timeout=20) == 0, self.logged()

    def logged(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()


class Receiver:
    """An HTTP server on a port of its own. `script` holds what to do with the next requests, one each: a status, a (status, headers)
    pair, or a function of the handler; when it is empty, 200."""

    def __init__(self, tls=None):
        self.requests = []
        self.script = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append({"path": self.path, "headers": self.headers, "body": body, "at": time.monotonic()})
                step = receiver.script.pop(0) if receiver.script else 200
                if callable(step):
                    step(self)
                    return
                status, headers = step if isinstance(step, tuple) else (step, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                text = b"said no" if status >= 300 else b""
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def wait(self, n, seconds=20):
        until(lambda: len(self.requests) >= n, seconds)
        return self.requests

    def keys(self):
        "Without the time in the log, which is when the test ran."
        return [r["headers"]["Idempotency-Key"].rsplit("-", 1)[0] for r in self.requests]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
