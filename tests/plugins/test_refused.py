# SPDX-License-Identifier: Apache-2.0
"""A detector that cannot learn from a log: left out with a note where nobody chose it, an error with the same sentence where its name
was given. Twenty features, a random last layer, and embeddings of that layer or of another one."""
import json, os, subprocess, tempfile
from datetime import datetime, timedelta, timezone
import numpy as np

OODD = os.path.join(os.environ.get("OODD_BUILD", "."), "agent", "oodd")
START = datetime(2026, 3, 1, tzinfo=timezone.utc)
WHY = "cannot learn from this reference: the logged embedding is not what the logits are made of: R2 "


def log(path, embedding, logits):
    with open(path, "w") as f:
        for i, (x, z) in enumerate(zip(embedding, logits)):
            ts = (START + timedelta(seconds=i)).strftime("%Y-%m-%dT%H:%M:%SZ")
            f.write(json.dumps({"ts": ts, "id": str(i), "model": "m", "version": "1", "embedding": [round(float(v), 5) for v in x],
                                "logits": [round(float(v), 5) for v in z], "prediction": f"c{z.argmax()}"}) + "\n")


def fit(folder, log_path, detectors):
    config = os.path.join(folder, "oodd.lua")
    with open(config, "w") as f:
        f.write(f'source "s" {{ path = "{folder}/none/*.jsonl" }}\n'
                f'model "m" {{ reference = "{folder}/m.ref", window = "1m", {detectors} }}\nstate = "{folder}/state"\n')
    return subprocess.run([OODD, "fit", "-c", config, "--model", "m", "--output", f"{folder}/m.ref", log_path], capture_output=True, text=True)


def test_refused():
    rng = np.random.default_rng(5)
    x = np.maximum(rng.normal(size=(3000, 20)), 0)
    logits = 3 * x @ rng.normal(size=(20, 6)) + 4
    with tempfile.TemporaryDirectory() as folder:
        true, other = os.path.join(folder, "true.jsonl"), os.path.join(folder, "other.jsonl")
        log(true, x, logits)
        log(other, np.tanh(x @ rng.normal(size=(20, 12))), logits)

        taken = fit(folder, true, 'detectors = { "energy", "fdbd", "vim", "scale", "react" }')
        assert taken.returncode == 0 and "left out" not in taken.stdout, taken.stderr + taken.stdout
        assert all(name in taken.stdout for name in ("fdbd", "vim", "scale", "react"))

        named = fit(folder, other, 'detectors = { "energy", "fdbd" }')
        assert named.returncode != 0 and "detector fdbd: " + WHY in named.stderr, named.stderr

        chosen = fit(folder, other, "")
        assert chosen.returncode == 0, chosen.stderr
        assert "left out: detector fdbd: " + WHY in chosen.stdout and "\nfdbd " not in chosen.stdout, chosen.stdout

        chosen = fit(folder, true, "")
        assert chosen.returncode == 0 and "left out" not in chosen.stdout, chosen.stdout
        # Fitted, and weighed: these embeddings have no structure that it could tell odd ones by.
        assert "\nfdbd " in chosen.stdout or "not kept: fdbd would add nothing" in chosen.stdout, chosen.stdout
