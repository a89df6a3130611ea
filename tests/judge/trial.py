#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Count vectors of a real prediction log, for tests/judge/trial: bins as a reference has them, p-values of one plain detector (GEN).

usage: trial.py DATA_SET_FOLDER WINDOW_SECONDS OUT [REPEAT [DEAL]]

The reference log is cut into windows, dealt in turn to the parts of DEAL, a word of letters: f fit (not used here), a cal-A, b cal-B
(calibrates the p-values), n null. Default "bn". REPEAT: every record stands that many times in the log, in reference and stream alike.
"""
import datetime as dt, json, subprocess, sys
from collections import Counter
import msgpack
import numpy as np

P_EDGES = [.005, .01, .02, .05, .1, .2, .35, .5, .75]
KINDS = {"p-value": 0, "confidence": 1, "class": 2, "numeric": 3, "category": 4, "missing": 5}
SPECIAL = ["below", "above", "other", "missing", "mistyped"]


def rows(folder, name):
    text = subprocess.run(["zstd", "-dc", f"{folder}/{name}.jsonl.zst"], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def gen(r):
    z = np.array(r["logits"]); p = np.exp(z - z.max()); p = np.sort(p / p.sum())[-100:]
    return float((np.clip(p, 1e-12, 1) ** .1 * (1 - p + 1e-12) ** .1).sum())


class Measure:
    def __init__(self, name, kind, value, special, edges=(), words=(), least=0., most=0., mean=None):
        self.name, self.kind, self.value, self.edges, self.words, self.least, self.most = name, kind, value, list(edges), list(words), least, most
        plain = len(self.words) or len(self.edges) + 1
        self.special = {s: plain + i for i, s in enumerate(special)}
        self.n = plain + len(special)
        self.index = {w: i for i, w in enumerate(self.words)}
        self.mean = mean

    def bin(self, r):
        x = self.value(r)
        if x is None:
            return self.special["missing"]
        if self.words:
            return self.index.get(x, self.special["other"])
        if "below" in self.special and x < self.least:
            return self.special["below"]
        if "above" in self.special and x > self.most:
            return self.special["above"]
        return int(np.searchsorted(self.edges, x))


def measures_of(ref, classes):
    out = [Measure("p-value", "p-value", lambda r: r["p"], ["missing"], P_EDGES)]
    conf = [r["confidence"] for r in ref]
    out.append(Measure("confidence", "confidence", lambda r: r["confidence"], ["missing"], np.unique(np.quantile(conf, np.linspace(0, 1, 11)[1:-1]))))
    out.append(Measure("class", "class", lambda r: r["prediction"], ["other", "missing"], words=classes))
    names = list(ref[0]["features"])
    out.append(Measure("missing", "missing", lambda r: sum(r["features"].get(f) is None for f in names), [], [0, 1, 2, 4]))
    for f in names:
        v = [r["features"][f] for r in ref if r["features"].get(f) is not None]
        value = lambda r, f=f: r["features"].get(f)
        if any(isinstance(x, str) for x in v):
            count = Counter(v)
            words = [w for w, c in count.most_common(40) if c > 1]
            rare = set(count) - set(words)
            if rare:
                words.append("(rare)")
                value = lambda r, f=f, rare=rare: "(rare)" if r["features"].get(f) in rare else r["features"].get(f)
            out.append(Measure(f, "category", value, ["other", "missing", "mistyped"], words=words))
        else:
            e = np.unique(np.quantile(v, np.linspace(0, 1, 17)[1:-1]))
            out.append(Measure(f, "numeric", value, ["below", "above", "missing", "mistyped"], e[e < max(v)], least=float(min(v)), most=float(max(v)),
                               mean=(float(np.mean(v)), float(np.std(v)) or 1.)))
    return out


def cut_up(rs, width):
    out = {}
    for r in rs:
        out.setdefault(int(dt.datetime.fromisoformat(r["ts"].replace("Z", "+00:00")).timestamp() // width), []).append(r)
    return [(k, out[k]) for k in sorted(out)]


def main(folder, width, to, repeat=1, deal="bn"):
    ref, stream, meta = rows(folder, "reference"), rows(folder, "stream"), json.load(open(folder + "/meta.json"))
    for r in ref + stream:
        r["score"] = gen(r)
    rw, sw = cut_up(ref, width), cut_up(stream, width)
    whole = rw[1:-1] if len(rw) > 4 else rw
    part = lambda letters: [w for i, w in enumerate(whole) if deal[i % len(deal)] in letters]
    cal, null, others = part("b"), part("n"), part("ab")
    scores = np.sort([r["score"] for _, x in cal for r in x])
    for r in ref + stream:
        r["p"] = float((1 + len(scores) - np.searchsorted(scores, r["score"])) / (1 + len(scores)))
    ms = measures_of(ref, meta["classes"])
    first, doc = 0, []
    for m in ms:
        m.first, m.sums = first, first + m.n if m.mean else -1
        first += m.n + (2 if m.mean else 0)
    def vector(x):
        v = np.zeros(first, dtype=np.int64)
        for m in ms:
            for r in x:
                v[m.first + m.bin(r)] += repeat
                y = m.mean and m.value(r)
                if y is not None and m.mean:
                    v[m.sums] += repeat * int(np.clip(round((y - m.mean[0]) / m.mean[1] * 2**20), -2**40, 2**40)); v[m.sums + 1] += repeat
        return v
    window = lambda k, x, cut=0: {"start": int(k * width * 1e6), "n": len(x) * repeat, "v": vector(x).tolist(), "cut": cut}
    others_w, null_w = [window(*w) for w in others], [window(*w) for w in null]
    held_out = rw if "f" not in deal else others + null
    total = vector([r for _, x in held_out for r in x])
    null_total = vector([r for _, x in null for r in x])
    for m in ms:
        base = (null_total if m.kind == "p-value" else total)[m.first:m.first + m.n].copy()
        if m.kind == "numeric":  # a lone extreme would have been beyond
            v = [r["features"][m.name] for r in ref if r["features"].get(m.name) is not None]
            base[m.special["below"]] += v.count(m.least) == 1; base[m.special["above"]] += v.count(m.most) == 1
        if m.kind == "category":
            base[m.special["other"]] += sum(1 for c in Counter(r["features"].get(m.name) for r in ref).values() if c == 1)
        doc.append({"name": m.name, "kind": KINDS[m.kind], "first": m.first, "n": m.n, "edges": [float(e) for e in m.edges], "words": m.words,
                    **{s: m.special.get(s, -1) for s in SPECIAL}, "sums": m.sums, "least": m.least, "most": m.most,
                    "centre": m.mean[0] if m.mean else 0., "scale": m.mean[1] if m.mean else 1., "base": base.tolist()})
    rows_before, phases = np.cumsum([0] + [len(x) for _, x in sw]), meta.get("phases", [])
    info = [{"first": int(rows_before[i]), "end": int(rows_before[i + 1]),
             "phases": [p["phase"] for p in phases if p["first_row"] < rows_before[i + 1] and p["end_row"] > rows_before[i]]} for i in range(len(sw))]
    with open(to, "wb") as f:
        f.write(msgpack.packb({"window_us": int(width * 1e6), "budget_windows": 8640, "n_cal_b": len(scores) * repeat, "width": first, "measures": doc,
                               "windows": null_w, "others": others_w, "stream": [window(k, x, int(i in (0, len(sw) - 1))) for i, (k, x) in enumerate(sw)]}))
    json.dump(info, open(to + ".info", "w"))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], *[int(x) for x in sys.argv[4:5]], *sys.argv[5:6])
