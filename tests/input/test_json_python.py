# SPDX-License-Identifier: Apache-2.0
"""Our reader against Python's json: the same lines accepted, the same text, bit-equal doubles. Where the two are known to differ
the difference is written down here: lone surrogates (we refuse them), bytes that are not UTF-8 (Python never sees them), and -0,
which Python makes an integer, and so no -0.0."""
import json
import os
import random
import struct
import subprocess

import pytest

TREE, BUILD = os.environ["OODD_TREE"], os.environ["OODD_BUILD"]
PATHS = ["portable", "sse4.1", "avx2"]


def number(x):
    try:
        x = float(x)
    except OverflowError:
        x = float("-inf") if x < 0 else float("inf")
    return "dnan " if x != x else "d%016x " % struct.unpack("<Q", struct.pack("<d", x))


def walk(x, out):
    if isinstance(x, dict):
        out.append("{ ")
        for key, value in x["pairs"]:
            out.append("s" + key.encode().hex() + " ")
            walk(value, out)
        out.append("} ")
    elif isinstance(x, list):
        out.append("[ ")
        for value in x:
            walk(value, out)
        out.append("] ")
    elif isinstance(x, str):
        out.append("s" + x.encode().hex() + " ")
    elif x is None or isinstance(x, bool):
        out.append({None: "null ", True: "true ", False: "false "}[x])
    else:
        out.append(number(x))


def nesting(line):
    """Levels opened, strings left out: only for lines that are valid."""
    depth = most = 0
    inside = escaped = False
    for c in line:
        if inside:
            escaped, inside = (False, True) if escaped else (c == "\\", c != '"')
        elif c == '"':
            inside = True
        elif c in "[{":
            depth += 1
            most = max(most, depth)
        elif c in "]}":
            depth -= 1
    return most


def expected(line):
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return "not fine"
    # int() of very long digits is refused by Python itself; as a float it is the same number.
    try:
        x = json.loads(text, object_pairs_hook=lambda pairs: {"pairs": pairs}, parse_int=lambda t: float(t) if len(t) > 300 or t == "-0" else int(t))
    except (ValueError, RecursionError):
        return "not fine"
    out = []
    try:
        walk(x, out)
    except UnicodeEncodeError:
        return "not fine"  # a lone surrogate
    return "fine " + "".join(out) if nesting(text) <= 1024 else "deep"


def compare(lines, path):
    lines = [l for l in lines if b"\n" not in l and not l.startswith(b"\xef\xbb\xbf")]
    run = subprocess.run([BUILD + "/tests/input/json_lines", path], input=b"\n".join(lines) + b"\n", stdout=subprocess.PIPE)
    if run.returncode == 77:
        pytest.skip("not on this processor")
    assert run.returncode == 0
    answers = run.stdout.decode().split("\n")[:-1]
    assert len(answers) == len(lines)
    for line, answer in zip(lines, answers):
        want = expected(line)
        assert answer == want or (want == "not fine" and not answer.startswith("fine")), line
    return sum(answer.startswith("fine") for answer in answers)


def random_double(r):
    kind = r.randrange(6)
    if kind == 0:
        return repr(struct.unpack("<d", struct.pack("<Q", r.getrandbits(64)))[0]).replace("nan", "NaN").replace("inf", "Infinity")
    if kind == 1:
        return "%.*f" % (r.randrange(20), r.gauss(0, 10 ** r.randrange(-3, 6)))
    if kind == 2:
        return "%.*g" % (r.randrange(1, 25), r.gauss(0, 1) * 10.0 ** r.randrange(-30, 30))
    if kind == 3:
        return str(r.getrandbits(r.randrange(1, 80)) * r.choice([1, -1]))
    if kind == 4:
        return "%d.%se%d" % (r.randrange(10), "".join(r.choice("0123456789") for _ in range(r.randrange(1, 40))), r.randrange(-340, 320))
    # near a half-way point between two doubles, in long decimals
    m = (1 << 53) + 2 * r.getrandbits(52) + 1
    return str(m * 2 ** r.randrange(0, 60) + r.choice([-1, 0, 0, 1]))


def random_value(r, depth=0):
    kind = r.randrange(9 if depth < 6 else 5)
    if kind == 0:
        return random_double(r)
    if kind == 1:
        return r.choice(["true", "false", "null"])
    if kind in (2, 3):
        return json.dumps("".join(chr(r.choice([r.randrange(32, 127), r.randrange(0x800), r.randrange(0xE000, 0x10FFFF)]))
                                  for _ in range(r.randrange(40))), ensure_ascii=r.random() < 0.5)
    if kind == 4:
        return "[" + ("," if r.random() < 0.5 else ", ").join(random_double(r) for _ in range(r.randrange(50))) + "]"
    blank = " " * r.randrange(2)
    if kind < 7:
        return "[" + blank + ("," + blank).join(random_value(r, depth + 1) for _ in range(r.randrange(5))) + "]"
    return "{" + ",".join(json.dumps("k%d" % r.randrange(9)) + blank + ":" + random_value(r, depth + 1) for _ in range(r.randrange(5))) + blank + "}"


def broken(r, line):
    line = bytearray(line)
    for _ in range(1 if r.random() < 0.7 else 3):
        at = r.randrange(len(line) + 1)
        line[at:at + r.randrange(3)] = r.choice([b"", b"", b",", b"]", b"}", b'"', b"\\", b"\\u12", b"\\ud83d", b"\\ude00", b"0", b"-", b"+", b".", b"e", b"E5",
                                                 b" ", b"\t", b"\r", b"\0", b"\x1f", b"\x7f", b"\xc3\xa9", b"\xff", b"\xed\xa0\x80", b"[", b"{", b":", b"NaN", b"Infinity", b"null", b"1e999"])
    return bytes(line)


@pytest.mark.parametrize("path", PATHS)
def test_valid_lines_are_read_alike(path):
    r = random.Random(1)
    lines = [random_value(r).encode() for _ in range(4000)]
    assert compare(lines, path) == len([l for l in lines if b"\n" not in l])


@pytest.mark.parametrize("path", PATHS)
def test_broken_lines_are_refused_alike(path):
    r = random.Random(2)
    lines = [broken(r, random_value(r).encode()) for _ in range(12000)]
    fine = compare(lines, path)
    assert 500 < fine < 11500


@pytest.mark.parametrize("path", PATHS)
def test_doubles_are_bit_equal(path):
    r = random.Random(3)
    assert compare([("[" + ",".join(random_double(r) for _ in range(100)) + "]").encode() for _ in range(400)], path) == 400


@pytest.mark.parametrize("path", PATHS)
def test_hostile_lines_are_refused_alike(path):
    folder = TREE + "/tests/fuzz/corpus/json/"
    lines = [line for name in sorted(os.listdir(folder)) for line in open(folder + name, "rb").read().split(b"\n")]
    compare([l for l in lines if l.strip(b" \r\t\0") and not l.startswith(b"\0")], path)
