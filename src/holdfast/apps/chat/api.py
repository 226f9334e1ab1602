"""The HTTP side of the page: what is read, and what is done at once or not at all.

What has to survive (a message) goes through the session (``service``); what somebody waits for in front of the
page is a request: history, search, an invitation, a new contact. Every request carries the token (``access``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

from litestar import Controller, Request, Response, Router, delete, get, post, put
from litestar.datastructures import State
from litestar.params import Body, PathParameter, QueryParameter
from msgspec import Meta, Struct

from holdfast.apps.chat import limits, views
from holdfast.apps.chat.errors import ChatCode, ChatError
from holdfast.apps.chat.wire import MIME_MAX, SHOWN, FileNote, Id, Kind, Link, Name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar.connection import ASGIConnection
    from litestar.handlers import BaseRouteHandler
    from litestar.types import ControllerRouterHandler

    from holdfast.apps.chat.service import ChatApp
    from holdfast.node import Message

AnyRequest = Request[object, object, State]
Count = Annotated[int, QueryParameter(ge=0)]
MaybeCount = Annotated[int | None, QueryParameter(ge=0)]
Part = Annotated[str, PathParameter()]

SAFE_MIME: Final = re.compile(r"image/(png|jpeg|gif|webp)")
"""Kinds of pictures that a page may show; everything else is only ever saved."""


class NewIdentity(Struct, frozen=True):
    """A face to make."""

    name: Name


class NewInvitation(Struct, frozen=True):
    """Whom to invite, and as whom."""

    identity: Id
    name: Annotated[str, Meta(max_length=limits.NAME_MAX)] = ""
    note: Annotated[str, Meta(max_length=limits.NAME_MAX)] = ""


class NewContact(Struct, frozen=True):
    """An invitation to use."""

    identity: Id
    link: Link
    name: Annotated[str, Meta(max_length=limits.NAME_MAX)] = ""


class ContactChange(Struct, frozen=True):
    """What to change about a contact; what is left out stays."""

    name: Name | None = None
    reads: bool | None = None
    verified: bool | None = None


class NewRoom(Struct, frozen=True):
    """A room to open."""

    identity: Id
    name: Name
    members: Annotated[list[Id], Meta(min_length=1, max_length=64)]


class Upload(Struct, frozen=True):
    """An attachment to come; ``digest`` is SHA-256 as hexadecimal digits."""

    id: Id
    name: Annotated[str, Meta(min_length=1, max_length=2 * limits.NAME_MAX)]
    mime: Annotated[str, Meta(max_length=MIME_MAX)]
    size: Annotated[int, Meta(ge=1)]
    digest: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


def chat_routes(app: ChatApp) -> list[ControllerRouterHandler]:
    """Make the handlers of one chat."""

    def guard(request: ASGIConnection[object, object, object, State], _: BaseRouteHandler) -> None:
        headers = request.headers
        app.access.require_request(headers.get("host", ""), headers.get("authorization", ""))

    handlers = [_talks(app), _people(app), _rooms(app), _files(app), _machine(app)]
    return [Router("/api/chat", route_handlers=handlers, guards=[guard])]


def _require(app: ChatApp, conversation: str) -> None:
    if not app.knows(conversation):
        raise ChatError(
            ChatCode.CONVERSATION_NOT_FOUND, "There is no such conversation (any more)."
        )


async def _rows(app: ChatApp, messages: Sequence[Message]) -> list[views.Shown]:
    for message in messages:
        if message.kind == Kind.FILE:
            await app.files.prepare(message)
    return [views.message_row(message, app.files.there) for message in messages]


def _talks(app: ChatApp) -> type[Controller]:
    class Talks(Controller):
        """What was said."""

        path = "/talks"
        tags = ["chat"]  # noqa: RUF012 - as the framework declares it

        @get("/{conversation:str}")
        async def rows(
            self, conversation: Part, before: MaybeCount = None, since: MaybeCount = None
        ) -> views.Shown:
            """Return the latest lines, those before a number, or those that changed since a revision."""
            _require(app, conversation)
            talk = app.board.talk(conversation)
            revision = talk.revision
            changed = None if since is None else talk.since(since)
            if changed is not None and len(changed) <= limits.PAGE_ROWS:
                found = [await app.node.message(conversation, message) for message in changed]
                messages = [item for item in found if item is not None and item.kind in SHOWN]
                return {
                    "revision": revision,
                    "whole": False,
                    "rows": await _rows(app, messages),
                    "gone": [
                        message
                        for message, item in zip(changed, found, strict=True)
                        if item is None
                    ],
                }
            messages = await app.node.history(
                conversation, before=before, limit=limits.PAGE_ROWS, kinds=SHOWN
            )
            rows = await _rows(app, messages)
            return {"revision": revision, "whole": before is None, "rows": rows, "gone": []}

        @get("/")
        async def search(
            self, words: Annotated[str, QueryParameter(max_length=200)]
        ) -> list[views.Shown]:
            """Find lines in all conversations."""
            if not words.strip():
                return []
            found = await app.node.search(words, limit=limits.FOUND_MAX)
            return [
                views.message_row(message, app.files.there) | {"in": message.conversation}
                for message in found
            ]

        @delete("/{conversation:str}")
        async def forget(self, conversation: Part, through: Count) -> None:
            """Delete what was said up to a number, on this device."""
            _require(app, conversation)
            await app.node.delete_history(conversation, through=through)
            app.board.forgot(conversation)

    return Talks


def _people(app: ChatApp) -> type[Controller]:
    class People(Controller):
        """Who we are and whom we know."""

        path = "/"
        tags = ["chat"]  # noqa: RUF012 - as the framework declares it

        @post("/identities")
        async def add_identity(self, data: Annotated[NewIdentity, Body()]) -> views.Shown:
            """Make new keys under a name."""
            made = await app.node.create_identity(data.name)
            app.board.look()
            return views.identity_row(made)

        @post("/invitations")
        async def invite(self, data: Annotated[NewInvitation, Body()]) -> views.Shown:
            """Make an invitation for one person."""
            made = await app.node.invite(data.identity, name=data.name, note=data.note)
            app.board.look()
            return {"link": made.link, "contact": made.contact}

        @post("/contacts")
        async def accept(self, data: Annotated[NewContact, Body()]) -> views.Shown:
            """Use an invitation."""
            contact = await app.node.accept(data.identity, data.link.strip(), data.name)
            app.board.look()
            return {"id": contact.id}

        @get("/contacts/{contact:str}/words", sync_to_thread=False)
        def words(self, contact: Part) -> list[str]:
            """Return the words to compare."""
            _require(app, contact)
            return list(app.node.safety_words(contact))

        @put("/contacts/{contact:str}")
        async def change(self, contact: Part, data: Annotated[ContactChange, Body()]) -> None:
            """Rename a contact, tell or no longer tell what we have read, note that the words were compared."""
            _require(app, contact)
            if data.name is not None:
                await app.node.rename(contact, data.name)
            if data.reads is not None:
                await app.node.allow_read(contact, allowed=data.reads)
            if data.verified is not None:
                await app.node.verify(contact, is_verified=data.verified)
            app.board.look()

        @delete("/contacts/{contact:str}")
        async def remove(self, contact: Part) -> None:
            """Forget a contact and all that was said."""
            _require(app, contact)
            await app.node.remove_contact(contact)
            app.board.look()

    return People


def _rooms(app: ChatApp) -> type[Controller]:
    class Rooms(Controller):
        """Rooms of friends."""

        path = "/rooms"
        tags = ["chat"]  # noqa: RUF012 - as the framework declares it

        @post("/")
        async def open_room(self, data: Annotated[NewRoom, Body()]) -> views.Shown:
            """Open a room."""
            room = await app.node.create_room(data.identity, data.name, data.members)
            app.board.look()
            return {"id": room.id}

        @put("/{room:str}/members/{contact:str}")
        async def add(self, room: Part, contact: Part) -> None:
            """Add a contact."""
            _require(app, room)
            await app.node.add_member(room, contact)
            app.board.look()

        @delete("/{room:str}/members/{contact:str}")
        async def remove(self, room: Part, contact: Part) -> None:
            """Remove a member."""
            _require(app, room)
            await app.node.remove_member(room, contact)
            app.board.look()

        @delete("/{room:str}")
        async def leave(self, room: Part) -> None:
            """Leave a room."""
            _require(app, room)
            await app.node.leave_room(room)
            app.board.look()

    return Rooms


def _files(app: ChatApp) -> type[Controller]:
    class Attachments(Controller):
        """Attachments, up and down."""

        path = "/files"
        tags = ["chat"]  # noqa: RUF012 - as the framework declares it

        @post("/{conversation:str}")
        async def begin(self, conversation: Part, data: Annotated[Upload, Body()]) -> views.Shown:
            """Take up an upload, a new one or one that was interrupted."""
            _require(app, conversation)
            if data.size > limits.FILE_BYTES_MAX:
                megabytes = limits.FILE_BYTES_MAX // limits.KIB // limits.KIB
                raise ChatError(
                    ChatCode.FILE_TOO_LARGE, f"An attachment may have {megabytes} MB at most."
                )
            digest = bytes.fromhex(data.digest)
            note = FileNote(data.id, data.name, data.mime, data.size, digest)
            kept = await app.files.begin(conversation, note)
            return {"kept": kept, "piece": limits.PIECE_BYTES, "pieces": note.pieces}

        @put("/{file:str}/{number:int}")
        async def add(
            self, request: AnyRequest, file: Part, number: Annotated[int, PathParameter()]
        ) -> None:
            """Keep one piece."""
            await app.files.add(file, number, await request.body())

        @get("/{conversation:str}/{file:str}")
        async def whole(self, conversation: Part, file: Part) -> Response[bytes]:
            """Return an attachment, to be saved; only some kinds of pictures keep their kind."""
            _require(app, conversation)
            note, data = await app.files.joined(conversation, file)
            is_picture = SAFE_MIME.fullmatch(note.mime) is not None
            return Response(
                data,
                media_type=note.mime if is_picture else "application/octet-stream",
                headers={
                    "Content-Disposition": "attachment",
                    "Content-Security-Policy": "sandbox; default-src 'none'",
                    "X-Content-Type-Options": "nosniff",
                },
            )

    return Attachments


def _machine(app: ChatApp) -> type[Controller]:
    class Machine(Controller):
        """How the node does."""

        path = "/node"
        tags = ["chat"]  # noqa: RUF012 - as the framework declares it

        @get("/board")
        async def board(self) -> views.Shown:
            """Return what all pages see: conversations, gateways, what waits, counts of errors."""
            return await app.shown()

        @get("/errors", sync_to_thread=False)
        def errors(self) -> list[views.Shown]:
            """List the last errors, the newest first."""
            return [views.error_row(error) for error in app.errors.recent(limits.ERRORS_SHOWN)]

        @get("/figures", sync_to_thread=False)
        def figures(self) -> views.Shown:
            """Return the node's own figures."""
            return app.node.statistics()

        @post("/retry", sync_to_thread=False)
        def retry(self) -> None:
            """Try everything that waits now."""
            app.node.retry_now()
            app.board.look()

        @post("/network", sync_to_thread=False)
        def network(self) -> None:
            """The page noticed that the network changed, or that the machine has slept."""
            app.node.network_changed()

    return Machine
