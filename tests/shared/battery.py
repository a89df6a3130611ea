"""Sets of many natures, made from public data: what a model logged of normal records, and of odd ones by kind.

Nothing is fetched. OODD_SETS names a folder that may hold (what is not there is skipped, and said to be):

  mnist-t10k-{images-idx3,labels-idx1}-ubyte.gz      handwritten digits, 10,000                    github fgnt/mnist
  notmnist-t10k-{images-idx3,labels-idx1}-ubyte.gz   letters A to J of many fonts, 10,000          davidflanagan/notMNIST-to-MNIST
  fashion-mnist-sprite.png                           900 pieces of clothing, 30 x 30 tiles         zalandoresearch/fashion-mnist, doc/img
  banking_data/{train,test}.csv                      questions to a bank, 77 intents               PolyAI-LDN/task-specific-datasets
  hwu/<scenario>_<intent>.csv                        commands to a house, 64 intents               xliuhw/NLU-Evaluation-Data, a fold's trainset
  snips/train_<intent>_full.json                     seven intents                                 sonos/nlu-benchmark, 2017-06
  ag_news_test.csv                                   news of four kinds                            mhjabreel/CharCnn_Keras, data/ag_news_csv
  clinc_full.json                                    150 intents and out-of-scope queries          clinc/oos-eval, data
  tables/{phoneme,mammography,winequality-white}.csv                                               jbrownlee/Datasets
  weka/data/segment-{challenge,test}.arff            pixels of seven kinds                         jbrownlee/Datasets, weka-datasets.zip

Always there: scikit-learn's digits, wine, breast cancer, make_classification.
"""
import csv
import functools
import glob
import gzip
import json
import os
import struct
import zlib

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

FOLDER = os.environ.get("OODD_SETS", "")


class Absent(Exception):
    "Data that is not there."


class Made:
    """fit, calibrate, stream: dicts of embedding, logits, probabilities, features (each n x width), prediction follows from them.
    kind: of each record of the stream, "id" of the normal ones. trained: fit is what the model learned from, not its traffic."""

    def __init__(self, fit, calibrate, normal, odd, model, trained=False):
        kinds = ["id"] * len(normal) + [k for k, v in odd.items() for _ in v]
        rows = np.vstack([normal, *odd.values()])
        self.fit, self.calibrate, self.stream = model(fit), model(calibrate), model(rows)
        self.kind, self.trained = np.array(kinds), trained

    def only(self, *fields):
        "The same with less logged; predictions always are."
        for part in ("fit", "calibrate", "stream"):
            now = getattr(self, part)
            e = np.exp(now["logits"] - now["logits"].max(1, keepdims=True))
            now["probabilities"] = np.maximum(e / e.sum(1, keepdims=True), 1e-7)
            now["confidence"], now["prediction"] = now["probabilities"].max(1), now["probabilities"].argmax(1)
            setattr(self, part, {k: now[k] for k in (*fields, "prediction")})
        return self


def path(name):
    there = os.path.join(FOLDER, name)
    if not FOLDER or not os.path.exists(there):
        raise Absent(f"{name} is not in OODD_SETS")
    return there


# Models: rows -> what is logged.

def network(x, y, hidden, activation="relu", **options):
    "What its last hidden layer and its last layer put out."
    m = MLPClassifier(hidden, activation, random_state=0, **options).fit(x, y)
    f = {"relu": lambda v: np.maximum(v, 0), "tanh": np.tanh}[activation]

    def run(v):
        for w, b in zip(m.coefs_[:-1], m.intercepts_[:-1]):
            v = f(v @ w + b)
        z = v @ m.coefs_[-1] + m.intercepts_[-1]
        return {"embedding": v, "logits": np.hstack([-z / 2, z / 2]) if z.shape[1] == 1 else z}
    return run


def linear(x, y, **options):
    m = LogisticRegression(**options).fit(x, y)

    def run(v):
        z = m.decision_function(v)
        return {"embedding": v, "logits": z if z.ndim > 1 else np.column_stack([-z / 2, z / 2])}
    return run


