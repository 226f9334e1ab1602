"""The HTTP API of the quiz; documented in ``docs/protocol/quiz.md`` and at ``/api/docs``."""

from __future__ import annotations

import hmac
import re
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from litestar import Controller, Request, Response, Router, delete, get, post, put
from litestar.datastructures import Cookie, State
from msgspec import Meta, Struct

from holdfast import limits as http_limits
from holdfast.apps.quiz import store
from holdfast.apps.quiz.library import EventView, OpenedEvent, SeatInfo, Shelf
from holdfast.apps.quiz.model import Key, Quiz, QuizDraft, Timing
from holdfast.world import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.types import ControllerRouterHandler

    from holdfast.apps.quiz.service import QuizApp

T = TypeVar("T")

AUTHOR: Final = "holdfast_author"
AUTHOR_AGE: Final = 400 * 24 * 3600
EVENT_AGE: Final = 2 * 24 * 3600
"""Seconds that browsers keep a cookie."""

KEY_FORM: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")

AnyRequest = Request[object, object, State]


class EventWish(Struct, frozen=True):
    """Which quiz to play, and how time is judged."""

    quiz: Annotated[str, Meta(max_length=64)]
    timing: Timing = Timing.FAIR


class SeatWish(Struct, frozen=True):
    """Who wants a seat; the key is made by the device."""

    name: Annotated[str, Meta(max_length=1000)]
    key: Key


def quiz_routes(app: QuizApp) -> list[ControllerRouterHandler]:
    """Make the handlers of one quiz application."""
    library = app.library

    class QuizController(Controller):
        """Quizzes, events and seats."""

        path = "/api/quiz"
        tags = ["quiz"]  # noqa: RUF012 - as the framework declares it

        @get("/quizzes")
        async def list_quizzes(self, request: AnyRequest) -> Response[Shelf]:
            """List the sample, and what this browser made."""
            author = _author(request, app)
            return _for_author(await library.shelf(author), author, request)

        @post("/quizzes")
        async def add_quiz(self, request: AnyRequest, data: QuizDraft) -> Response[Quiz]:
            """Keep a new quiz."""
            author = _author(request, app)
            quiz = await library.add_quiz(data, author)
            return _for_author(quiz, author, request, status=201)

        @get("/quizzes/{quiz_id:str}")
        async def read_quiz(self, request: AnyRequest, quiz_id: str) -> Quiz:
            """Return a quiz of this browser, or the sample."""
            return await library.quiz(quiz_id, _author(request, app))

        @put("/quizzes/{quiz_id:str}")
        async def change_quiz(self, request: AnyRequest, quiz_id: str, data: QuizDraft) -> Quiz:
            """Replace a quiz of this browser."""
            return await library.change_quiz(quiz_id, data, _author(request, app))

        @delete("/quizzes/{quiz_id:str}")
        async def remove_quiz(self, request: AnyRequest, quiz_id: str) -> None:
            """Delete a quiz of this browser."""
            await library.remove_quiz(quiz_id, _author(request, app))

        @post("/events")
        async def open_event(self, request: AnyRequest, data: EventWish) -> Response[OpenedEvent]:
            """Open an event; its key is the host's secret."""
            author = _author(request, app)
            opened = await library.open_event(data.quiz, data.timing, author)
            response = _for_author(opened, author, request, status=201)
            response.set_cookie(
                _cookie(f"holdfast_host_{opened.event}", opened.key, EVENT_AGE, request)
            )
            return response

        @get("/events/{code:str}", sync_to_thread=False)
        def read_event(self, request: AnyRequest, code: str) -> EventView:
            """Describe an event to one who has its code."""
            event = library.by_code(code)
            return library.view(
                code,
                _key(request, f"holdfast_seat_{event.id}"),
                _key(request, f"holdfast_host_{event.id}"),
            )

        @post("/events/{code:str}/seats")
        async def take_seat(
            self, request: AnyRequest, code: str, data: SeatWish
        ) -> Response[SeatInfo]:
            """Join an event; the same key gets the same seat, however often it asks."""
            info, is_new = await library.take_seat(code, data.name, data.key)
            cookie = _cookie(f"holdfast_seat_{info.event}", data.key, EVENT_AGE, request)
            return Response(info, status_code=201 if is_new else 200, cookies=[cookie])

    return [Router("/", route_handlers=[QuizController])]


def visitor_of(app: QuizApp, cookies: Mapping[str, str]) -> tuple[str, str] | None:
    """Say who sends these cookies: a host, a participant, or nobody that is known."""
    for name, value in islice(cookies.items(), http_limits.COOKIES_MAX):
        if not KEY_FORM.fullmatch(value):
            continue
        kind, _, event_id = name.removeprefix("holdfast_").partition("_")
        event = app.events.get(event_id)
        if event is None:
            continue
        hashed = store.key_hash(value)
        if kind == "host" and hmac.compare_digest(hashed, event.host_key):
            return "operator", event.id
        seat = event.seat_keys.get(hashed)
        if kind == "seat" and seat is not None:
            return "member", seat
    return None


def _key(request: AnyRequest, name: str) -> str | None:
    """Return a secret from a cookie, if it has the form of one."""
    value = request.cookies.get(name)
    return value if value is not None and KEY_FORM.fullmatch(value) else None


def _author(request: AnyRequest, app: QuizApp) -> str:
    """Return who this browser is as an author: its cookie, or a new secret."""
    return _key(request, AUTHOR) or text_of(app.hub.world.secret_bytes(20))


def _for_author(body: T, author: str, request: AnyRequest, status: int = 200) -> Response[T]:
    """Answer, and give the browser its secret."""
    cookie = _cookie(AUTHOR, author, AUTHOR_AGE, request)
    return Response(body, status_code=status, cookies=[cookie])


def _cookie(name: str, value: str, age: int, request: AnyRequest) -> Cookie:
    return Cookie(
        name,
        value=value,
        max_age=age,
        path="/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
