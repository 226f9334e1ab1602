"""What a client keeps in its outbox is handled once, whoever dies and whenever."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from holdfast.delivery import Outbox
from holdfast.session import CLIENT_MIGRATIONS, SessionClient
from holdfast.session._keeping import Keeping
from holdfast.storage import Database
from holdfast.testing import (
    BlackHole,
    Cut,
    Kill,
    NothingLost,
    PowerOff,
    Reset,
    Simulation,
    SlowDisk,
    search,
    simulate,
)
from tests.support.simulated import URL, serve_room

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.testing import Host


class Writer:
    """A program that says numbered things, online or not, and goes on with them after its own death."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.lost = NothingLost()
        self.server = world.host("server")
        self.phone = world.host("phone", "cafe")
        self.said = 0
        self.sending: list[asyncio.Task[object]] = []
        self.server.spawn(serve_room, self.server)

    async def live(self, host: Host, count: int) -> None:
        async with (
            Database(host.folder / "client.db", CLIENT_MIGRATIONS) as database,
            Outbox(database, None, world=host) as outbox,
            SessionClient(URL, {}, world=host, feed=outbox.feed("room")) as client,
        ):
            while self.said < count:
                self.said += 1
                number = self.said
                if number % 5 == 0:
                    sending = client.send({"say": f"{number}"})
                    self.sending.append(asyncio.get_running_loop().create_task(sending))
                else:
                    await client.post({"say": f"{number}"})
                    self.lost.acknowledged(f"{number}")
                await asyncio.sleep(host.random.choice([0.0, 0.0, 0.3]))
            await asyncio.Event().wait()

    def stored(self) -> list[tuple[str, str]]:
        with closing(sqlite3.connect(self.server.folder / "holdfast.db")) as connection:
            return connection.execute("SELECT text, session FROM said ORDER BY n").fetchall()

    def left(self) -> int:
        with closing(sqlite3.connect(self.phone.folder / "client.db")) as connection:
            found: int = connection.execute("SELECT count(*) FROM outbox").fetchone()[0]
        return found


async def storm(world: Simulation) -> None:
    """The program and its server are killed, lose power and each other, while messages are under way."""
    writer = Writer(world)
    writer.phone.spawn(writer.live, writer.phone, 60)
    hosts, links = ["server", "phone"], [("server", "phone")]
    world.inject({Kill: 4, PowerOff: 3}, within=12, hosts=hosts, lasts=(0.05, 3))
    world.inject({SlowDisk: 3}, within=12, hosts=["phone"], lasts=(0.5, 4))
    world.inject({Cut: 3, Reset: 3, BlackHole: 1}, within=12, links=links, lasts=(0.1, 4))
    await world.until(lambda: writer.said >= 60, within=120, what="all is said")
    await world.calm()
    await world.until(lambda: writer.left() == 0, within=120, what="all arrives in the end")
    stored = writer.stored()
    texts = [text for text, _ in stored]
    writer.lost.check(texts)
    assert len(texts) == len(set(texts)), "a message had its effect twice"
    posted = [int(text) for text in texts if int(text) % 5]
    assert posted == sorted(posted), "a message overtook another"
    assert len({session for _, session in stored}) == 1, "the session outlives the process"


@simulate(
    seeds=200,
    minutes=5,
    kept={
        616616081888: "a batch was begun while the session was stored without it, and then forgotten"
    },
)
async def test_what_a_client_keeps_is_handled_once_and_in_order(world: Simulation) -> None:
    await storm(world)


def sent_before_its_place_is_stored(patch: pytest.MonkeyPatch) -> None:
    """A message is given its number, but the number is not written down."""
    patch.setattr("holdfast.session._keeping.PLACE", "SELECT ?, ?, ?, ?")


def confirmed_before_the_token_is_stored(patch: pytest.MonkeyPatch) -> None:
    """The client says that it has the new token before it has stored it."""
    save = Keeping.save

    def early(self: Keeping, *args: object, **more: object) -> asyncio.Future[None]:
        save(self, *args, **more)  # type: ignore[arg-type]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    patch.setattr(Keeping, "save", early)


def forgotten_before_it_is_noted(patch: pytest.MonkeyPatch) -> None:
    """The place of a message is forgotten while the outbox still has it."""
    patch.setattr(
        "holdfast.session._keeping.FORGET_PLACES", "DELETE FROM client_place WHERE name = ?"
    )


@pytest.mark.parametrize(
    "bug",
    [
        sent_before_its_place_is_stored,
        forgotten_before_it_is_noted,
        confirmed_before_the_token_is_stored,
    ],
)
def test_a_planted_bug_is_found(
    bug: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    simulation_note: Callable[[str], None],
) -> None:
    bug(monkeypatch)
    finding = search(storm, range(400), shrinking=0)
    assert finding.failure is not None, f"{bug.__doc__} was not found in 400 seeds"
    simulation_note(f"planted: {bug.__name__} was found after {finding.runs} seeds")
