"""What survives: the same hub on a real SQLite file, restarted and failing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from holdfast.errors import StorageError
from holdfast.session import Hub, HubSettings, PresenceState
from holdfast.session.store import MIGRATIONS
from holdfast.storage import Database
from tests.support.links import Clock, ScriptedWorld, TestClient
from tests.support.room import Room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def a_durable_hub(folder: Path, seed: int = 1) -> AsyncIterator[tuple[Hub, Room]]:
    room = Room()
    migrations = {"session": MIGRATIONS, room.name: room.migrations}
    async with Database(folder / "test.db", migrations) as database:
        hub = Hub(
            room,
            database=database,
            world=ScriptedWorld(seed),
            clock=Clock(),
            settings=HubSettings(
                frame_rate=10_000, frame_burst=10_000, message_rate=10_000, message_burst=10_000
            ),
        )
        await hub.start()
        yield hub, room
        await hub.stop()


async def settled(hub: Hub) -> None:
    await hub.database.write(lambda _: None)
    await asyncio.sleep(0)


class DurableClient(TestClient):
    async def opened(self) -> dict[str, object]:
        self.say({"t": "hello", "v": 1, "stream": self.stream})
        return await self.answer()

    async def resumed(self, **more: object) -> dict[str, object]:
        frame = {"t": "resume", "v": 1, "stream": self.stream, "session": self.session}
        self.say(frame | {"token": self.token} | more)
        return await self.answer()

    async def answer(self) -> dict[str, object]:
        await settled(self.hub)
        (answer,) = self.take()
        self.remember(answer)
        return answer


async def test_nothing_is_said_before_it_is_committed(tmp_path: Path) -> None:
    async with a_durable_hub(tmp_path) as (hub, room):
        ada = DurableClient(hub)
        await ada.opened()

        ada.send({"say": "hi"})
        assert room.said == ["hi"]
        assert ada.take() == []

        ada.send({"say": "hi"}, seq=1)
        assert ada.take() == [], "a repetition is not acknowledged before the commit either"
        await settled(hub)
        assert [frame["t"] for frame in ada.take()] == ["event", "event", "ack"]


async def test_sessions_logs_and_numbers_are_there_after_a_restart(tmp_path: Path) -> None:
    async with a_durable_hub(tmp_path) as (hub, _):
        ada = DurableClient(hub)
        welcome = await ada.opened()
        ada.send({"say": "one"})
        await settled(hub)
        epoch = welcome["channels"]["room"]["epoch"]  # type: ignore[index]

    async with a_durable_hub(tmp_path, seed=2) as (hub, room):
        assert hub.sessions[ada.session].presence is PresenceState.TEMPORARILY_DISCONNECTED
        ada.hub = hub
        ada.connect()
        restored = await ada.resumed(channels={"room": [epoch, 0]})
        assert restored["acked"] == {"stream-a": 1}
        assert restored["channels"]["room"]["events"] == [[1, {"say": "one"}]]  # type: ignore[index]
        ada.send({"say": "one"}, seq=1)
        ada.send({"say": "two"}, seq=2)
        await settled(hub)
        assert room.said == ["one", "two"]


async def test_the_answer_to_a_message_whose_ack_was_lost_is_in_the_log(tmp_path: Path) -> None:
    async with a_durable_hub(tmp_path) as (hub, _):
        ada = DurableClient(hub)
        welcome = await ada.opened()
        ada.send({"say": "one"})
        ada.cut()
        await settled(hub)
        ada.connect()
        own_epoch = welcome["channels"]["@me"]["epoch"]  # type: ignore[index]

        restored = await ada.resumed(channels={"@me": [own_epoch, 0]})

        (event,) = restored["channels"]["@me"]["events"]  # type: ignore[index]
        assert event == [1, {"re": {"stream": "stream-a", "seq": 1}, "ok": {"n": 1}}]


async def test_a_stream_that_a_return_names_is_not_forgotten_for_the_new_one(
    tmp_path: Path,
) -> None:
    async with a_durable_hub(tmp_path) as (hub, _):
        ada = DurableClient(hub)
        await ada.opened()
        for stream in ("stream-a", *(f"stream-{n}" for n in range(10, 25))):
            ada.stream = stream
            ada.send({"say": stream}, seq=1)
        ada.cut()
        await settled(hub)
        ada.connect()

        restored = await ada.resumed(stream="stream-b", pending=["stream-a"])
        assert restored["acked"] == {"stream-b": 0, "stream-a": 1}

        kept = await hub.database.read(
            lambda c: {name for (name,) in c.execute("SELECT stream FROM session_stream")}
        )
        assert "stream-10" not in kept, "the one unused longest made room, in the store too"
        assert len(kept) == 15


async def test_after_a_failed_commit_nothing_of_it_remains_and_clients_come_back(
    tmp_path: Path,
) -> None:
    async with a_durable_hub(tmp_path) as (hub, room):
        ada = DurableClient(hub)
        await ada.opened()
        ada.send({"say": "kept"})
        await settled(hub)
        ada.take()

        ada.send({"break": 1})
        ada.send({"say": "built on it"})
        await settled(hub)

        (bye,) = ada.take()
        assert (bye["name"], bye["again"]) == ("STORAGE_UNAVAILABLE", True)
        while not hub.is_ready:
            await asyncio.sleep(0.01)
        assert room.said == ["kept"]
        ada.connect()
        restored = await ada.resumed()
        assert restored["acked"] == {"stream-a": 1}


async def test_what_was_asked_for_while_a_commit_failed_fails_with_it(tmp_path: Path) -> None:
    async with a_durable_hub(tmp_path) as (hub, room):
        ada = DurableClient(hub)
        await ada.opened()
        ada.send({"say": "kept"})
        await settled(hub)

        ada.send({"break at commit": 1})
        await asyncio.sleep(
            0
        )  # the writer is at it now: the next message waits for the batch after
        ada.send({"say": "built on it"})
        while room.loads == 1 or not hub.is_ready:
            await asyncio.sleep(0.01)

        assert room.said == ["kept"]


async def test_while_the_disk_is_full_nothing_is_accepted_and_then_all_goes_on(
    tmp_path: Path,
) -> None:
    async with a_durable_hub(tmp_path) as (hub, room):
        ada = DurableClient(hub)
        await ada.opened()
        pages = await hub.database.write(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
        await hub.database.write(lambda c: c.execute(f"PRAGMA max_page_count={pages}").fetchone())

        ada.send({"say": "x" * 60_000})
        while room.loads == 1 or not hub.is_ready:
            await asyncio.sleep(0.01)

        assert ada.take()[-1]["name"] == "STORAGE_UNAVAILABLE"
        await hub.database.write(lambda c: c.execute("PRAGMA max_page_count=1000000").fetchone())
        assert room.said == []
        ada.connect()
        assert (await ada.resumed())["t"] == "restored"


async def test_work_is_done_when_perform_returns_and_refused_when_it_cannot_be(
    tmp_path: Path,
) -> None:
    async with a_durable_hub(tmp_path) as (hub, _):
        row = (1, "s", "performed")
        await hub.perform(lambda tx: tx.execute("INSERT INTO said VALUES (?, ?, ?)", row))
        rows = await hub.database.read(lambda c: c.execute("SELECT text FROM said").fetchall())
        assert rows == [("performed",)]

        with pytest.raises(StorageError):
            await hub.perform(lambda tx: tx.execute("INSERT INTO said VALUES (?, ?, ?)", row))
