"""A quiz with its real hub, store and WebSockets on simulated hosts; a host and players on bad networks."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.apps.quiz import QuizApp
from holdfast.apps.quiz.errors import QuizError
from holdfast.apps.quiz.model import QuizDraft, Timing
from holdfast.errors import ResilienceError
from holdfast.session import ClientStatus, SessionClient
from holdfast.testing import NothingLost, OneOwner, Returns, Scores
from holdfast.testing.process import ProcessState
from tests.support.players import quiz_of
from tests.support.simulated import URL, serve

if TYPE_CHECKING:
    from holdfast.session import HubSettings
    from holdfast.testing import Host, Simulation

DOOR = 8401
AUTHOR = "author-key-0123456789abcdef"


async def serve_quiz(host: Host, settings: HubSettings | None = None) -> None:
    """The quiz, and a door: the quiz's HTTP API as one line of JSON each way."""
    quiz = QuizApp()

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            wish = json.loads(await reader.readline())
            writer.write(json.dumps(await _answer(quiz, wish)).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError):
            pass  # whoever asked has gone, and asks again
        finally:
            writer.close()

    async with await asyncio.start_server(enter, "0.0.0.0", DOOR):
        await serve(host, quiz, settings)


async def _answer(quiz: QuizApp, wish: dict[str, Any]) -> dict[str, Any]:
    library = quiz.library
    try:
        if wish["do"] == "open":
            made = await library.add_quiz(msgspec.convert(wish["quiz"], QuizDraft), AUTHOR)
            opened = await library.open_event(made.id, Timing.FAIR, AUTHOR)
            return {"event": opened.event, "code": opened.code, "key": opened.key}
        info, is_new = await library.take_seat(wish["code"], wish["name"], wish["key"])
        return {"seat": info.seat, "event": info.event, "new": is_new}
    except QuizError as error:
        return {"error": error.to_dict()}
    except ResilienceError:
        return {"again": True}
    except (AssertionError, AttributeError):
        return {"again": True}  # not loaded yet: the HTTP server would not be listening


async def ask(wish: dict[str, Any]) -> dict[str, Any]:
    """Ask the door until it answers, as a page does."""
    while True:
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection("server", DOOR)
                try:
                    writer.write(json.dumps(wish).encode() + b"\n")
                    line = await reader.readline()
                finally:
                    writer.close()
            if line and "again" not in (answer := json.loads(line)):
                return answer
        except (OSError, TimeoutError, ValueError):
            pass  # the next attempt
        await asyncio.sleep(1.0)


class Face:
    """A session of the quiz with its reduced state."""

    def __init__(self, show: Show, host: Host) -> None:
        self.show = show
        self.host = host
        self.channels: dict[str, dict[str, Any]] = {}
        self.client: SessionClient | None = None

    @property
    def stage(self) -> dict[str, Any]:
        return next((v for k, v in self.channels.items() if k.count("/") == 1), {})

    @property
    def me(self) -> dict[str, Any]:
        return self.channels.get("@me", {})

    def open(self, auth: dict[str, Any]) -> SessionClient:
        self.client = SessionClient(
            URL, auth, on_state=self._state, on_event=self._event, world=self.host
        )
        return self.client

    def _state(self, channel: str, state: Any) -> None:
        self.channels[channel] = state
        self.changed()

    def _event(self, channel: str, data: Any) -> None:
        known = self.channels.setdefault(channel, {})
        for key, value in data.items():
            if key == "roster":
                known.setdefault("roster", {}).update(value)
            else:
                known[key] = value
        self.changed()

    def changed(self) -> None:
        stage, me = self.stage, self.me
        names = stage.get("arrivals", [])
        assert len(names) == len(set(names)), f"somebody joined twice: {names}"
        assert stage.get("players", 0) <= len(self.show.players), "more have joined than there are"
        if "score" in me:
            self.show.scores.shown((self.host.name, me["seat"]), me["score"])


class Player(Face):
    """Joins, answers each question once, loses the network now and then."""

    def __init__(self, show: Show, host: Host, name: str) -> None:
        super().__init__(show, host)
        self.name = name
        self.seat = ""
        self.is_refused = False
        self.thinks = 4.0
        self.replies: dict[int, Any] = {}
        self._answering: set[int] = set()

    async def play(self) -> None:
        show = self.show
        key = f"key-of-{self.host.name}-0123456789"
        await show.is_open.wait()
        wish = {"do": "join", "code": show.opened["code"], "name": self.name, "key": key}
        answers = await asyncio.gather(ask(wish), ask(wish))  # a double click
        if "error" in answers[0]:
            self.is_refused = True
            assert "error" in answers[1]
            return
        assert answers[0]["seat"] == answers[1]["seat"], "a double click took two seats"
        self.seat = answers[0]["seat"]
        show.seats.taken(self.name.casefold(), key)
        auth = {"as": "player", "event": answers[0]["event"], "key": key}
        async with self.open(auth):
            await asyncio.Event().wait()

    def changed(self) -> None:
        super().changed()
        question = self.stage.get("question")
        if self.stage.get("phase") == "question" and question is not None:
            number = question["index"]
            if number not in self._answering:
                self._answering.add(number)
                task = asyncio.get_running_loop().create_task(self._answer(number))
                self.show.tasks[task] = None

    async def _answer(self, number: int) -> None:
        took = self.host.random.uniform(0.1, self.thinks)
        await asyncio.sleep(took)
        choice = self.host.random.choice([0, 0, 1])
        body = {
            "do": "answer", "question": number, "choices": [choice], "took_ms": round(1000 * took),
        }  # fmt: skip
        assert self.client is not None
        try:
            reply = await self.client.send(body)
        except ResilienceError as error:
            self.show.world.note("refused", str(error))
            return
        self.replies[number] = reply
        self.show.lost.acknowledged((self.seat, number))


