"""The quiz on a hub with a real store and a clock that is set: rules that take minutes, in milliseconds."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.apps.quiz import QuizApp
from holdfast.apps.quiz.model import Choice, Question, QuizDraft, Timing
from holdfast.session import Hub
from holdfast.session.store import MIGRATIONS
from holdfast.storage import Database
from tests.support.links import Clock, ScriptedWorld, TestClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

AUTHOR = "author-of-the-quiz-00"
DRAFT = QuizDraft(
    "Rules",
    tuple(
        Question(f"{n}?", (Choice("right", correct=True), Choice("wrong")), limit_ms=10_000)
        for n in range(2)
    ),
)


class Hall:
    """A running quiz application, its clock, and people who speak in frames."""

    def __init__(self, hub: Hub, app: QuizApp, clock: Clock) -> None:
        self.hub, self.app, self.clock = hub, app, clock

    async def settled(self) -> None:
        for _ in range(3):
            await self.hub.database.write(lambda _: None)
            await asyncio.sleep(0)

    async def passes(self, seconds: float, *answering: Guest) -> None:
        """Let time pass; those who are named answer pings."""
        end = self.clock.now + seconds
        while (due := self.hub.timers.next_deadline()) is not None and due <= end:
            self.clock.now = max(self.clock.now, due)
            self.hub.on_time(self.clock.now)
            for guest in answering:
                guest.listen()
            await self.settled()
        self.clock.now = end
        await self.settled()
        for guest in answering:
            guest.listen()

    async def event(self) -> Any:
        quiz = await self.app.library.add_quiz(DRAFT, AUTHOR)
        return await self.app.library.open_event(quiz.id, Timing.FAIR, AUTHOR)

    async def seated(self, event: Any, name: str) -> Guest:
        key = f"key-of-{name:-<20}"
        await self.app.library.take_seat(event.code, name, key)
        return await self.guest({"as": "player", "event": event.event, "key": key})

    async def guest(self, auth: dict[str, Any]) -> Guest:
        guest = Guest(self.hub, auth)
        await self.settled()
        guest.listen()
        return guest


class Guest(TestClient):
    """Keeps the channels' state as a page does."""

    def __init__(self, hub: Hub, auth: dict[str, Any]) -> None:
        self.channels: dict[str, dict[str, Any]] = {}
        self.replies: list[dict[str, Any]] = []
        self.positions: dict[str, list[Any]] = {}
        super().__init__(hub)
        self.say({"t": "hello", "v": 1, "stream": self.stream, "auth": auth})

    @property
    def stage(self) -> dict[str, Any]:
        return next(v for k, v in self.channels.items() if k.count("/") == 1)

    def listen(self) -> None:
        sent, self.link.sent = self.link.sent, []
        for frame in map(msgspec.json.decode, sent):
            self.remember(frame)
            for name, state in frame.get("channels", {}).items():
                self.positions[name] = [state["epoch"], state["offset"]]
                if "snapshot" in state:
                    self.channels[name] = dict(state["snapshot"])
                for _, data in state.get("events", []):
                    self.channels[name].update(data)
            if frame["t"] == "ping":
                self.say({"t": "pong", "n": frame["n"]})
            if frame["t"] == "event":
                self.positions[frame["ch"]][1] = frame["o"]
            if frame["t"] == "event" and "re" in frame["data"]:
                self.replies.append(frame["data"])
            elif frame["t"] == "event":
                roster = frame["data"].pop("roster", {})
                self.channels[frame["ch"]].setdefault("roster", {}).update(roster)
                self.channels[frame["ch"]].update(frame["data"])


@asynccontextmanager
async def a_hall(folder: Path, clock: Clock | None = None, seed: int = 1) -> AsyncIterator[Hall]:
    app, clock = QuizApp(), clock or Clock()
    async with Database(folder / "quiz.db", {"session": MIGRATIONS, "quiz": app.migrations}) as db:
        hub = Hub(app, database=db, world=ScriptedWorld(seed), clock=clock)
        await hub.start()
        hall = Hall(hub, app, clock)
        await hall.settled()
        yield hall
        await hub.stop()


async def test_with_the_host_gone_for_ten_minutes_the_quiz_waits_and_goes_on(
    tmp_path: Path,
) -> None:
    async with a_hall(tmp_path) as hall:
        event = await hall.event()
        host = await hall.guest({"as": "host", "event": event.event, "key": event.key})
        ada, bob = await hall.seated(event, "Ada"), await hall.seated(event, "Bob")
        host.send({"do": "next", "phase": "lobby", "question": -1})
        await hall.passes(4, host, ada, bob)
        assert ada.stage["phase"] == "question"

        host.cut()
        await hall.passes(600, ada, bob)
        assert ada.stage["phase"] == "reveal"
        assert ada.stage["host"] == "disconnected"

        host.connect()
        host.say(
            {
                "t": "resume",
                "v": 1,
                "stream": "stream-b",
                "session": host.session,
                "token": host.token,
            }
        )
        await hall.settled()
        host.listen()
        assert host.stage["phase"] == "reveal"
        host.say(
            {"t": "send", "stream": "stream-b", "seq": 1,
             "body": {"do": "next", "phase": "reveal", "question": 0}}
        )  # fmt: skip
        await hall.passes(1, host, ada, bob)
        assert ada.stage["phase"] == "leaderboard"
        assert ada.stage["host"] == "connected"


