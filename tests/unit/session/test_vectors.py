"""The conversations that every implementation replays, replayed by the hub and by the client."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from holdfast.session import Handshake, Hub, HubSettings
from holdfast.session import client_machine as machine
from holdfast.session.client_machine import ClientMachine
from holdfast.session.store import MIGRATIONS
from holdfast.session.wire import JSON, MSGPACK
from holdfast.storage import Database
from tests.support.links import Clock, RecordingLink, ScriptedWorld, random_text
from tests.support.room import Room
from tests.support.vectors import Bindings, vectors_for

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.session.connection import Connection
    from holdfast.session.wire import Codec

Step = dict[str, Any]

HEARTBEATS = {"ping", "pong"}


def named(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in vectors]


def events_of(vector: dict[str, Any]) -> set[str]:
    return {step["event"] for step in vector["steps"] if "event" in step}


# --- the server -----------------------------------------------------------------------------


class LatestReturn(random.Random):
    """Where the server spreads the return of its clients, all get the end of the spread."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Tab:
    """One client's end, as the server sees it."""

    def __init__(self) -> None:
        self.link = RecordingLink()
        self.connection: Connection | None = None
        self.inbox: list[dict[str, Any]] = []


class ServerReplay:
    """Plays the clients' part; with a folder the server keeps everything in a file there."""

    def __init__(self, vector: dict[str, Any], codec: Codec, folder: Path | None) -> None:
        self.vector = vector
        self.codec = codec
        self.bindings = Bindings()
        self.tabs: dict[str, Tab] = defaultdict(Tab)
        self.clock = Clock()
        self.starts = 0
        self.database: Database | None = None
        self._folder = folder

    async def play(self) -> None:
        await self.start()
        try:
            for number, step in enumerate(self.vector["steps"], start=1):
                try:
                    await self._play(step, self.tabs[step.get("tab", "a")])
                except AssertionError as error:
                    raise AssertionError(f"step {number}: {step}: {error}") from error
            await self.nothing_more()
        finally:
            await self.stop(spread=1.0)

    async def start(self) -> None:
        self.starts += 1
        self.room = Room()
        if self._folder is not None:
            migrations = {"session": MIGRATIONS, self.room.name: self.room.migrations}
            self.database = Database(self._folder / "vectors.db", migrations)
            await self.database.__aenter__()
        world = ScriptedWorld(self.starts)
        world.random = LatestReturn(self.starts)
        settings = HubSettings()
        if "server" in self.vector:
            settings = HubSettings(channel_events_max=self.vector["server"]["log_events"])
        self.hub = Hub(
            self.room, database=self.database, world=world, clock=self.clock, settings=settings
        )
        await self.hub.start()

    async def stop(self, spread: float) -> None:
        await self.hub.stop(spread=spread)
        if self.database is not None:
            await self.database.__aexit__(None, None, None)

    async def settle(self) -> None:
        """Wait for all commits, then put what was sent into the inboxes."""
        if self.database is not None and self.hub.is_ready:
            await self.database.write(lambda _: None)
            await asyncio.sleep(0)
        self.collect()

    def collect(self) -> None:
        for tab in self.tabs.values():
            sent, tab.link.sent = tab.link.sent, []
            frames = [frame for message in sent for frame in self.decoded(message)]
            tab.inbox += [frame for frame in frames if frame["t"] not in HEARTBEATS]

    def decoded(self, message: bytes) -> list[dict[str, Any]]:
        if self.codec is JSON:
            return [json.loads(line) for line in message.split(b"\n")]
        assert int.from_bytes(message[:4], "big") == len(message) - 4
        return [msgspec.msgpack.decode(message[4:])]

    def encoded(self, frame: Any) -> bytes:
        return bytes(self.codec.join([self.framed(bytes(self.codec.value(frame)))]))

    def framed(self, data: bytes) -> bytes:
        return data if self.codec is JSON else len(data).to_bytes(4, "big") + data

    def say(self, tab: Tab, message: bytes) -> None:
        assert tab.connection is not None
        self.hub.received(tab.connection, message)

    async def nothing_more(self) -> None:
        await self.settle()
        for name, tab in self.tabs.items():
            assert tab.inbox == [], f"emitted to {name} and not in the steps"

    async def _play(self, step: Step, tab: Tab) -> None:
        match step:
            case {"client": frame}:
                filled = self.bindings.fill(frame)
                if not step.get("lost"):
                    self.say(tab, self.encoded(filled))
            case {"raw": text}:
                self.say(tab, self.framed(text.encode()))
            case {"server": frames}:
                await self.settle()
                wanted = frames if isinstance(frames, list) else [frames]
                taken, tab.inbox = tab.inbox[: len(wanted)], tab.inbox[len(wanted) :]
                self.bindings.frames(wanted, taken)
            case {"publish": {"ch": "room", "data": {"say": text}}}:
                self.hub.apply(lambda tx: self.room.hear(tx, text))
            case {"event": event}:
                await self.settle()  # what came to another tab may be in a later step of that tab
                assert tab.inbox == []
                await self._event(event, step, tab)
            case {"app": _} | {"expect": _}:
                pass
            case _:
                raise ValueError(f"unknown step {step}")

    async def _event(self, event: str, step: Step, tab: Tab) -> None:
        match event:
            case "connect":
                tab.link = RecordingLink()
                tab.connection = self.hub.connect(tab.link, self.codec, Handshake())
            case "cut":
                assert tab.connection is not None
                self.hub.lost(tab.connection)
            case "closed":
                assert tab.link.closed is not None
            case "restart":
                await self.stop(spread=step["retry_after"])
                self.collect()
                await self.start()
            case "wait":
                self.clock.now += step["ms"] / 1000
                self.hub.on_time(self.clock.now)
            case "reload" | "take_back" | "corrupt_token" | "store_token":
                pass
            case _:
                raise ValueError(f"unknown event {event}")


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
@pytest.mark.parametrize("vector", named(vectors_for("server")))
async def test_a_server_with_a_store_replays(
    vector: dict[str, Any], codec: Codec, tmp_path: Path
) -> None:
    await ServerReplay(vector, codec, tmp_path).play()