class Show:
    """A server, a host, players, and the checkers that watch them."""

    def __init__(
        self,
        world: Simulation,
        players: int,
        *,
        questions: int = 3,
        rivals: int = 0,
        profile: str = "cafe",
        settings: HubSettings | None = None,
        returns: Returns | None = None,
    ) -> None:
        self.world = world
        self.lost = NothingLost()
        self.scores = Scores()
        self.seats = OneOwner()
        self.returns = Returns() if returns is None else returns
        self.is_open = asyncio.Event()
        self.opened: dict[str, Any] = {}
        self.tasks: dict[asyncio.Task[None], None] = {}
        self.questions = questions
        self.server = world.host("server")
        self.server.spawn(serve_quiz, self.server, settings)
        self.host = Face(self, world.host("teacher", profile))
        names = [f"Player {number}" for number in range(players)] + ["Player 0"] * rivals
        self.players = [
            Player(self, world.host(f"phone{number}", profile), name)
            for number, name in enumerate(names)
        ]
        self._away: dict[tuple[int, str], None] = {}

    @property
    def links(self) -> list[tuple[str, str]]:
        return [("server", player.host.name) for player in self.players]

    def begin(self) -> None:
        self.host.host.spawn(self._lead)
        for player in self.players:
            player.host.spawn(player.play)
        self.world.loop.create_task(self._watch(), name="watch")

    async def _lead(self) -> None:
        """The teacher: opens the event, goes on when everybody had their chance."""
        host = self.host
        self.opened = await ask({"do": "open", "quiz": quiz_of(self.questions)})
        auth = {"as": "host", "event": self.opened["event"], "key": self.opened["key"]}
        async with host.open(auth) as client:
            self.is_open.set()
            await asyncio.sleep(10.0)
            while (stage := host.stage).get("phase") != "final":
                question = stage.get("question")
                phase = stage.get("phase")
                if phase in {"lobby", "reveal", "leaderboard"}:
                    at = question["index"] if question else -1
                    try:
                        await client.send({"do": "next", "phase": phase, "question": at})
                    except ResilienceError as error:
                        self.world.note("refused", str(error))
                await asyncio.sleep(1.5)
            await asyncio.Event().wait()

    async def _watch(self) -> None:
        """Note who is away although the network would let them in."""
        while True:
            for face in self.players:
                if face.client is None or not face.seat:
                    continue
                name, now = (self.world.seed, face.host.name), self.world.now
                if face.client.status is ClientStatus.OPEN:
                    self.returns.back(name, now)
                    self._away.pop(name, None)
                    continue
                if name not in self._away:
                    self._away[name] = None
                    self.returns.lost(name, now)
                if not self._may_connect(face.host.name):
                    self.returns.reachable(name, now)
            await asyncio.sleep(0.1)

    def _may_connect(self, name: str) -> bool:
        network = self.world.network
        return (
            self.server.process.state is ProcessState.RUNNING
            and self.server.slowness <= 100
            and network.path("server", name).is_open
            and network.path(name, "server").is_open
            and network.is_listening("server", 8400)
        )

    async def settle(self, within: float = 180.0) -> None:
        world = self.world
        await world.calm()
        await world.until(
            lambda: all(
                face.stage.get("phase") == "final"
                for face in (self.host, *self.players)
                if not (isinstance(face, Player) and face.is_refused)
            ),
            within=within,
            what="after the last fault the quiz comes to its end",
        )
        await asyncio.sleep(30.0)  # a connection that has just died silently is found by then
        await world.until(
            lambda: all(
                player.client is not None and player.client.status is ClientStatus.OPEN
                for player in self.players
                if not player.is_refused
            ),
            within=60,
            what="everybody is back in the end",
        )
        await asyncio.sleep(0.5)  # until those who watch have looked

    def check(self) -> None:
        connection = sqlite3.connect(self.server.folder / "holdfast.db")
        rows = connection.execute("SELECT seat, question, points, effective_ms FROM quiz_answer")
        answers = {(row[0], row[1]): (row[2], row[3]) for row in rows}
        seats = [seat for (seat,) in connection.execute("SELECT id FROM quiz_seat")]
        connection.close()
        seated = [player for player in self.players if not player.is_refused]
        assert sorted(seats) == sorted(player.seat for player in seated)
        self.lost.check(answers)
        for (seat, question), (points, _) in answers.items():
            self.scores.accepted(seat, question, points)
        self.scores.check({player.seat: player.me["score"] for player in seated})
        for player in seated:
            for question, reply in player.replies.items():
                assert reply["effective_ms"] == answers[player.seat, question][1]
        for player in seated:
            assert player.stage["players"] == len(seated)