async def test_the_right_answer_leaves_the_server_at_the_reveal(tmp_path: Path) -> None:
    async with a_hall(tmp_path) as hall:
        event = await hall.event()
        host = await hall.guest({"as": "host", "event": event.event, "key": event.key})
        ada = await hall.seated(event, "Ada")
        host.send({"do": "next", "phase": "lobby", "question": -1})
        await hall.passes(4, host, ada)
        assert ada.stage["reveal"] is None
        assert "correct" not in str(ada.channels)

        ada.send({"do": "answer", "question": 0, "choices": [0], "took_ms": 900})
        await hall.passes(1, host, ada)

        assert ada.stage["reveal"]["correct"] == [0]
        assert ada.channels["@me"]["result"] == {
            "question": 0, "correct": True, "points": ada.channels["@me"]["score"], "counted": True,
        }  # fmt: skip


async def test_killed_in_a_question_it_goes_on_with_the_time_that_was_left(tmp_path: Path) -> None:
    clock = Clock()
    async with a_hall(tmp_path, clock) as hall:
        event = await hall.event()
        host = await hall.guest({"as": "host", "event": event.event, "key": event.key})
        ada, bob = await hall.seated(event, "Ada"), await hall.seated(event, "Bob")
        host.send({"do": "next", "phase": "lobby", "question": -1})
        await hall.passes(3 + 4, host, ada, bob)
        ada.send({"do": "answer", "question": 0, "choices": [0], "took_ms": 3900})
        await hall.settled()
        left = hall.app.events[event.event].game.progress.closes_at - hall.hub.now_ms()
        reply = next(iter(ada.replies), None) or (ada.listen(), ada.replies[0])[1]
        assert reply["ok"]["effective_ms"] == 3900
        frozen = (tmp_path / "quiz.db").read_bytes(), (tmp_path / "quiz.db-wal").read_bytes()
    (tmp_path / "quiz.db").write_bytes(frozen[0])
    (tmp_path / "quiz.db-wal").write_bytes(frozen[1])
    (tmp_path / "quiz.db-shm").unlink(missing_ok=True)

    clock.now += 300
    async with a_hall(tmp_path, clock, seed=2) as hall:
        game = hall.app.events[event.event].game
        still_left = game.progress.closes_at - hall.hub.now_ms()
        assert abs(still_left - left) <= 250
        assert [g.effective_ms for s in game.seats.values() for g in s.answers.values()] == [3900]


async def test_what_was_held_back_when_the_server_died_is_said_after_it(tmp_path: Path) -> None:
    clock = Clock()
    async with a_hall(tmp_path, clock) as hall:
        event = await hall.event()
        host = await hall.guest({"as": "host", "event": event.event, "key": event.key})
        await hall.app.library.take_seat(event.code, "Ada", "key-of-ada----------")
        await hall.settled()
        host.listen()
        assert host.stage["players"] == 0, "counts are held back for half a second"
        files = {
            path: path.read_bytes() for path in tmp_path.glob("quiz.db*") if path.suffix != ".lock"
        }
    for path, content in files.items():
        path.write_bytes(content)
    (tmp_path / "quiz.db-shm").unlink(missing_ok=True)

    async with a_hall(tmp_path, clock, seed=2) as hall:
        host.hub = hall.hub
        host.connect()
        frame = {"t": "resume", "v": 1, "stream": "stream-b", "session": host.session}
        host.say(frame | {"token": host.token, "channels": host.positions})
        await hall.settled()
        host.listen()
        assert host.stage["players"] == 1
        assert [
            row["name"] for row in host.channels[f"quiz/{event.event}/host"]["roster"].values()
        ] == ["Ada"]


async def test_the_newest_device_plays_the_seat_and_the_other_can_claim_it_back(
    tmp_path: Path,
) -> None:
    async with a_hall(tmp_path) as hall:
        event = await hall.event()
        phone = await hall.seated(event, "Ada")
        tablet = await hall.seated(event, "Ada")
        phone.listen()
        assert phone.channels["@me"]["active"] is False
        assert tablet.channels["@me"]["active"] is True

        phone.send({"do": "claim"})
        await hall.settled()
        phone.listen()
        tablet.listen()
        assert phone.channels["@me"]["active"] is True
        assert tablet.channels["@me"]["active"] is False
        assert len(hall.app.events[event.event].game.seats) == 1


async def test_an_event_is_forgotten_after_a_day_with_all_that_belongs_to_it(
    tmp_path: Path,
) -> None:
    async with a_hall(tmp_path) as hall:
        event = await hall.event()
        await hall.seated(event, "Ada")
        hall.clock.now += 25 * 3600
        hall.hub.on_time(hall.clock.now)
        await hall.settled()
        assert not hall.app.events
        assert not hall.hub.sessions
        assert not hall.hub.channels
        tables = ("quiz_event", "quiz_seat", "session", "channel")
        for table in tables:
            query = f"SELECT count(*) FROM {table}"
            assert await hall.hub.database.read(lambda c, q=query: c.execute(q).fetchone()) == (0,)
