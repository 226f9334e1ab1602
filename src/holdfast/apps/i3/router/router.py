"""A router for muds: a listener, a store and a clock around the machine that decides.

::

    async with Database(path, {"i3_router": MIGRATIONS}) as database:
        async with Router(database, RouterSettings(name="*hub", port=8787)) as router:
            print(router.port)
            ...
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

from holdfast.apps.i3 import limits
from holdfast.apps.i3.lpc import LpcError
from holdfast.apps.i3.mudmode import ACCEPTED_MAX, Mudmode, packet, packets
from holdfast.apps.i3.router.effects import Admit, Close, Pause, Send, SendWritten
from holdfast.apps.i3.router.keeper import Keeper
from holdfast.apps.i3.router.machine import RouterMachine
from holdfast.apps.i3.router.store import load
from holdfast.connection import Listener, ListenerSettings
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from holdfast.apps.i3.packets import MudRow
    from holdfast.apps.i3.router.channels import Channel
    from holdfast.apps.i3.router.effects import Effect
    from holdfast.apps.i3.router.settings import RouterSettings
    from holdfast.connection import Peer
    from holdfast.storage import Database
    from holdfast.world import World

log = logging.getLogger("holdfast.i3")


class Router:
    """One router; use it as an async context manager.

    Args:
        database: keeps muds, passwords and channels, with ``MIGRATIONS``; None: they end with the router.
        settings: of the router.
        world: wall time and secrets.

    Raises:
        NetworkError: 1002; the address is taken.
        StorageError: 8xxx; what was kept cannot be read.
    """

    def __init__(
        self,
        database: Database | None,
        settings: RouterSettings,
        *,
        world: World | None = None,
    ) -> None:
        self.settings = settings
        self.port = 0
        self._database = database
        self._world = RealWorld() if world is None else world
        self._machine = RouterMachine(settings, self._world.secret_bytes)
        self._keeper = Keeper(database, self._perform)
        self._sessions: dict[int, _Session] = {}
        self._numbers = itertools.count(1)
        self._listener = Listener(
            self._welcome,
            framing=Mudmode,
            settings=ListenerSettings(
                connections_max=settings.connections_max,
                per_address_max=settings.per_address_max,
                accept_rate=settings.accept_rate,
                accept_burst=settings.accept_burst,
                proof_timeout=settings.startup_timeout,
                write_queue_max=limits.ROUTER_WRITE_QUEUE_MAX,
                message_max=ACCEPTED_MAX,
            ),
            name=f"router {settings.name}",
        )
        self._timer: asyncio.TimerHandle | None = None
        self._armed: float | None = None
        self._packets_in = 0
        self._packets_out = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        wall = self._world.wall_now()
        kept = None
        if self._database is not None:
            kept = await self._database.read(lambda connection: load(connection, wall))
        self._machine = RouterMachine(
            self.settings, self._world.secret_bytes, wall=wall - loop.time(), kept=kept
        )
        self._take(self._machine.on_time(loop.time()))
        self.port = await self._listener.start(self.settings.host, self.settings.port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tell the muds, close to them, and keep what there is to keep."""
        self._take(self._machine.leave(1))
        await self._listener.stop()
        await self._keeper.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- to be looked at --------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Of the router."""
        return self.settings.name

    @property
    def muds(self) -> dict[str, MudRow]:
        """All muds that are known, as in the list."""
        return {mud.name: mud.row for mud in self._machine.network.muds.versions}

    @property
    def up(self) -> frozenset[str]:
        """The muds that are connected and have started up."""
        return frozenset(self._machine.network.up)

    @property
    def channels(self) -> dict[str, Channel]:
        """All channels."""
        return {channel.name: channel for channel in self._machine.network.channels.versions}

    def statistics(self) -> dict[str, int]:
        """Count: connections, muds and channels now; packets and what became of them since the start."""
        network = self._machine.network
        return {
            "connections": len(self._sessions),
            "connections_refused": self._listener.refused,
            "slow_readers": self._listener.slow,
            "muds_up": len(network.up),
            "muds": len(network.muds),
            "channels": len(network.channels),
            "packets_in": self._packets_in,
            "packets_out": self._packets_out,
            "unkept": len(self._keeper.unkept),
            **network.counts,
        }

    # --- what comes -------------------------------------------------------------------------

    def _welcome(self, peer: Peer) -> _Session:
        number = next(self._numbers)
        session = self._sessions[number] = _Session(self, number, peer)
        host, port = peer.local
        self._machine.connected(number, peer.remote, f"{host} {port}")
        return session

    def _received(self, session: _Session, body: bytes) -> None:
        now = asyncio.get_running_loop().time()
        found = packets(body)
        size = len(body) // max(len(found.values), 1)
        for value in found.values:
            self._packets_in += 1
            self._take(self._machine.received(session.number, value, size, now), session)
        if found.error is not None:
            self._packets_in += 1
            self._take(self._machine.garbled(session.number, found.error.message))
        if self._keeper.waiting >= limits.ROUTER_HELD_MAX:
            session.pause(limits.ROUTER_HELD_PAUSE)

    def _lost(self, session: _Session) -> None:
        del self._sessions[session.number]
        self._take(self._machine.lost(session.number, asyncio.get_running_loop().time()))

    def _on_time(self, due: float) -> None:
        self._timer = self._armed = None
        # A loop may fire a timer a clock tick early; what was announced for now is due now.
        self._take(self._machine.on_time(max(due, asyncio.get_running_loop().time())))

    # --- what is done -----------------------------------------------------------------------

    def _take(self, effects: list[Effect], session: _Session | None = None) -> None:
        """Do what the machine wants; what came on a session may be readable and still not writable."""
        refused = ""
        for at, effect in enumerate(effects):
            if type(effect) is Send:
                try:
                    effects[at] = SendWritten(effect.links, packet(effect.value))
                except (
                    LpcError
                ) as error:  # a zero in a text, or too large: others would drop it without a word
                    effects[at] = SendWritten((), b"")
                    refused = error.message
        self._keeper.take(effects)
        if refused:
            if session is None:  # an error about a packet of old that is too deep to be returned
                log.warning("something could not be sent: %s", refused)
            else:
                self._take(self._machine.garbled(session.number, refused))
        due = self._machine.next_deadline()
        if due != self._armed:
            self._arm(due)

    def _arm(self, due: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed, self._timer = due, None
        if due is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._on_time, due)

    def _perform(self, effects: list[Effect]) -> None:
        sessions = self._sessions
        for effect in effects:
            if type(effect) is SendWritten:
                body = effect.body
                for number in effect.links:
                    session = sessions.get(number)
                    if session is not None:
                        self._packets_out += 1
                        session.peer.send(body)
            elif isinstance(effect, Close | Admit | Pause):
                session = sessions.get(effect.link)
                if session is None:
                    continue
                match effect:
                    case Close():
                        session.peer.close()
                    case Admit():
                        session.peer.proved()
                    case Pause():
                        session.pause(effect.seconds)


class _Session:
    """A connection of the router: hands on what comes."""

    __slots__ = ("_router", "_waking", "number", "peer")

    def __init__(self, router: Router, number: int, peer: Peer) -> None:
        self._router = router
        self._waking: asyncio.TimerHandle | None = None
        self.number = number
        self.peer = peer

    def received(self, message: bytes) -> None:
        """Hand on a frame."""
        self._router._received(self, message)

    def ponged(self, number: int) -> None:
        """There are none."""

    def lost(self, error: Exception | None) -> None:
        """It is gone."""
        if self._waking is not None:
            self._waking.cancel()
        if error is not None:
            log.info("a connection from %s broke: %s", self.peer.remote, error)
        self._router._lost(self)

    def pause(self, seconds: float) -> None:
        """Read nothing for a while, counted from now; a longer while that was begun before holds."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._waking is None:
            self.peer.pause()
        elif self._waking.when() >= due:
            return
        else:
            self._waking.cancel()
        self._waking = loop.call_at(due, self._resume)

    def _resume(self) -> None:
        self._waking = None
        self.peer.resume()
