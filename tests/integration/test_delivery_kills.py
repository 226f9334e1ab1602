"""``kill -9`` at any moment, on real processes with real files: nothing acknowledged is lost, nothing happens twice."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from holdfast.storage import maintenance
from tests.support import relay
from tests.support.relay_processes import Pair

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.alone  # two hundred kills at moments of a clock

ROUNDS = 200


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return found


def test_two_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    source = random.Random(20261121)
    pair = Pair(tmp_path)
    pair.start_receiver()
    pair.start_sender()
    killed: Counter[str] = Counter()
    for _ in range(ROUNDS):
        ends = time.monotonic() + source.uniform(0, 0.08)  # a random moment is what is tested
        while time.monotonic() < ends:
            pair.listen()
            time.sleep(0.001)
        victims = source.choice([["sender"], ["receiver"], ["sender", "receiver"]])
        for name in victims:
            pair.kill(name)
            killed[name] += 1
        if "receiver" in victims:
            pair.start_receiver()
        if "sender" in victims:
            pair.start_sender()
    pair.kill("sender")
    pair.start_sender(busy=False)
    deadline = time.monotonic() + 60
    while count(tmp_path / "sender" / "sender.db", "outbox"):
        assert time.monotonic() < deadline, "all arrives in the end"
        time.sleep(0.02)
    pair.end()

    assert count(tmp_path / "sender" / "sender.db", "outbox_dead") == 0
    receiver_file = tmp_path / "receiver" / "receiver.db"
    with closing(sqlite3.connect(receiver_file)) as connection:
        effects = Counter(id for id, _ in relay.effects(connection))
    lost = [id for id in pair.acknowledged if id not in effects]
    doubled = [id for id, times in effects.items() if times > 1]
    print(
        f"kill -9: {ROUNDS} rounds, {killed['sender']} senders and {killed['receiver']} receivers, "
        f"{len(pair.acknowledged)} messages acknowledged, {len(lost)} lost, {len(doubled)} twice"
    )
    assert len(pair.acknowledged) > ROUNDS
    assert lost == []
    assert doubled == []
    assert maintenance.check(receiver_file) == []
