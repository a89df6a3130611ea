#!/usr/bin/python3
"""Makes the sample of CLINC150 that the demo and the tests read, from the full prediction logs.

usage: make_sample.py FOLDER_OF_THE_FULL_LOGS      (reference_train, reference, stream, labels as *.jsonl.zst)

Lines are taken as they are, none is altered. reference_train: the first 5 of each predicted class (detectors learn from
them). reference: the first 2,400 rows, in time order (calibration). stream: rows 0..599 (clean) and 2,300..3,299: clean,
then the abrupt phase of 40 % out-of-scope queries, then clean. labels: the truth of the stream's rows.
"""
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path


def lines(folder, name):
    return subprocess.run(["zstd", "-dc", f"{folder}/{name}.jsonl.zst"], capture_output=True, check=True).stdout.splitlines(True)


def write(name, rows):
    out = Path(__file__).parent / f"{name}.jsonl.zst"
    subprocess.run(["zstd", "-q", "-f", "-19", "-o", out], input=b"".join(rows), check=True)
    print(f"{out.name}: {len(rows)} rows, {out.stat().st_size} bytes")


def first_of_each_class(rows, most):
    seen = Counter()
    for row in rows:
        name = json.loads(row)["prediction"]
        seen[name] += 1
        if seen[name] <= most:
            yield row


def main(folder):
    stream = lines(folder, "stream")
    stream = stream[:600] + stream[2300:3300]
    ids = {json.loads(row)["id"] for row in stream}
    write("clinc_train", list(first_of_each_class(lines(folder, "reference_train"), 5)))
    write("clinc_reference", lines(folder, "reference")[:2400])
    write("clinc_stream", stream)
    write("clinc_labels", [row for row in lines(folder, "labels") if json.loads(row)["id"] in ids])


if __name__ == "__main__":
    main(sys.argv[1])
