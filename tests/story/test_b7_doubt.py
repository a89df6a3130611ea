"""A reference that was learned while something was wrong: it is said, when it is made and when it takes over; and the way back to an
older one."""
import json
import random
import signal
from datetime import datetime, timedelta, timezone

import pytest

from oodd import Home, wait_for

FIRST = datetime(2026, 3, 1, tzinfo=timezone.utc)


def week(fault=lambda i: False, season=0, seed=1):
    "A loan request a minute, for seven days; by day people are `season` years older."
    dice, out = random.Random(seed), []
    for i in range(7 * 24 * 60):
        ts = FIRST + timedelta(minutes=i)
        age = dice.gauss(40 + (season if 8 <= ts.hour < 18 else 0), 10)
        out.append(json.dumps({"ts": ts.isoformat(timespec="milliseconds"), "id": f"{seed}-{i}", "model": "credit", "version": "1",
                               "features": {"age": round(age * 12 if fault(i) else age, 1), "job": dice.choices(["clerk", "cook", "smith"], [6, 3, 1])[0]},
                               "prediction": "yes" if dice.random() < .7 else "no"}) + "\n")
    return out


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    h = Home(tmp_path_factory.mktemp("doubt"), extra='commit = "100ms"', model_extra=', learn = { records = 9000, span = "6d" }')
    h.config.write_text(h.config.read_text().replace("clinc-intent", "credit").replace("clinc-*", "*").replace('window = "5m"', 'window = "1h"'))
    return h


def fitted(home, lines):
    (home.path / "week.jsonl").write_text("".join(lines))
    return json.loads(home.run("fit", "--json", "--model", "credit", "--output", home.path / "made.ref", home.path / "week.jsonl").stdout)["notes"]


@pytest.mark.parametrize("name,lines,block", [
    ("clean", week(), None),
    ("season", week(season=10), None), # comes back every day: no block
    ("day", week(lambda i: 4320 <= i < 5760), ("2026-03-04T00", "2026-03-05T0")),
    ("evening", week(lambda i: 4320 <= i < 4500), ("2026-03-04T00", "2026-03-04T0"))])
def test_a_block_unlike_the_rest_is_told(home, name, lines, block):
    told = [note for note in fitted(home, lines) if note.startswith("the reference ")]
    assert len(told) == (block is not None), told
    if block:
        assert told[0].startswith(f"the reference is unlike the rest of itself from {block[0]}") and f" to {block[1]}" in told[0]
        assert ": age" in told[0] and told[0].endswith("learn again without it")


def test_drift_is_told(home):
    grown = [line.replace('"job": "cook"', '"job": "smith"') if random.Random(i).random() < i / 10080 else line for i, line in enumerate(week())]
    told = [note for note in fitted(home, grown) if note.startswith("the reference ")]
    assert len(told) == 1 and told[0].startswith("the reference drifts from 2026-03-01T") and ": job, " in told[0]


def test_it_is_told_when_it_takes_over(home):
    (home.path / "week.jsonl").write_text("".join(week(lambda i: 4320 <= i < 5760)))
    active = [e for e in home.events(home.path / "week.jsonl") if e["event"] == "learning" and e["state"] == "active"]
    assert len(active) == 1 and "unlike the rest of itself" in active[0]["why"]


def test_the_way_back_to_an_older_reference(home):
    "Kept beside the new one under its time: copied over it, and taken over on SIGHUP."
    log = home.path / "agent.log"
    said = lambda: log.read_text() if log.exists() else ""
    for lines in (week(), week(lambda i: 4320 <= i < 5760)):
        (home.path / "week.jsonl").write_text("".join(lines))
        home.run("relearn", "credit", home.path / "week.jsonl")
    place = home.path / "intent.ref"
    kept = list(home.path.glob("intent.ref.2*"))
    assert len(kept) == 1
    agent = home.start()
    try:
        wait_for(lambda: "agent: running" in said())
        place.write_bytes(kept[0].read_bytes())
        agent.send_signal(signal.SIGHUP)
        wait_for(lambda: "agent: reloaded" in said())
        live = week(lambda i: i >= 600, seed=2)[:1500]
        home.log.write_text("".join(live).replace("2026-03-0", "2026-04-0"))
        wait_for(lambda: "the stream moved" in said(), 20)  # to the reference of the faulty week this is normal
    finally:
        agent.terminate()
        assert agent.wait(20) == 0


if __name__ == "__main__":
    pytest.main([__file__])
