"""Quizzes and events as their authors see them: what the HTTP API does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from holdfast.apps.quiz import limits, store
from holdfast.apps.quiz.errors import QuizCode, QuizError
from holdfast.apps.quiz.model import Quiz
from holdfast.apps.quiz.names import clean_name, folded
from holdfast.apps.quiz.sample import SAMPLE
from holdfast.world import text_of

if TYPE_CHECKING:
    from holdfast.apps.quiz.event import Event
    from holdfast.apps.quiz.model import QuizDraft, Timing
    from holdfast.apps.quiz.service import QuizApp
    from holdfast.session import Transaction

KEY_BYTES: Final = 20
CODE_DIGITS: Final = 6


class QuizInfo(Struct, frozen=True):
    """A quiz in a list."""

    id: str
    title: str
    questions: int
    sample: bool


class EventInfo(Struct, frozen=True):
    """An event in a list."""

    event: str
    code: str
    title: str
    phase: str
    players: int


class Shelf(Struct, frozen=True):
    """What an author has."""

    quizzes: list[QuizInfo]
    events: list[EventInfo]


class OpenedEvent(Struct, frozen=True):
    """A new event with the host's secret."""

    event: str
    code: str
    key: str


class SeatInfo(Struct, frozen=True):
    """A seat as its holder is told."""

    event: str
    code: str
    seat: str
    name: str


class You(Struct, frozen=True):
    """Who this browser is in an event."""

    seat: str
    name: str


class EventView(Struct, frozen=True):
    """An event as one who comes to its door sees it."""

    event: str
    code: str
    title: str
    phase: str
    locked: bool
    players: int
    you: You | None
    host: bool


class Library:
    """Keeps quizzes, opens events, gives seats."""

    def __init__(self, app: QuizApp) -> None:
        self._app = app

    async def add_sample(self) -> None:
        """Put the sample into an empty library."""
        database = self._app.hub.database
        if not await database.read(store.has_sample):
            row = ("sample", None, SAMPLE.title, store.questions_json(SAMPLE.questions), 0)
            await database.write(lambda connection: connection.execute(store.PUT_QUIZ, row))

    async def shelf(self, author: str) -> Shelf:
        """List the sample, the author's quizzes, and the author's events."""
        hashed = store.key_hash(author)
        quizzes = await self._app.hub.database.read(lambda c: store.list_quizzes(c, hashed))
        return Shelf(
            [QuizInfo(q.id, q.title, len(q.questions), q.sample) for q in quizzes],
            [self._app.info(e) for e in self._app.events.values() if e.author == hashed],
        )

    async def quiz(self, quiz_id: str, author: str) -> Quiz:
        """Return a quiz that the author may see; raises QuizError 10010."""
        hashed = store.key_hash(author)
        found = await self._app.hub.database.read(lambda c: store.find_quiz(c, quiz_id, hashed))
        if found is None:
            raise QuizError(QuizCode.QUIZ_NOT_FOUND, "There is no such quiz.")
        return found

    async def add_quiz(self, draft: QuizDraft, author: str) -> Quiz:
        """Keep a new quiz; raises QuizError 10011, 10015."""
        draft.checked()
        hashed = store.key_hash(author)
        count = await self._app.hub.database.read(lambda c: store.count_quizzes(c, hashed))
        if count >= limits.QUIZZES_PER_AUTHOR_MAX:
            raise QuizError(QuizCode.TOO_MANY, f"There are {count} quizzes; delete one first.")
        return await self._put(self._app.hub.world.new_id(), draft, hashed)

    async def change_quiz(self, quiz_id: str, draft: QuizDraft, author: str) -> Quiz:
        """Replace a quiz of the author; raises QuizError 10010, 10011."""
        draft.checked()
        await self._own_quiz(quiz_id, author)
        return await self._put(quiz_id, draft, store.key_hash(author))

    async def remove_quiz(self, quiz_id: str, author: str) -> None:
        """Delete a quiz of the author; events that were opened with it go on."""
        await self._own_quiz(quiz_id, author)
        await self._app.hub.database.write(lambda c: c.execute(store.REMOVE_QUIZ, (quiz_id,)))

    async def open_event(self, quiz_id: str, timing: Timing, author: str) -> OpenedEvent:
        """Open an event with a quiz; raises QuizError 10010, 10015."""
        quiz = await self.quiz(quiz_id, author)
        app, world = self._app, self._app.hub.world
        if len(app.events) >= limits.EVENTS_OPEN_MAX:
            raise QuizError(QuizCode.TOO_MANY, "Too many events are open on this server.")
        key = text_of(world.secret_bytes(KEY_BYTES))
        opened = OpenedEvent(world.new_id(), self._free_code(), key)

        def add(tx: Transaction) -> None:
            app.add_event(tx, opened, quiz, timing, store.key_hash(author))

        await app.hub.perform(add)
        return opened

    def view(self, code: str, seat_key: str | None, host_key: str | None) -> EventView:
        """Describe an event to one who has its code."""
        event = self.by_code(code)
        seat = None
        if seat_key is not None:
            seat = event.game.seats.get(event.seat_keys.get(store.key_hash(seat_key), ""))
        is_seated = seat is not None and not seat.is_removed
        info = self._app.info(event)
        return EventView(
            info.event,
            info.code,
            info.title,
            info.phase,
            event.game.progress.is_locked,
            info.players,
            You(seat.id, seat.name) if seat is not None and is_seated else None,
            host_key is not None and store.key_hash(host_key) == event.host_key,
        )

    async def take_seat(self, code: str, name: str, key: str) -> tuple[SeatInfo, bool]:
        """Give a seat to a key, once; say whether it is new. Raises QuizError."""
        event = self.by_code(code)
        name = clean_name(name)
        fold = folded(name)

        def take(tx: Transaction) -> tuple[SeatInfo, bool]:
            info, is_new = self._app.take_seat(event, name, fold, key)
            if is_new:
                self._app.admit(tx, event, info, fold, key)
            return info, is_new

        return await self._app.hub.perform(take)

    def by_code(self, code: str) -> Event:
        """Return the event with this code.

        Raises:
            QuizError: 10001; there is none.
            StorageError: 8001; nobody can say before the store is read, at the start or after it failed.
        """
        event = self._app.codes.get(code.replace(" ", ""))
        if event is None:
            if not self._app.hub.is_ready:
                raise self._app.hub.unavailable()
            raise QuizError(QuizCode.EVENT_NOT_FOUND, "There is no event with this code.")
        return event

    async def _own_quiz(self, quiz_id: str, author: str) -> None:
        if (await self.quiz(quiz_id, author)).sample:
            raise QuizError(QuizCode.QUIZ_NOT_FOUND, "The sample belongs to everybody; copy it.")

    async def _put(self, quiz_id: str, draft: QuizDraft, author: bytes) -> Quiz:
        now = self._app.hub.now_ms()
        row = (quiz_id, author, draft.title, store.questions_json(draft.questions), now)
        await self._app.hub.database.write(lambda c: c.execute(store.PUT_QUIZ, row))
        return Quiz(quiz_id, draft.title, sample=False, questions=draft.questions)

    def _free_code(self) -> str:
        """Draw a code that no living event has; there are far more codes than events."""
        while True:
            number = self._app.hub.world.random.randrange(10 ** (CODE_DIGITS - 1), 10**CODE_DIGITS)
            if str(number) not in self._app.codes:
                return str(number)