def table(m, x, y):
    m.fit(x, y)
    return lambda v: {"features": v, "probabilities": m.predict_proba(v)}


# Images.

def idx(name):
    with gzip.open(path(name)) as f:
        data = f.read()
    n = data[3]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * n).reshape(struct.unpack(f">{n}I", data[4:4 + 4 * n]))


def images(name):
    return idx(f"{name}-t10k-images-idx3-ubyte.gz").reshape(-1, 784) / 255, idx(f"{name}-t10k-labels-idx1-ubyte.gz").astype(int)


def unfilter(raw, n_bytes, width):
    "Rows of a PNG of one byte a pixel."
    rows, before = [], np.zeros(width, np.int64)
    for at in range(0, n_bytes, width + 1):
        how, line = raw[at], np.frombuffer(raw, np.uint8, width, at + 1).astype(np.int64)
        if how == 1:
            line = np.cumsum(line) % 256
        elif how == 2:
            line = (line + before) % 256
        elif how > 2:
            left = corner = 0
            out = np.zeros(width, np.int64)
            for i in range(width):
                up = int(before[i])
                if how == 3:
                    guess = (left + up) // 2
                else:
                    far = [abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)]
                    guess = (left, up, corner)[far.index(min(far))]
                left, corner = (int(line[i]) + guess) % 256, up
                out[i] = left
            line = out
        before = line
        rows.append(line)
    return np.array(rows)


