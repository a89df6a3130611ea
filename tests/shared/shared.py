"""The larger data sets: fitted and replayed by the real program, with what is known about them laid beside."""
import json
import os
import subprocess
from pathlib import Path

import pytest

TREE = Path(os.environ.get("OODD_TREE", Path(__file__).resolve().parents[2]))
BUILD = Path(os.environ.get("OODD_BUILD", TREE))
OODD = BUILD / "agent" / "oodd"
SHARED = Path(os.environ.get("OODD_SHARED", "/nowhere")) / "data"
SETS = {  # window; model; whether there is a separate log that the classifier was trained on
    "clinc150": ("5m", "clinc-intent", True),
    "adult": ("20m", "adult-income-hgb", False),
    "elec2": ("1w", "elec2-hgb", False),
    "bike": ("1w", "bike-demand-rf", False),
}


class Trial:
    def __init__(self, name, home, detectors="", fit=()):
        if not (SHARED / name).is_dir():
            pytest.skip(f"no data set {SHARED / name}: set OODD_SHARED")
        self.name, self.home = name, Path(home)
        self.window, self.model, train = SETS[name]
        self.meta = json.loads((SHARED / name / "meta.json").read_text())
        self.rules = self.home / "rules.lua"
        self.rules.write_text('alert "Moved" { on = "signal", summary = function(s) return s.top.name .. ": " .. s.top.change end }\n')
        self.config = self.home / "oodd.lua"
        self.config.write_text(f"""
source "{name}" {{ path = "{self.home}/none/*.jsonl", format = "jsonl" }}
model "{self.model}" {{ reference = "{self.home}/ref", window = "{self.window}", false_alarms = "1 per 30d", flag = 0.01, {detectors} }}
rules "{self.rules}"
state = "{self.home}/state"
""")
        log = lambda part: SHARED / name / f"{part}.jsonl.zst"
        share = ["--fit", log("reference_train"), "--calibrate", log("reference")] if train else [log("reference")]
        self.summary = self.run("fit", "--model", self.model, "--output", self.home / "ref", *fit, *share)
        self.stream = log("stream")

    def run(self, command, *args):
        done = subprocess.run([OODD, command, "-c", self.config, *args], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def events(self):
        return [json.loads(line) for line in self.run("replay", "--json", self.stream).splitlines()]

    def scores(self):
        return [json.loads(line) for line in self.run("score", "--json", self.stream).splitlines()]

    def labels(self):
        text = subprocess.run(["zstd", "-qdc", SHARED / self.name / "labels.jsonl.zst"], capture_output=True, text=True, check=True).stdout
        return {r["id"]: r for r in map(json.loads, text.splitlines())}

    def phase(self, ts):
        "The phase that holds this time, by the times at which phases begin."
        now = None
        for p in self.meta.get("phases", []):
            if p["first_ts"] <= ts:
                now = p
        return now["phase"] if now else "-"
