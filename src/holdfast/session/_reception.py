"""How sessions are opened, resumed, taken over and brought up to date.

Theory. What a client is shown is built when its request is handled, so that it contains only what was asked of
the store before; it is sent when the request's own transaction is committed, so after all of that. The
connection becomes a reader of its channels at that same moment: everything earlier is in what it was
shown, everything later is sent to it. Nothing is missed, nothing comes twice.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from holdfast.errors import (
    ErrorCode,
    ResilienceError,
    SessionError,
    SessionExpiredError,
    SessionReplacedError,
    TokenRejectedError,
)
from holdfast.session import store, wire
from holdfast.session._closing import application_failed
from holdfast.session.connection import Packet
from holdfast.session.machine import ConnectionState
from holdfast.session.record import Session
from holdfast.session.token import first_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from holdfast.session.connection import Connection
    from holdfast.session.hub import Hub
    from holdfast.session.transaction import Transaction

log = logging.getLogger("holdfast.session")


class Reception:
    """Lets clients in."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def hello(self, connection: Connection, frame: wire.Hello) -> None:
        """Open a new session, if the application agrees."""
        hub = self._hub
        if len(hub.sessions) >= hub.settings.sessions_max:
            error = SessionError(
                "There are too many sessions.", code=ErrorCode.SERVER_OVERLOADED, retry_after=5.0
            )
            hub.bye(connection, error, again=True)
            return
        token, tokens = first_token(hub.world)
        tx = hub.begin()
        session = Session(hub.world.new_id(), hub.world.new_id(), tokens, tx.now_ms)
        session.opening = connection
        try:
            auth = connection.codec.to_json(frame.auth)
            hub.app.open(tx, session, auth, connection.handshake)
        except ResilienceError as error:
            hub.bye(connection, error, again=False)
            return
        except Exception:
            log.exception("the application failed to open a session")
            hub.bye(connection, application_failed(), again=False)
            return
        hub.sessions[session.id] = session
        row = (session.id, session.principal, tokens.current, None, tx.now_ms)
        tx.execute(store.ADD_SESSION, row)
        tx.execute(store.ADD_CHANNEL, (f"@{session.id}", session.own.epoch))
        connection.session = session
        connection.stream = frame.stream
        session.stream(frame.stream)
        hub.heartbeat.came(tx, session)

        def show() -> None:
            answer = wire.Welcome(
                session.id,
                token,
                tx.now_ms,
                *hub.heartbeat_ms,
                self._catch_up(session, connection.codec, {}),
            )
            tx.after.append(partial(self._activate, connection, session, answer))

        hub.when_applied(tx, show)
        hub.close_transaction(tx)

    def resume(self, connection: Connection, frame: wire.Resume) -> None:
        """Return to a session: the newest connection has it, the older one is told."""
        hub = self._hub
        session = hub.sessions.get(frame.session)
        if session is None:
            error = SessionExpiredError("This session is not known (any more). Say hello.")
            hub.bye(connection, error, again=True)
            return
        tx = hub.begin()
        try:
            token = session.tokens.rotate(frame.token, hub.world)
        except TokenRejectedError as error:
            hub.bye(connection, error, again=True)
            return
        older_ones = session.connection, session.opening
        session.connection, session.opening = None, connection
        for older in older_ones:
            if older is not None:  # it may still look open: the newest one wins
                replaced = SessionReplacedError("The session is open on a newer connection.")
                hub.bye(older, replaced, again=False)
        connection.session = session
        connection.stream = frame.stream
        known = set(session.streams)
        for name in filter(known.__contains__, frame.pending):
            session.stream(name)  # these are in use: others are forgotten before them
        session.stream(frame.stream)
        for forgotten in known - set(session.streams):
            tx.execute(store.REMOVE_STREAM, (session.id, forgotten))
        tokens = session.tokens
        tx.execute(store.SET_TOKENS, (tokens.current, tokens.following, tx.now_ms, session.id))
        hub.heartbeat.came(tx, session)

        def show() -> None:
            answer = wire.Restored(
                session.id,
                token,
                tx.now_ms,
                *hub.heartbeat_ms,
                _acked(session, (frame.stream, *frame.pending)),
                self._catch_up(session, connection.codec, frame.channels),
            )
            tx.after.append(partial(self._activate, connection, session, answer))

        hub.when_applied(tx, show)
        hub.close_transaction(tx)

    def sync(self, connection: Connection, session: Session, frame: wire.Sync) -> None:
        """Give what was missed, and let it read on."""
        hub = self._hub
        tx = hub.begin()

        def show() -> None:
            answer = wire.Synced(
                _acked(session, session.streams),
                self._catch_up(session, connection.codec, frame.channels),
            )
            tx.after.append(partial(self._read_on, connection, session, answer))

        hub.when_applied(tx, show)
        hub.close_transaction(tx)

    def confirm(self, session: Session) -> None:
        """The newest token is stored at the client: retire the older one."""
        if session.tokens.confirm():
            current = session.tokens.current

            def write(tx: Transaction) -> None:
                tx.execute(store.CONFIRM_TOKEN, (current, session.id))

            self._hub.apply(write)

    def _activate(
        self, connection: Connection, session: Session, answer: wire.Welcome | wire.Restored
    ) -> None:
        if connection.conversation.state is not ConnectionState.OPENING:
            return  # it was lost or replaced while the answer was being committed
        session.opening = None
        session.connection = connection
        counts = self._hub.counts
        if isinstance(answer, wire.Welcome):
            counts.sessions_opened += 1
        else:
            counts.sessions_resumed += 1
        connection.conversation.opened()
        connection.link.send(Packet(connection.codec.encode(answer)))
        self._read(connection, session, answer.channels)
        self._hub.heartbeat.opened(connection)

    def _read_on(self, connection: Connection, session: Session, answer: wire.Synced) -> None:
        if session.connection is not connection:
            return
        connection.is_lagging = False
        connection.link.send(Packet(connection.codec.encode(answer)))
        self._read(connection, session, answer.channels)

    def _read(self, connection: Connection, session: Session, names: Iterable[str]) -> None:
        for name in names:
            if name in session.channels:
                self._hub.channels[name].readers[connection] = None

    def _catch_up(
        self, session: Session, codec: wire.Codec, positions: Mapping[str, wire.Position]
    ) -> dict[str, wire.CatchUp]:
        shown: dict[str, wire.CatchUp] = {}
        for name in (wire.PERSONAL, *session.channels):
            channel = session.own if name == wire.PERSONAL else self._hub.channels[name]
            reset: str | None = None
            if name in positions:
                replay = channel.replay(positions[name], codec)
                if not isinstance(replay, str):
                    shown[name] = replay
                    continue
                reset = replay
            state = msgspec.json.encode(self._hub.app.snapshot(session, name))
            shown[name] = channel.snapshot(state, codec, reset)
        return shown


def _acked(session: Session, names: Iterable[str]) -> dict[str, int]:
    return {
        name: session.streams[name].committed if name in session.streams else 0 for name in names
    }
