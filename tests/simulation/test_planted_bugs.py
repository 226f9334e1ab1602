"""Bugs planted in our own code: each has to be found within a number of seeds, or a quiet night means nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.apps.quiz.library import Library
from holdfast.apps.quiz.names import clean_name, folded
from holdfast.server.ws import HubProtocol
from holdfast.session import _reception
from holdfast.session import client as session_client
from holdfast.session._commits import Commits
from holdfast.session.channel import Channel
from holdfast.session.client import SessionClient
from holdfast.session.hub import Hub
from holdfast.session.token import TokenState
from holdfast.storage import Database
from holdfast.testing import (
    Cut,
    Freeze,
    Kill,
    OneOwner,
    PowerOff,
    Reset,
    Simulation,
    SlowDisk,
    search,
)
from tests.simulation import scenarios
from tests.support.simulated import Town
from tests.support.simulated_quiz import Show

if TYPE_CHECKING:
    from collections.abc import Callable

Patch = pytest.MonkeyPatch


def acknowledge_before_commit(patch: Patch) -> None:
    """What a transaction has to say is said when it is handed to the store, not when it is kept."""
    take = Commits.take

    def early(self: Commits, tx: Any) -> None:
        for callback in tx.after:
            callback()
        tx.after.clear()
        take(self, tx)
        self._on_said()

    patch.setattr(Commits, "take", early)


def one_seat_for_two(patch: Patch) -> None:
    """Whether a name is free is looked up, then the loop turns, then the seat is taken."""

    async def take_seat(self: Library, code: str, name: str, key: str) -> Any:
        event = self.by_code(code)
        name = clean_name(name)
        fold = folded(name)
        info, is_new = self._app.take_seat(event, name, fold, key)
        await asyncio.sleep(0)
        if is_new:
            await self._app.hub.perform(
                lambda tx: self._app.admit(tx, event, info, fold + key, key)
            )
        return info, is_new

    patch.setattr(Library, "take_seat", take_seat)


def forget_what_was_handled(patch: Patch) -> None:
    """Who returns is not told what was taken, and what comes again has its effect again."""
    message = Hub._message

    def careless(self: Hub, connection: Any, session: Any, frame: Any) -> None:
        stream = session.streams.get(frame.stream)
        if stream is not None and frame.seq <= stream.handled:
            stream.handled = frame.seq - 1
        message(self, connection, session, frame)

    patch.setattr(Hub, "_message", careless)
    patch.setattr(_reception, "_acked", lambda session, names: dict.fromkeys(names, 0))


def replay_one_too_few(patch: Patch) -> None:
    """Who returns is not given the first event that it missed."""
    missed = Channel.missed

    def off_by_one(self: Channel, epoch: str, offset: int) -> Any:
        found = missed(self, epoch, offset)
        return found[1:] if isinstance(found, list) else found

    patch.setattr(Channel, "missed", off_by_one)


def rotate_without_overlap(patch: Patch) -> None:
    """The old token is worthless as soon as a new one was issued, whether or not that arrived."""
    rotate = TokenState.rotate

    def at_once(self: TokenState, token: str, world: Any) -> str:
        issued = rotate(self, token, world)
        assert self.following is not None
        self.current, self.following, self._issued = self.following, None, None
        return issued

    patch.setattr(TokenState, "rotate", at_once)


def survive_only_the_process(patch: Patch) -> None:
    """Commits are not flushed to the disk: fine until the power goes."""
    open_writer = Database._open_writer

    def relaxed(self: Database) -> Any:
        connection = open_writer(self)
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    patch.setattr(Database, "_open_writer", relaxed)


def never_look_for_silence(patch: Patch) -> None:
    """A client waits for ever on a connection that has died silently."""
    patch.setattr(session_client.limits, "PONG_TIMEOUT", 10_000.0)
    patch.setattr(SessionClient, "_probe_when_late", lambda self, seq: None)


def lose_a_frame_of_a_burst(patch: Patch) -> None:
    """When several frames are sent in one write, one of them is lost."""
    flush = HubProtocol.flush

    def lossy(self: HubProtocol, *, force: bool = False) -> None:
        if len(self._queue) > 3:
            del self._queue[1]
        flush(self, force=force)

    patch.setattr(HubProtocol, "flush", lossy)


async def rush(world: Simulation) -> None:
    """Many want the same name at once."""
    owners = OneOwner()
    show = Show(world, 0, rivals=6, profile="lan")
    show.seats = owners
    show.begin()
    await asyncio.sleep(20)


async def storms(world: Simulation) -> None:
    """People talk while the network and the server fail, often and shortly."""
    town = Town(world, 4)
    kinds = {Kill: 2, PowerOff: 2, Cut: 6, Reset: 6, Freeze: 1, SlowDisk: 4}
    world.inject(kinds, within=30, hosts=["server"], links=town.links, lasts=(0.05, 5))
    town.live(12, 2.0)
    await town.settle()
    town.check()


async def bursts(world: Simulation) -> None:
    """Everybody says much at once."""
    town = Town(world, 6)
    town.live(30, 0.02)
    await town.settle()
    town.check()


PLANTED: list[tuple[Callable[[Patch], None], Any, int]] = [
    (acknowledge_before_commit, storms, 200),
    (one_seat_for_two, rush, 20),
    (forget_what_was_handled, storms, 20),
    (replay_one_too_few, scenarios.room, 20),
    (rotate_without_overlap, storms, 60),
    (survive_only_the_process, storms, 40),
    (never_look_for_silence, scenarios.room, 40),
    (lose_a_frame_of_a_burst, bursts, 10),
]


@pytest.mark.parametrize(
    ("plant", "scenario", "within"), PLANTED, ids=[plant.__name__ for plant, _, _ in PLANTED]
)
def test_is_found(
    plant: Callable[[Patch], None],
    scenario: Any,
    within: int,
    monkeypatch: Patch,
    simulation_note: Callable[[str], None],
) -> None:
    plant(monkeypatch)
    finding = search(scenario, range(within), shrinking=0)
    assert finding.failure is not None, f"{plant.__doc__} was not found in {within} seeds"
    simulation_note(f"planted: {plant.__name__} was found after {finding.runs} seeds")


@pytest.mark.parametrize("scenario", [rush, storms, bursts])
def test_without_a_planted_bug_nothing_is_found(scenario: Any) -> None:
    assert search(scenario, range(15)).failure is None
