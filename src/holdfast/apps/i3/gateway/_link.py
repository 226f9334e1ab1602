"""The connection to the routers: one at a time, with the startup as its handshake."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from holdfast.apps.i3 import limits, mudmode, packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway import store
from holdfast.apps.i3.gateway.events import ShutdownWarning
from holdfast.connection import ConnectionSettings, ConnectionState, ReliableConnection
from holdfast.errors import ConnectionFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._queue import Queue
    from holdfast.apps.i3.gateway._sender import Sender
    from holdfast.apps.i3.gateway.effects import Refused, Replied
    from holdfast.connection import StateChange

log = logging.getLogger("holdfast.i3")

STABLE_AFTER = 30.0
"""Seconds that a router has to hold before attempts begin anew with short delays."""

FRAMES_AT_ONCE = 50
"""Frames that are taken before others have a turn: about three milliseconds."""


class Link:
    """Keeps a connection to a router.

    Args:
        desk: what all share.

    Attributes:
        connection: over all routers.
        oob_port: where we listen out of band, 0 for nowhere.
        oob_services: what other muds find there.
        readies: how often a router let us in.
        troubles: why the last attempt on each router failed or its last connection ended, for a person.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        settings = desk.settings
        self.connection = ReliableConnection(
            *self._urls(),
            settings=ConnectionSettings(
                connect_timeout=settings.connect_timeout,
                handshake_timeout=settings.startup_timeout,
                heartbeat=None,  # the protocol has none; the machine probes
                initial_delay=settings.retry_delay,
                max_delay=settings.retry_delay_max,
                failover_delay=settings.attempt_interval,
                stable_after=STABLE_AFTER,
                message_max=mudmode.ACCEPTED_MAX,
                received_max=limits.ROUTER_ARRIVALS_MAX,
            ),
            handshake=self._start_up,
            framing=mudmode.Mudmode,
            admission=self._spaced,
            name=f"i3 {settings.mud_name}",
            world=desk.world,
        )
        self.connection.on_change(self._changed)
        self._reply: asyncio.Future[Replied] | None = None
        self._next_attempt_at = float("-inf")
        self._saving: set[asyncio.Future[None]] = set()
        self.sender: Sender
        self.queue: Queue
        self.oob_port = 0
        self.oob_services: Mapping[str, int] = {}
        self.readies = 0
        self.troubles: dict[str, str] = {}

    def _urls(self, first: str = "") -> list[str]:
        return [address.url for address in self._desk.routers.order(first)]

    # --- life -------------------------------------------------------------------------------

    async def read(self) -> None:
        """Take what comes, for as long as the connection is wanted."""
        taken = 0
        async for frame in self.connection:
            self._desk.received(frame)
            taken += 1
            if taken % FRAMES_AT_ONCE == 0:
                # While frames wait, taking the next one does not wait: nobody else would have a turn.
                await asyncio.sleep(0)

    async def stop(self) -> None:
        """Take leave of the router."""
        machine, settings = self._desk.machine, self._desk.settings
        if machine.is_ready:
            delay = settings.restart_delay
            self._desk.tell(ShutdownWarning(source=machine.name, returns_in=delay))
            leave = packets.Shutdown(
                from_mud=machine.name, to_mud=machine.router, restart_delay=delay
            )
            self.connection.send_now(self.sender.parcel(leave).frame)
        await self.connection.close()

    def renew(self) -> None:
        """Leave the router and come back."""
        self.connection.renew("somebody asked for it")
        self.connection.probe()

    # --- the startup ------------------------------------------------------------------------

    async def _spaced(self) -> None:
        """Wait until another attempt is no nuisance: some routers close what comes twice in a second."""
        await asyncio.sleep(max(0.0, self._next_attempt_at - self._desk.now()))
        jitter = self._desk.world.random.uniform(1.0, 1.5)
        self._next_attempt_at = self._desk.now() + self._desk.settings.attempt_interval * jitter

    async def _start_up(self, connection: ReliableConnection) -> None:
        desk, routers = self._desk, self._desk.routers
        assert connection.endpoint is not None, "an attempt is one on an endpoint"
        router = routers.current = routers.at(connection.endpoint.url)
        startup = desk.machine.attempt(
            router.name, routers.password(router.name), self.oob_port, self.oob_services
        )
        reply = self._reply = asyncio.get_running_loop().create_future()
        connection.say(self.sender.parcel(startup).frame)
        self.sender.started()
        answer = await reply
        target = routers.replied(answer.rows, answer.password)
        # The password is kept before anything else is done with this router: it is what names us next time.
        known = routers.all
        await desk.database.write(lambda c: store.save_routers(c, known))
        connection.reroute(*self._urls(target))
        if target != router.name:
            raise ConnectionFailedError(f"{router.name} sends us on to {target}.")

    def replied(self, reply: Replied) -> None:
        """The router answered, now or once more."""
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(reply)
            return
        if self.connection.state is not ConnectionState.CONNECTED:
            return  # a second reply while the first is being kept
        routers = self._desk.routers
        assert routers.current is not None, "only a router that we are on replies"
        target = routers.replied(reply.rows, reply.password)
        known = routers.all
        saving = self._desk.database.submit(lambda c: store.save_routers(c, known))
        self._saving.add(saving)
        saving.add_done_callback(self._saved)
        self.connection.reroute(*self._urls(target))
        if target != routers.current.name:
            self.connection.renew(f"{routers.current.name} sends us on to {target}")

    def _saved(self, saving: asyncio.Future[None]) -> None:
        self._saving.discard(saving)
        if not saving.cancelled() and saving.exception() is not None:
            log.error("a router's new password could not be kept: %s", saving.exception())

    def refused(self, refusal: Refused) -> None:
        """The router does not let us in: another may, and this one later."""
        if self._reply is not None and not self._reply.done():
            name = self._desk.machine.router
            message = f"{name} does not let us in: {refusal.message or refusal.code}"
            self._reply.set_exception(I3Error(I3Code.STARTUP_REFUSED, message))

    def leave(self, message: str) -> None:
        """The router is deaf."""
        self.connection.renew(message)

    # --- changes ----------------------------------------------------------------------------

    def _changed(self, change: StateChange) -> None:
        desk = self._desk
        if change.message:
            tried = self.connection.endpoint  # None when no name could be resolved
            address = desk.routers.order()[0] if tried is None else desk.routers.at(tried.url)
            self.troubles[address.name] = change.message
        if change.new is ConnectionState.CONNECTED:
            self.readies += 1
            effects = desk.machine.ready(desk.now())
            desk.perform(effects)
            self.queue.wake()
        else:
            try:
                for frame in self.connection.take():  # what it said last is known before its end is
                    desk.received(frame)
            finally:
                effects = desk.machine.lost(desk.now())
                self.sender.lost()
                desk.perform(effects)
        desk.arm()
