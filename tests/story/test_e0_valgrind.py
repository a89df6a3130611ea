"""No leak and no wild access in a whole life of each command, under valgrind."""
import shutil
import signal
import subprocess
import time

import pytest

from oodd import OODD, TREE, MODEL, Home, Webhook, sample, wait_for

VALGRIND = ["valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible", "--errors-for-leak-kinds=definite,indirect",
            "--error-exitcode=99", f"--suppressions={TREE}/tests/story/valgrind.supp"]

SANITIZED = any(name in subprocess.run(["ldd", OODD], capture_output=True, text=True).stdout for name in ("libasan", "libtsan", "libubsan"))
pytestmark = [
    pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed"),
    pytest.mark.skipif(SANITIZED, reason="built with a sanitizer, which valgrind cannot run"),
]


@pytest.fixture(scope="module")
def hook():
    return Webhook()


@pytest.fixture(scope="module")
def home(tmp_path_factory, hook):
    h = Home(tmp_path_factory.mktemp("valgrind"), url=hook.url, extra='commit = "100ms"',
             model_extra=', detectors = { "energy", "mahalanobis", "knn" }')
    h.fit()
    (h.path / "stream.jsonl").write_bytes(b"".join(sample("stream")[:400]))
    (h.path / "little.jsonl").write_bytes(b"".join(sample("reference")[:600]))
    return h


@pytest.mark.parametrize("command", ["check", "replay", "score", "fit", "plugin"])
def test_a_command_from_begin_to_end(home, command):
    args = {
        "check": ["-c", home.config], "replay": ["-c", home.config, "--json", home.path / "stream.jsonl"],
        "score": ["-c", home.config, home.path / "stream.jsonl"], "plugin": ["list"],
        "fit": ["-c", home.config, "--model", MODEL, "--output", home.path / "again.ref", home.path / "little.jsonl"],
    }[command]
    done = subprocess.run(VALGRIND + [OODD, command, *args], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0 and "==" not in done.stderr, done.stderr[-3000:]


def test_the_agent_through_an_alert_and_a_reload(home, hook):
    log = home.path / "agent.log"
    with open(log, "w") as err:
        agent = subprocess.Popen(VALGRIND + [OODD, "run", "-c", home.config], stderr=err, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: "agent: running" in log.read_text(), 60)
        with open(home.log, "ab") as out:
            out.write(b"".join(sample("stream")))
        assert hook.arrived.wait(60)
        agent.send_signal(signal.SIGHUP)
        wait_for(lambda: "agent: reloaded" in log.read_text(), 60)
        time.sleep(.5)
    finally:
        agent.terminate()
        assert agent.wait(60) == 0, log.read_text()[-3000:]
    assert not [line for line in log.read_text().splitlines() if line.startswith("==")]
