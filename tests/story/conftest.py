"What every story may want: free ports, counterparts or a loud skip, and processes that end when their story does."
import os
import shutil
import signal
import socket
import subprocess

import pytest

# Talk to loopback without a proxy in between, whatever the machine is set up for.
for name in list(os.environ):
    if name.lower().endswith("_proxy"):
        del os.environ[name]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def program(name, package):
    "The path of a counterpart, or a loud skip."
    path = shutil.which(name)
    if not path:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return path


@pytest.fixture
def processes():
    "start(argv, ...) -> Popen, in a process group of its own; whatever still runs at the end of the story is ended."
    started = []

    def start(argv, **options):
        p = subprocess.Popen([str(a) for a in argv], start_new_session=True, **options)
        started.append(p)
        return p

    yield start
    for p in started:
        if p.poll() is None:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
