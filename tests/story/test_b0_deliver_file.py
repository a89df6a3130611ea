"""An alert ends up as a line of a file, and in the database until it does."""
import json
import os

from oodd import wait_for as until
from courier import Courier, endpoint


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_line_for_each_transition(processes, tmp_path):
    path = tmp_path / "alerts.jsonl"
    c = Courier(processes, tmp_path / "state", endpoint(name="log", kind="file", path=path))
    c.fire("Shift", "k1")
    c.resolve("Shift", "k1")
    until(lambda: len(lines(path)) == 2)
    until(lambda: c.rows() == [])
    assert [a["state"] for a in lines(path)] == ["firing", "resolved"]
    assert [a["key"] for a in lines(path)] == ["k1", "k1"]
    assert c.status("log")["accepted"] == 2
    c.quit()


def test_a_rotated_file_is_begun_anew(processes, tmp_path):
    path = tmp_path / "alerts.jsonl"
    c = Courier(processes, tmp_path / "state", endpoint(name="log", kind="file", path=path))
    c.fire("Shift", "k1")
    until(lambda: len(lines(path)) == 1)
    os.rename(path, tmp_path / "alerts.jsonl.1")
    c.fire("Shift", "k2")
    until(lambda: len(lines(path)) == 1)
    assert lines(path)[0]["key"] == "k2"
    c.quit()


def test_a_file_that_cannot_be_written_is_tried_again(processes, tmp_path):
    path = tmp_path / "later" / "alerts.jsonl"
    c = Courier(processes, tmp_path / "state", endpoint(name="log", kind="file", path=path))
    c.fire("Shift", "k1")
    until(lambda: c.status("log")["failed"] >= 2)
    assert "No such file" in c.status("log")["said"]
    path.parent.mkdir()
    until(lambda: len(lines(path)) == 1)
    c.quit()


def test_standard_output(processes, tmp_path):
    c = Courier(processes, tmp_path / "state", endpoint(name="out", kind="stdout"))
    c.say("fire", "Shift", "k1")
    assert c.answer("key") == "k1"
    until(lambda: c.rows() == [])
    c.quit()


def test_unknown_endpoint_is_an_error_and_the_known_one_is_told(processes, tmp_path):
    path = tmp_path / "alerts.jsonl"
    c = Courier(processes, tmp_path / "state", endpoint(name="log", kind="file", path=path))
    c.say("fire", "Shift", "k1", "lgo", "log")
    assert c.answer("refused")
    until(lambda: len(lines(path)) == 1)
    assert "did you mean 'log'?" in c.logged()
    c.quit()