@functools.lru_cache(None)
def clothes():
    with open(path("fashion-mnist-sprite.png"), "rb") as f:
        data = f.read()
    at, packed = 8, b""
    while at < len(data):
        n, = struct.unpack(">I", data[at:at + 4])
        if data[at + 4:at + 8] == b"IHDR":
            width, height, *rest = struct.unpack(">IIBBBBB", data[at + 8:at + 21])
        if data[at + 4:at + 8] == b"IDAT":
            packed += data[at + 8:at + 8 + n]
        at += 12 + n
    raw = zlib.decompress(packed)
    each = (len(raw) // height - 1) // width
    rows = unfilter(raw, len(raw), width) if each == 1 else unfilter_many(raw, width, height, each)
    tiles = rows.reshape(height // 28, 28, width // 28, 28).transpose(0, 2, 1, 3).reshape(-1, 784) / 255
    return tiles if tiles[:, 0].mean() < .5 else 1 - tiles


def unfilter_many(raw, width, height, each):
    "More bytes a pixel: undone channel by channel, by the bytes `each` to the left; only the first channel is kept."
    size, rows, before = width * each, [], np.zeros(width * each, np.int64)
    for y in range(height):
        at = y * (size + 1)
        how, line = raw[at], np.frombuffer(raw, np.uint8, size, at + 1).astype(np.int64)
        out = np.zeros(size, np.int64)
        for i in range(size):
            left, up = (int(out[i - each]), int(before[i - each])) if i >= each else (0, 0), int(before[i])
            left, corner = left
            far = [abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)]
            out[i] = (line[i] + (0, left, up, (left + up) // 2, (left, up, corner)[far.index(min(far))])[how]) % 256
        before = out
        rows.append(out[::each])
    return np.array(rows)


def turned(x):
    return np.rot90(x.reshape(-1, 28, 28), axes=(1, 2)).reshape(-1, 784)


def blurred(x):
    v = x.reshape(-1, 28, 28)
    for axis in (1, 2):
        v = sum(np.roll(v, k, axis) for k in range(-2, 3)) / 5
    return v.reshape(-1, 784)


def damage(rng, x, n=500):
    "Kinds of damage to the same images."
    return {"inverted": 1 - x[:n], "turned": turned(x[n:2 * n]), "blurred": blurred(x[2 * n:3 * n]),
            "pale": x[:n] * .3, "noisy": np.clip(x[n:2 * n] + rng.normal(0, .4, (n, x.shape[1])), 0, 1),
            "shuffled": x[2 * n:3 * n][:, rng.permutation(x.shape[1])], "noise": rng.random((n, x.shape[1])),
            "gaussian": rng.normal(x.mean(), x.std(), (n, x.shape[1])), "black": np.abs(rng.normal(0, .02, (n // 5, x.shape[1])))}


@functools.lru_cache(None)
def picture_model(name, trained=False, activation="relu"):
    x, y = images(name)
    order = np.random.default_rng(3).permutation(len(x))
    x, y = x[order], y[order]
    model = network(x[:4000], y[:4000], (256, 64), activation, max_iter=15)
    fit = x[:4000] if trained else x[4000:5900]
    return model, fit, x[5900:7800] if not trained else x[4000:7000], x[7800:]


def pictures(name, others, trained=False, activation="relu"):
    model, fit, calibrate, test = picture_model(name, trained, activation)
    rng = np.random.default_rng(4)
    odd = {k: v()[:900] for k, v in others.items()} | damage(rng, test)
    return Made(fit, calibrate, test, odd, model, trained)


def pictures_near(name, held):
    x, y = images(name)
    order = np.random.default_rng(5).permutation(len(x))
    x, y = x[order], y[order]
    known = ~np.isin(y, held)
    inside, outside = x[known], x[~known]
    model = network(inside[:3000], y[known][:3000], (256, 64), max_iter=15)
    return Made(inside[3000:4600], inside[4600:6000], inside[6000:], {"new classes": outside[:1000]}, model)


OTHERS = {"digits": lambda: images("mnist")[0], "letters": lambda: images("notmnist")[0], "clothes": clothes}


# Texts.

@functools.lru_cache(None)
def banking():
    rows = [r for part in ("train", "test") for r in list(csv.reader(open(path(f"banking_data/{part}.csv"))))[1:]]
    return [r[0] for r in rows], np.array([r[1] for r in rows])


@functools.lru_cache(None)
def house():
    text, label = [], []
    for name in sorted(glob.glob(os.path.join(path("hwu"), "*.csv"))):
        for r in list(csv.reader(open(name, encoding="utf-8", errors="replace"), delimiter=";"))[1:]:
            text.append(r[-1].strip())
            label.append(os.path.basename(name)[:-4])
    return text, np.array(label)


@functools.lru_cache(None)
def snips():
    text, label = [], []
    for name in sorted(glob.glob(os.path.join(path("snips"), "train_*_full.json"))):
        for intent, said in json.load(open(name, encoding="utf-8", errors="replace")).items():
            text += ["".join(d["text"] for d in s["data"]).strip() for s in said]
            label += [intent] * len(said)
    return text, np.array(label)


@functools.lru_cache(None)
def news():
    rows = list(csv.reader(open(path("ag_news_test.csv"))))
    return [r[1] + ". " + r[2] for r in rows], np.array([r[0] for r in rows])


def out_of_scope():
    d = json.load(open(path("clinc_full.json")))
    return [t for k in ("oos_train", "oos_val", "oos_test") for t, _ in d[k]]


def gibberish(rng, texts, n=500):
    letters = list("abcdefghijklmnopqrstuvwxyz ")
    return {"letters": ["".join(rng.choice(letters, 40)) for _ in range(n)],
            "words shuffled together": [" ".join(rng.choice(texts[rng.integers(len(texts))].split() or ["a"]) for _ in range(8)) for _ in range(n)]}


def texts(corpus, model, held=(), others=(), trained=False, scale=10, width=128, train=.5):
    "held: classes that are odd; others: {kind: texts}"
    text, label = corpus()
    rng = np.random.default_rng(6)
    order = rng.permutation(len(text))
    text, label = [text[i] for i in order], label[order]
    known = ~np.isin(label, held)
    inside, outside = [t for t, k in zip(text, known) if k], [t for t, k in zip(text, known) if not k]
    y, n = label[known], len(inside)
    cut = [int(n * train), int(n * (train + (1 - train) * .35)), int(n * (train + (1 - train) * .7))]
    count = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2).fit(inside[:cut[0]])
    narrow = TruncatedSVD(width, random_state=0).fit(count.transform(inside[:cut[0]]))
    vector = lambda t: scale * narrow.transform(count.transform(t))
    x = vector(inside)
    run = model(x[:cut[0]], y[:cut[0]])
    odd = {"new classes": outside[:1200]} if held else {}
    odd |= {k: v()[:1000] for k, v in dict(others).items()} | gibberish(rng, inside)
    odd = {k: vector(v) for k, v in odd.items()}
    fit = x[:cut[0]] if trained else x[cut[0]:cut[1]]
    calibrate = x[cut[0]:cut[2]] if trained else x[cut[1]:cut[2]]
    return Made(fit, calibrate, x[cut[2]:], odd, run, trained)


def held_of(corpus, every):
    return sorted(set(corpus()[1]))[::every]


def hidden(*size, activation="relu", **options):
    return lambda x, y: network(x, y, size, activation, max_iter=30, **options)


def plain(**options):
    return lambda x, y: linear(x, y, max_iter=100, **options)


def of_length_one(x, y):
    unit = lambda v: v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9)
    run = linear(unit(x), y, C=10, max_iter=100)
    return lambda v: run(unit(v))


# Tables.

def numbers(name):
    rows = [r for r in csv.reader(open(path(name))) if r]
    return np.array([[float(v) for v in r[:-1]] for r in rows]), np.array([r[-1].strip("'") for r in rows])


def segment():
    x, y = [], []
    for part in ("challenge", "test"):
        for line in open(path(f"weka/data/segment-{part}.arff")):
            v = line.split(",")
            if len(v) == 20:
                x.append([float(a) for a in v[:-1]])
                y.append(v[-1].strip())
    return np.array(x), np.array(y)


def wine_white():
    rows = np.array([[float(v) for v in r] for r in csv.reader(open(path("tables/winequality-white.csv"))) if r])
    return rows[:, :-1], np.where(rows[:, -1] >= 6, "good", "poor")


def made_up():
    return make_classification(6000, 24, n_informative=10, n_redundant=6, n_classes=5, class_sep=1.5, random_state=0)


def faults(rng, x, n=400):
    sd, mean = x.std(0), x.mean(0)
    k = int(rng.integers(x.shape[1]))
    column = np.arange(x.shape[1])
    return {"one feature x10": np.where(column == k, x[:n] * 10, x[:n]), "columns permuted": np.column_stack([rng.permutation(c) for c in x[:n].T]),
            "gaussian": rng.normal(mean, sd, (n, x.shape[1])), "far gaussian": rng.normal(mean, 4 * sd, (n, x.shape[1])),
            "noisy": x[:n] + rng.normal(0, .7 * sd, (n, x.shape[1])), "one feature missing (0)": np.where(column == k, 0, x[:n])}


def rows_of(data, model, held=(), spread=0):
    "spread: of the noise that a small set is drawn again with."
    x, y = data()
    rng = np.random.default_rng(7)
    order = rng.permutation(len(x))
    x, y = x[order], y[order]
    known = ~np.isin(y, held)
    outside, x, y = x[~known], x[known], y[known]
    cut = [len(x) // 3, int(len(x) * .57), int(len(x) * .8)]
    fit, calibrate, test = x[cut[0]:cut[1]], x[cut[1]:cut[2]], x[cut[2]:]
    if spread:
        again = lambda v, n: v[rng.integers(0, len(v), n)] + rng.normal(size=(n, v.shape[1])) * x.std(0) * spread
        rest = x[cut[0]:]
        fit, calibrate, test = again(rest, 1500), again(rest, 1500), again(rest, 1500)
        outside = again(outside, 500) if held else outside
    run = model(x[:cut[0]], y[:cut[0]])
    odd = {"new class": outside[:800]} if held else {}
    return Made(fit, calibrate, test, odd | faults(rng, test, min(400, len(test))), run)


def forest(x, y):
    return table(RandomForestClassifier(100, random_state=0), x, y)


def boosted(x, y):
    return table(HistGradientBoostingClassifier(max_iter=60, random_state=0), x, y)


def scaled_network(x, y):
    "On standardised columns; logs its hidden layer."
    mean, sd = x.mean(0), x.std(0) + 1e-9
    run = network((x - mean) / sd, y, (64, 32), max_iter=80)
    return lambda v: run((v - mean) / sd)


def scikit(load):
    def data():
        d = load()
        return d.data, d.target
    return data


SETS = {
    "mnist": lambda: pictures("mnist", {k: OTHERS[k] for k in ("letters", "clothes")}),
    "mnist-trained": lambda: pictures("mnist", {k: OTHERS[k] for k in ("letters", "clothes")}, trained=True),
    "mnist-tanh": lambda: pictures("mnist", {k: OTHERS[k] for k in ("letters", "clothes")}, activation="tanh"),
    "mnist-new": lambda: pictures_near("mnist", (4, 7, 8)),
    "letters": lambda: pictures("notmnist", {k: OTHERS[k] for k in ("digits", "clothes")}),
    "letters-new": lambda: pictures_near("notmnist", (1, 5, 9)),
    "banking": lambda: texts(banking, plain(C=1), held_of(banking, 4), {"clinc oos": out_of_scope, "news": lambda: news()[0]}, trained=True),
    "banking-hidden": lambda: texts(banking, hidden(96), held_of(banking, 4), {"clinc oos": out_of_scope, "news": lambda: news()[0]}),
    "house": lambda: texts(house, hidden(128), held_of(house, 5), {"banking": lambda: banking()[0]}),
    "house-unit": lambda: texts(house, of_length_one, held_of(house, 5), {"banking": lambda: banking()[0]}, trained=True),
    "snips": lambda: texts(snips, plain(C=1), held_of(snips, 4), {"house": lambda: house()[0][::9], "banking": lambda: banking()[0]}, width=96, train=.4),
    "snips-hidden": lambda: texts(snips, hidden(64), held_of(snips, 4), {"house": lambda: house()[0][::9]}, width=96, train=.4),
    "news": lambda: texts(news, plain(C=.5), ["2"], {"banking": lambda: banking()[0]}, width=200),
    "news-two": lambda: texts(news, hidden(64, 32), ["1", "2"], {"banking": lambda: banking()[0]}),
    "digits-forest": lambda: rows_of(scikit(load_digits), forest, (3, 8), .15),
    "wine": lambda: rows_of(scikit(load_wine), forest, (1,), .15),
    "cancer": lambda: rows_of(scikit(load_breast_cancer), boosted, (), .15),
    "phoneme": lambda: rows_of(lambda: numbers("tables/phoneme.csv"), boosted),
    "mammography": lambda: rows_of(lambda: numbers("tables/mammography.csv"), boosted),
    "white-wine": lambda: rows_of(wine_white, boosted),
    "segment": lambda: rows_of(segment, boosted, ("window", "cement"), .03),
    "segment-hidden": lambda: rows_of(segment, scaled_network, ("window", "cement"), .03),
    "classification": lambda: rows_of(made_up, boosted, (4,)),
    "classification-hidden": lambda: rows_of(made_up, scaled_network, (4,)),
    "mnist, probabilities and embedding": lambda: SETS["mnist"]().only("probabilities", "embedding"),
    "mnist, embedding and confidence": lambda: SETS["mnist"]().only("embedding", "confidence"),
    "mnist, embedding alone": lambda: SETS["mnist"]().only("embedding"),
    "banking, logits alone": lambda: SETS["banking"]().only("logits"),
    "banking, probabilities alone": lambda: SETS["banking"]().only("probabilities"),
    "banking, confidence alone": lambda: SETS["banking"]().only("confidence"),
}
