"""Jobs of a node that wait share a transaction and its state; what fails costs the others nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from holdfast import limits
from holdfast.errors import NodeError, StorageBusyError, StorageError
from holdfast.node._jobs import Jobs
from holdfast.storage import Database, Durability

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TABLES = {"test": ("CREATE TABLE said (number INTEGER PRIMARY KEY, word TEXT NOT NULL)",)}


class Desk:
    """Notes what its jobs worked with, and what followed."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.begun = 0
        self.followed: list[list[str]] = []
        self.jobs: Jobs[list[str]] = Jobs(
            database, now_ms=lambda: 7, begin=self.begin, end=self.end, settle=self.followed.append
        )

    def begin(self, connection: sqlite3.Connection, now_ms: int) -> Any:
        self.begun += 1
        return SimpleNamespace(connection=connection, now_ms=now_ms, words=[])

    @staticmethod
    def end(work: Any) -> list[str]:
        for word in work.words:
            work.connection.execute("INSERT INTO said (word) VALUES (?)", (word,))
        words: list[str] = work.words
        return words

    async def say(self, word: str) -> int:
        def job(work: Any) -> int:
            if word == "bad":
                raise NodeError("This cannot be said.")
            work.words.append(word)
            return len(work.words)

        return await self.jobs.do(job)

    async def said(self) -> list[object]:
        rows = await self.database.fetch_all("SELECT word FROM said ORDER BY number")
        return [row[0] for row in rows]


@asynccontextmanager
async def a_desk(folder: Path) -> AsyncIterator[Desk]:
    path = folder / "node.db"
    async with Database(path, TABLES, durability=Durability.PROCESS_DEATH) as database:
        yield Desk(database)


async def test_what_waits_for_the_disk_shares_one_state(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        words = [f"{number}" for number in range(20)]
        numbers = await asyncio.gather(*(desk.say(word) for word in words))
        assert await desk.said() == words
        assert numbers == [1, *range(1, 20)], "the first began alone, the others went together"
        assert desk.followed == [words[:1], words[1:]]


async def test_one_that_fails_hears_of_it_and_the_others_are_done_in_order(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        asked = [desk.say(word) for word in ("one", "two", "bad", "three")]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(found[2], NodeError)
        assert await desk.said() == ["one", "two", "three"]
        assert [word for words in desk.followed for word in words] == ["one", "two", "three"]


async def test_what_follows_has_happened_when_it_is_done(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        await desk.say("one")
        assert desk.followed == [["one"]]


async def test_who_goes_away_leaves_a_job_that_is_done_and_followed(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        first, second = asyncio.create_task(desk.say("one")), asyncio.create_task(desk.say("two"))
        await asyncio.sleep(0)
        second.cancel()
        await first
        await desk.say("three")
        assert await desk.said() == ["one", "two", "three"]
        assert [word for words in desk.followed for word in words] == ["one", "two", "three"]


async def test_after_the_end_nothing_follows_from_what_is_still_committed(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:
        saying = asyncio.create_task(desk.say("one"))
        await asyncio.sleep(0)
        desk.jobs.close()
        assert await saying == 1
        assert await desk.said() == ["one"]
        assert not desk.followed


async def test_what_follows_and_fails_is_told_to_whoever_asked(tmp_path: Path) -> None:
    async with a_desk(tmp_path) as desk:

        def fails(_: list[str]) -> None:
            raise ZeroDivisionError

        desk.jobs = Jobs(
            desk.database, now_ms=lambda: 7, begin=desk.begin, end=desk.end, settle=fails
        )
        with pytest.raises(ZeroDivisionError):
            await desk.say("one")


async def test_too_many_are_refused_and_a_closed_database_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_desk(tmp_path) as desk:
        monkeypatch.setattr(limits, "WRITE_QUEUE_MAX", 3)
        asked = [desk.say(f"{number}") for number in range(10)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        refused = [each for each in found if isinstance(each, StorageBusyError)]
        assert refused
        assert len(await desk.said()) == 10 - len(refused)
    with pytest.raises(StorageError):
        await desk.say("late")
