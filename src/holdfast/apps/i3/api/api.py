"""The client API of a gateway: calls come in, answers and events go out, over whatever transport there is.

Theory. A transport opens a session and hands over messages; ``calls`` judges what is asked for. Each client has a
place in the log of events (``events``): who is slow or was away is read to from the log, the others get an event at
once. A client that says where it stands (``after``) gets all that follows; one that does not, what its key was not
sent yet on any connection.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, cast

from holdfast import limits as floor_limits
from holdfast.apps.i3 import limits
from holdfast.apps.i3.api import params, results, rpc
from holdfast.apps.i3.api.calls import Calls, too_fast
from holdfast.apps.i3.api.events import EventLog
from holdfast.apps.i3.api.handlers import Handlers
from holdfast.apps.i3.api.keys import ApiKeys
from holdfast.apps.i3.api.members import Members
from holdfast.apps.i3.api.openrpc import described
from holdfast.apps.i3.api.rpc import RpcCode, RpcError
from holdfast.apps.i3.api.session import ApiSession
from holdfast.apps.i3.gateway.events import ShutdownWarning
from holdfast.errors import StorageError
from holdfast.health import Supervisor
from holdfast.resilience import RateLimitConfig, RateLimiter
from holdfast.session import Packet
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from holdfast.apps.i3.api.keys import Account
    from holdfast.apps.i3.api.session import ApiLink
    from holdfast.apps.i3.gateway import Event, Gateway
    from holdfast.storage import Database
    from holdfast.world import World

log = logging.getLogger("holdfast.i3")

PAUSE_AFTER_FAILURE: Final = 1.0
"""Seconds after which the log is read again for a client when that has failed."""

FULL_FOR: Final = 5.0
"""Seconds after which a client that is too many should try again."""

GOING_AWAY, POLICY = 1001, 1008


class Api:
    """Serves clients; use it as an async context manager, inside that of the gateway.

    Args:
        gateway: running.
        database: with the tables of ``store``.
        world: time, ids and secrets.

    Attributes:
        keys: who may come.
        events: what happened.
        sessions: clients that are connected, by id.
        calls: what they asked for.
    """

    def __init__(self, gateway: Gateway, database: Database, *, world: World | None = None) -> None:
        self._world: World = RealWorld() if world is None else world
        self._gateway = gateway
        self._members = Members()
        self.keys = ApiKeys(database, self._world, self._revoked)
        self.events = EventLog(database, self._world, self._readers)
        self.sessions: dict[str, ApiSession] = {}
        self.calls = Calls(
            Handlers(gateway, self.keys, self._members.count),
            {
                "authenticate": lambda session, given: self._authenticate(
                    session, cast("params.Authenticate", given)
                ),
                "ping": lambda *_: results.Pong(pong=True, timestamp=self._world.wall_now()),
                "heartbeat": lambda *_: results.Beat("ok", self._world.wall_now()),
                "status": lambda session, _: self._status(session),
                "stats": lambda *_: self._stats(),
                "rpc.discover": lambda *_: described(gateway.name),
            },
            gateway.name,
        )
        self._told: dict[str, int] = {}
        self._supervisor = Supervisor()
        self._is_closing = False
        self._tries = RateLimiter(
            RateLimitConfig(limits.API_TRIES, 60.0, limits.API_TRIES),
            keys_max=floor_limits.ADDRESSES_MAX,
            name="API keys that are wrong",
        )

    @property
    def mud_name(self) -> str:
        """Of the gateway."""
        return self._gateway.name

    async def __aenter__(self) -> Self:
        await self.keys.load()
        await self.events.load()
        self._gateway.on_event(self._happened)
        self._supervisor.start("events", self.events.run)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of all clients; events that came until now are kept."""
        self.close()
        await self.calls.close()
        await self._supervisor.__aexit__(kind, error, trace)
        try:
            await self.events.flush()
        except StorageError as failure:
            log.warning("the last events could not be kept: %s", failure.message)

    def close(self) -> None:
        """Tell all clients that this ends, and close their connections; harmless when it was done."""
        if self._is_closing:
            return
        self._is_closing = True
        self._happened(
            ShutdownWarning(source=self.mud_name, returns_in=self._gateway.settings.restart_delay)
        )
        for session in tuple(self.sessions.values()):
            session.link.close(GOING_AWAY, "the gateway ends")

    # --- connections ------------------------------------------------------------------------

    def admit(self) -> float:
        """Return 0.0 when one more may connect, else the seconds after which it should try again."""
        is_full = len(self.sessions) >= limits.API_CONNECTIONS_MAX
        return FULL_FOR if is_full or self._is_closing else 0.0

    def opened(self, link: ApiLink, remote: str, key: str | None = None) -> ApiSession:
        """Begin with a client.

        Args:
            link: its transport.
            remote: its address.
            key: that came with the handshake; a wrong one closes the connection.
        """
        session = ApiSession(self._world.new_id(), link, remote, _now())
        self.sessions[session.id] = session
        if key is not None:
            try:
                self._authenticate(session, params.Authenticate(api_key=key))
            except RpcError as error:
                self._refuse(session, error)
        return session

    def lost(self, session: ApiSession) -> None:
        """Take note that a connection is gone."""
        session.is_open = session.is_live = False
        session.work.set()
        self.sessions.pop(session.id, None)

    def received(self, session: ApiSession, message: bytes) -> None:
        """Do what a message asks for."""
        now = _now()
        if session.account is None and len(message) > limits.API_UNPROVED_BYTES_MAX:
            self._refuse(session, RpcError(RpcCode.NOT_AUTHENTICATED, "Say who you are first."))
            return
        if wait := session.takes(len(message), now):
            self._refuse(session, too_fast("Too many bytes a second.", wait))
            return
        calls, answers = rpc.read(message)
        for answer in answers:
            self.calls.count(RpcCode.INVALID_REQUEST)
            session.send(Packet(answer))
        session.refused = 0 if calls else session.refused + 1
        if session.refused > limits.API_REFUSED_MAX:
            session.link.close(POLICY, "too many messages that are no calls")
        for call in calls:
            self.calls.take(session, call, now)

    def _refuse(self, session: ApiSession, error: RpcError) -> None:
        """Refuse a message unread, and the connection of a stranger, or after many of them."""
        self.calls.count(error.code)
        session.refused += 1
        session.send(Packet(rpc.refusal(error, None)))
        if session.account is None or session.refused > limits.API_REFUSED_MAX:
            session.link.close(POLICY, error.message)

    # --- what is asked of the API itself ----------------------------------------------------

    def _status(self, session: ApiSession) -> results.Status:
        return results.Status(
            self._gateway.is_ready, self.mud_name, session.id, _now() - session.opened_at
        )

    def _stats(self) -> results.Stats:
        figures = self._gateway.statistics()

        def figure(name: str) -> int:
            value = figures.get(name, 0)
            return value if isinstance(value, int) else 0

        return results.Stats(
            mud_count=figure("mud_count"),
            online_muds=figure("online_muds"),
            channel_count=figure("channel_count"),
            session_count=len(self.sessions),
            mudlist_id=figure("mudlist_id"),
            chanlist_id=figure("chanlist_id"),
            gateway_connected=self._gateway.is_ready,
            packets_sent=figure("packets_sent"),
            packets_received=figure("packets_received"),
        )

    # --- who it is --------------------------------------------------------------------------

    def _authenticate(
        self, session: ApiSession, given: params.Authenticate
    ) -> results.Authenticated:
        account = self.keys.find(given.api_key)
        if account is None:
            wait = self._tries.check(session.remote, now=_now())
            if wait > 0:
                raise too_fast("Too many keys that are wrong.", wait)
            log.warning("a client at %s has a wrong key", session.remote)
            raise RpcError(RpcCode.NOT_AUTHENTICATED, "This is not a key of this gateway.")
        if session.account is None:
            self.calls.spawn(self.calls.messages_of(session), "i3-messages")
            session.link.proved()
        if given.after is not None or session.account is not account:
            session.is_live = False
            session.position = self._position(account, session, given.after)
            session.account = account
            # Begun as a task, so that the answer to this comes before the first event.
            self.calls.spawn(self._catch_up(session), "i3-catch-up")
        events = self.events
        is_complete = session.position >= events.floor and (given.after or 0) <= events.last
        return results.Authenticated(
            "authenticated", self.mud_name, session.id, session.position, is_complete
        )

    def _position(self, account: Account, session: ApiSession, after: int | None) -> int:
        """Return the event from which on a client gets what follows."""
        last = self.events.last
        if after is not None:
            return min(after, last)
        is_elsewhere = any(
            other.account is account and other is not session for other in self.sessions.values()
        )
        return last if is_elsewhere or account.sent == 0 else min(account.sent, last)

    def _revoked(self, account: Account) -> None:
        for session in tuple(self.sessions.values()):
            if session.account is account:
                session.is_expired, session.is_live = True, False
                session.link.close(POLICY, "the key was revoked")

    # --- events -----------------------------------------------------------------------------

    def _happened(self, event: Event) -> None:
        self._members.happened(event)
        entry = self.events.append(event)
        for session in self.sessions.values():
            if session.is_live and not session.offer(entry):
                self.calls.spawn(self._catch_up(session), "i3-catch-up")

    async def _catch_up(self, session: ApiSession) -> None:
        """Read to a client from the log until it has all there is."""
        events = self.events
        mine = session.begin_reading()
        while session.is_reading(mine):
            await session.link.room()
            known = events.last
            try:
                entries = await events.after(session.position)
            except StorageError as error:
                log.warning("events cannot be read for a client: %s", error.message)
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
                continue
            if not session.is_reading(mine):
                return
            for entry in entries:
                session.give(entry)
            if not entries:
                session.position = max(session.position, known)
            session.is_live = session.position >= events.last

    def _readers(self) -> Iterable[tuple[str, int]]:
        """Name the keys that were sent something since they were asked for last."""
        for name, account in self.keys.by_name.items():
            if account.sent != self._told.get(name, 0):
                self._told[name] = account.sent
                yield name, account.sent


def _now() -> float:
    return asyncio.get_running_loop().time()
