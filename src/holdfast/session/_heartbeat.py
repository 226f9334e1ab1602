"""Who is there: pings, dead connections, grace, and the sweep over what is over.

Theory. Any frame is life. A ping that nothing followed for the pong timeout ends the connection. A session
that lost its connection is away; if it is not back when the grace is over, it is gone, and only then others
hear of it (that is the application's part). One timer per connection, one per session that is away.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.errors import ErrorCode, SessionError, SessionExpiredError
from holdfast.session import store, wire
from holdfast.session.connection import Packet
from holdfast.session.machine import ConnectionState
from holdfast.session.record import PresenceState

if TYPE_CHECKING:
    from holdfast.session.connection import Connection
    from holdfast.session.hub import Hub
    from holdfast.session.record import Session
    from holdfast.session.transaction import Transaction

log = logging.getLogger("holdfast.session")

OPENING_PINGS: Final = 4
"""Pings that are sent in quick succession after opening, to learn the round trip."""

OPENING_PING_INTERVAL: Final = 0.5
"""Seconds between them."""

SWEEP_BATCH_MAX: Final = 500
"""Sessions that one sweep forgets at most; the next sweep takes the rest."""


class Heartbeat:
    """Watches over the connections and sessions of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def start(self, now: float) -> None:
        """Begin to sweep."""
        self._hub.timers.at(now + self._hub.settings.sweep_interval, self._sweep)

    def connected(self, connection: Connection, now: float) -> None:
        """A transport is there; it has to open a session soon."""
        connection.heartbeat = self._hub.timers.at(
            now + limits.HANDSHAKE_TIMEOUT, partial(self._opening_late, connection)
        )

    def opened(self, connection: Connection) -> None:
        """A session is open on it; ping from now on."""
        self.forget(connection)
        self._beat(connection)

    def forget(self, connection: Connection) -> None:
        """Stop watching a connection."""
        if connection.heartbeat is not None:
            connection.heartbeat.cancel()
            connection.heartbeat = None

    def answered(self, connection: Connection, number: int, now: float) -> None:
        """Take in a pong; the answer to the newest ping measures the round trip."""
        if number == connection.pings and connection.ping_sent is not None:
            if connection.session is not None:
                connection.session.measured(now - connection.ping_sent)
            connection.ping_sent = None

    def came(self, tx: Transaction, session: Session) -> None:
        """A session has a connection again."""
        if session.away is not None:
            session.away.cancel()
            session.away = None
        session.last_heard_ms = tx.now_ms
        self._change(tx, session, PresenceState.CONNECTED)

    def went(self, tx: Transaction, session: Session) -> None:
        """A session has lost its connection."""
        tx.execute(store.SET_AWAY, (session.last_heard_ms, session.id))
        self.expect(session)
        self._change(tx, session, PresenceState.TEMPORARILY_DISCONNECTED)

    def gone(self, tx: Transaction, session: Session) -> None:
        """A session is being ended."""
        self._change(tx, session, PresenceState.DISCONNECTED)

    def expect(self, session: Session) -> None:
        """Give a session that was found in the store the whole grace to come back."""
        session.away = self._hub.timers.at(
            self._hub.now() + self._hub.settings.grace, partial(self._grace_over, session)
        )

    def _change(self, tx: Transaction, session: Session, state: PresenceState) -> None:
        if session.presence is not state:
            session.presence = state
            self._hub.app.presence(tx, session, state)

    def _grace_over(self, session: Session) -> None:
        session.away = None
        if not session.is_ended:
            self._hub.apply(lambda tx: self._change(tx, session, PresenceState.DISCONNECTED))

    def _beat(self, connection: Connection) -> None:
        hub, now = self._hub, self._hub.now()
        if connection.conversation.state is ConnectionState.CLOSED:
            return
        if connection.silent_since is not None:
            dead_at = connection.silent_since + hub.settings.pong_timeout
            if now >= dead_at:
                hub.bye(
                    connection,
                    SessionError("Nothing was heard.", code=ErrorCode.HEARTBEAT_TIMEOUT),
                    again=True,
                )
            else:
                self._beat_at(connection, dead_at)
            return
        connection.pings += 1
        connection.ping_sent = connection.silent_since = now
        connection.link.send(Packet(connection.codec.encode(wire.Ping(connection.pings))))
        if connection.pings < OPENING_PINGS:
            self._beat_at(connection, now + OPENING_PING_INTERVAL)
            return
        jitter = hub.world.random.uniform(1 - limits.PING_JITTER, 1 + limits.PING_JITTER)
        self._beat_at(connection, now + hub.settings.ping_interval * jitter)

    def _beat_at(self, connection: Connection, due: float) -> None:
        connection.heartbeat = self._hub.timers.at(due, partial(self._beat, connection))

    def _opening_late(self, connection: Connection) -> None:
        if connection.conversation.state is ConnectionState.AWAITING:
            self._hub.bye(
                connection,
                SessionError(
                    f"No session was opened within {limits.HANDSHAKE_TIMEOUT:.0f} s.",
                    code=ErrorCode.HANDSHAKE_TIMEOUT,
                ),
                again=True,
            )

    def _sweep(self) -> None:
        """Forget sessions that nobody came back to."""
        hub = self._hub
        oldest = hub.now_ms() - round(1000 * hub.settings.session_ttl)
        expired = [
            session
            for session in hub.sessions.values()
            if session.presence is PresenceState.DISCONNECTED and session.last_heard_ms < oldest
        ][:SWEEP_BATCH_MAX]
        if expired:
            log.info("sweep: %d sessions are over", len(expired))
            error = SessionExpiredError("Nobody came back in time.")

            def end_all(tx: Transaction) -> None:
                for session in expired:
                    tx.end(session, error)

            hub.apply(end_all)
        hub.timers.at(hub.now() + hub.settings.sweep_interval, self._sweep)