WITHOUT_STORE = [v for v in vectors_for("server") if "restart" not in events_of(v)]


@pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])
@pytest.mark.parametrize("vector", named(WITHOUT_STORE))
async def test_a_server_without_a_store_replays(vector: dict[str, Any], codec: Codec) -> None:
    await ServerReplay(vector, codec, None).play()


# --- the client -----------------------------------------------------------------------------

NEEDS_SHARED_STORAGE = {"reload", "take_back", "corrupt_token", "store_token"}
"""Events that only a client can replay which shares storage with other tabs and page loads."""


def is_for_one_process(vector: dict[str, Any]) -> bool:
    has_tabs = any("tab" in step for step in vector["steps"])
    return not has_tabs and not events_of(vector) & NEEDS_SHARED_STORAGE


class ClientReplay:
    """Plays the server's part, and what the shell around the machine does with its effects."""

    def __init__(self, vector: dict[str, Any]) -> None:
        self.vector = vector
        self.bindings = Bindings()
        self.machine = ClientMachine(random_text(random.Random(7)), {"as": "tester"})
        self.emitted: list[dict[str, Any]] = []
        self.snapshots: dict[str, object] = {}
        self.events: dict[str, list[object]] = defaultdict(list)
        self.waiting: dict[int, str] = {}
        self.answers: dict[int, machine.Answered] = {}
        self.outcomes: dict[str, machine.Answered | None] = {}
        self.status = "closed"
        self.retry_after: float | None = None
        self.postponed: float | None = None

    def play(self) -> None:
        for number, step in enumerate(self.vector["steps"], start=1):
            try:
                self._play(step)
            except AssertionError as error:
                raise AssertionError(f"step {number}: {step}: {error}") from error
        assert self.emitted == []

    def perform(self, effects: list[machine.Effect]) -> None:
        for effect in effects:
            match effect:
                case machine.Transmit(frame):
                    said = json.loads(JSON.encode(frame))
                    if said["t"] not in HEARTBEATS:
                        self.emitted.append(said)
                case machine.Opened():
                    self.status = "open"
                case machine.Shown(channel, state, _):
                    self.snapshots[channel] = state
                    self.events[channel] = []
                case machine.Delivered(channel, data):
                    self.events[channel].append(data)
                case machine.Answered():
                    self.answers[effect.seq] = effect
                case machine.Acknowledged(seq):
                    for known in [known for known in self.waiting if known <= seq]:
                        self.outcomes[self.waiting.pop(known)] = self.answers.pop(known, None)
                case machine.Postponed(seconds):
                    assert self.postponed is None, "one timer is enough"
                    self.postponed = seconds
                case machine.Renumbered():
                    self.waiting = dict(enumerate(self.waiting.values(), start=1))
                    self.answers.clear()
                case machine.Ended(frame, again):
                    self.retry_after = frame.retry_after
                    if frame.code in machine.FRESH_START:
                        self.status = "reread"
                    else:
                        self.status = "retry" if again else "ended"

    def _play(self, step: Step) -> None:
        match step:
            case {"client": frame}:
                assert self.emitted, "the client emits nothing"
                self.bindings.frame(frame, self.emitted.pop(0))
            case {"server": frames}:
                for frame in frames if isinstance(frames, list) else [frames]:
                    message = json.dumps(self.bindings.fill(frame)).encode()
                    if step.get("lost"):
                        continue
                    for parsed in JSON.server_frames(message):
                        self.perform(self.machine.received(parsed))
            case {"app": {"send": body, "as": name}}:
                seq, effects = self.machine.send(body)
                self.waiting[seq] = name
                self.perform(effects)
            case {"app": {"settled": name, "ok": wanted}}:
                assert self.outcomes[name] is not None
                assert (self.outcomes[name].ok, self.outcomes[name].error) == (wanted, None)
            case {"app": {"settled": name, "error": wanted}}:
                assert self.outcomes[name] is not None
                error = self.outcomes[name].error
                assert {key: error[key] for key in wanted} == wanted
            case {"expect": wanted}:
                self._expect(self.bindings.fill(wanted))
            case {"event": event}:
                assert self.emitted == []
                self._event(event, step)
            case {"publish": _}:
                pass
            case _:
                raise ValueError(f"unknown step {step}")

    def _event(self, event: str, step: Step) -> None:
        match event:
            case "connect":
                self.perform(self.machine.connected())
            case "cut":
                self.machine.lost()
                self.status = "closed"
            case "closed":
                self.machine.lost()
            case "wait":
                assert self.postponed == step["ms"] / 1000
                self.postponed = None
                self.perform(self.machine.send_again())
            case "restart":
                pass
            case _:
                raise ValueError(f"unknown event {event}")

    def _expect(self, wanted: dict[str, Any]) -> None:
        for key, value in wanted.items():
            match key:
                case "status":
                    assert self.status == value
                case "retry_after_ms":
                    assert self.retry_after == value / 1000
                case "pending":
                    assert self.machine.pending == value
                case "positions":
                    positions = self.machine._positions
                    assert {name: list(at) for name, at in positions.items()} == value
                case "snapshots":
                    assert {name: self.snapshots[name] for name in value} == value
                case "events":
                    assert {name: self.events[name] for name in value} == value
                case _:
                    raise ValueError(f"unknown expectation {key}")


@pytest.mark.parametrize(
    "vector", named([v for v in vectors_for("client") if is_for_one_process(v)])
)
def test_a_client_replays(vector: dict[str, Any]) -> None:
    ClientReplay(vector).play()
