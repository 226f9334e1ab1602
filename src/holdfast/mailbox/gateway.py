"""A gateway: a listener, a machine that decides, a store that keeps.

::

    async with Database(folder / "gateway.db", {"mailbox": MIGRATIONS}) as database:
        gateway = Gateway(database, pin=pin_of_file(pem), tls=server_context(pem), pipe_to=others)
        port = await gateway.start("0.0.0.0", 8410)
        ...
        await gateway.stop()

Time is the gateway's own age: the seconds that it has run, over all its lives. No clock of the wall is read, so a wrong
one expires nothing, an envelope loses none of its days while the gateway is down, and a stolen disk tells no dates.

Whatever came in one turn of the loop is one job of the database, and the database commits all that came meanwhile
together: nothing is answered before it is on the disk. The log has counts in it, never a mailbox, never an address.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.connection import Listener, ListenerSettings
from holdfast.errors import ErrorCode, NetworkError, RemoteProtocolError, StorageError
from holdfast.mailbox import store
from holdfast.mailbox.figures import GatewayFigures
from holdfast.mailbox.key import NONCE_BYTES
from holdfast.mailbox.machine import MailboxMachine
from holdfast.mailbox.pipes import Pipes
from holdfast.mailbox.record import Cut, Fetch, Proved, Send
from holdfast.mailbox.settings import GatewaySettings
from holdfast.mailbox.tls import pinned_context
from holdfast.mailbox.wire import Pipe, Piping, Refused, encode, read_request
from holdfast.world import RealWorld

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Sequence

    from holdfast.connection import Peer
    from holdfast.mailbox.address import GatewayAddress
    from holdfast.mailbox.record import Client, Kept, Note
    from holdfast.storage import Database
    from holdfast.world import World

log = logging.getLogger("holdfast.mailbox")

SWEEP: Final = 600.0
"""Seconds between two looks at what has been there too long."""

AGAIN: Final = 10.0
"""Seconds after a failure of the disk until it is looked at again, whether or not somebody asks for it."""

LAST_WRITES: Final = 10.0
"""Seconds that the disk has for what came, at the end (then nobody is told what became of it)."""

RETRY: Final = 2.0
"""Seconds after which a client may try again what the disk did not take."""

READ_PATIENCE: Final = 30.0
"""Seconds that a reader may take to read what was sent to it (cut)."""

_LEAVE: Final = "The gateway ends; it may be back soon."

_QUEUE: Final = 4 * 1024 * limits.KIB
"""Bytes that may wait for a connection; handing out stops far below (a slow reader is cut)."""


class Gateway:
    """Mailboxes for whoever has their keys, and pipes to other gateways.

    Args:
        database: with ``store.MIGRATIONS`` under ``"mailbox"``.
        pin: of its own key, which proofs must name.
        settings: what it allows.
        pipe_to: gateways that it pipes to.
        tls: its side of TLS; None only where the network is a simulated one.
        world: secrets.

    Raises:
        ValueError: the list of gateways cannot be one.
    """

    def __init__(
        self,
        database: Database,
        *,
        pin: bytes,
        settings: GatewaySettings | None = None,
        pipe_to: Sequence[GatewayAddress] = (),
        tls: ssl.SSLContext | None = None,
        world: World | None = None,
    ) -> None:
        self.settings = GatewaySettings() if settings is None else settings
        self._database = database
        self._pin = pin
        self._world: World = RealWorld() if world is None else world
        self._pipes = Pipes(
            pipe_to,
            pin,
            self.settings,
            lambda target: None if tls is None else pinned_context(target.pin, self._world),
        )
        self._machine = MailboxMachine(pin, self.settings)
        self._birth = 0.0
        self._visitors: dict[int, _Visitor] = {}
        self._last_visitor = 0
        self._has_flush = False
        self._is_open = False
        self._has_failed = asyncio.Event()
        self._commit_listeners: list[Callable[[float], object]] = []
        self._writing: set[asyncio.Future[list[Kept]]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        how = self.settings
        self._listener = Listener(
            self._welcome,
            settings=ListenerSettings(
                connections_max=how.connections_max,
                per_address_max=how.per_address_max,
                proof_timeout=how.proof_timeout,
                read_timeout=how.read_timeout,
                write_queue_max=_QUEUE,
                message_max=limits.MAILBOX_FRAME_BYTES_MAX,
            ),
            tls=tls,
            name="gateway",
        )

    # --- life -------------------------------------------------------------------------------

    async def start(self, host: str, port: int = 0) -> int:
        """Read what is kept and listen; returns the port, a free one for 0.

        Raises:
            NetworkError: 1002; the address cannot be listened on.
            StorageError: 8xxx; the store cannot be read.
        """
        boxes, last, age = await store.load(self._database)
        self._birth = asyncio.get_running_loop().time() - age
        self._machine = MailboxMachine(self._pin, self.settings, boxes, last=last)
        await self._pipes.start(host)
        self._is_open = True  # before somebody can have connected
        port = await self._listener.start(host, port)
        self._spawn(self._look_after(), "sweep")
        log.info("gateway: %d mailboxes, %d envelopes", len(boxes), self._machine.held)
        return port

    async def stop(self, within: float = 2.0) -> None:
        """Tell everybody, take nothing any more, write what came, answer, and close.

        Args:
            within: seconds for clients to take leave.
        """
        self._is_open = False
        leave = encode(Refused(0, ErrorCode.SERVER_RESTARTING, _LEAVE, round(1000 * RETRY)))
        for visitor in self._visitors.values():
            visitor.peer.send(leave)
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._flush()
        if self._writing:
            _, late = await asyncio.wait(self._writing, timeout=LAST_WRITES)
            if late:
                log.warning("the disk is slow: %d writes are not answered", len(late))
            await asyncio.sleep(0)  # so that the answers are sent
        await self._pipes.stop()
        await self._listener.stop(within)

    def abort(self) -> None:
        """Wait for nobody any more: cut all connections, so that a ``stop`` comes to its end."""
        self._is_open = False
        for writing in tuple(self._writing):
            writing.cancel()  # what it writes is written all the same
        for peer in tuple(self._listener.peers):
            peer.abort()

    @property
    def is_open(self) -> bool:
        """Whether it listens and takes requests."""
        return self._is_open

    def on_commit(self, listener: Callable[[float], object]) -> Callable[[float], object]:
        """Call back with the seconds of each write that was committed; usable as a decorator."""
        self._commit_listeners.append(listener)
        return listener

    def statistics(self) -> GatewayFigures:
        """Return figures, none of which names anybody."""
        machine, pipes = self._machine, self._pipes
        counts = Counter(machine.counts)
        counts["handed over"] = machine.readers.handed_over
        counts.update({f"pipes {name}": count for name, count in pipes.counts.items()})
        return GatewayFigures(
            connections=len(self._visitors),
            mailboxes=len(machine),
            envelopes=machine.held,
            size=machine.size,
            pipes=pipes.open,
            accepted=self._listener.accepted,
            refused=self._listener.refused,
            slow=self._listener.slow,
            counts=counts,
        )

    # --- what clients do --------------------------------------------------------------------

    def _welcome(self, peer: Peer) -> _Visitor:
        self._last_visitor += 1
        number = self._last_visitor
        nonce = self._world.secret_bytes(NONCE_BYTES)
        client = self._machine.connected(number, peer.origin, nonce)
        visitor = self._visitors[number] = _Visitor(self, peer, client)
        return visitor

    def received(self, visitor: _Visitor, message: bytes) -> None:
        """Take a message of a visitor."""
        if not self._is_open:
            return  # what is not answered is asked again, here or elsewhere
        try:
            request = read_request(message)
        except RemoteProtocolError as error:
            self._machine.counts["malformed"] += 1
            visitor.peer.send(encode(Refused(0, error.code, "That is no message.")))
            visitor.peer.close()
            return
        if isinstance(request, Pipe | Piping) and visitor.is_new:
            del self._visitors[visitor.client.number]
            if isinstance(request, Pipe):
                self._pipes.asked(visitor.peer, request)
            else:
                self._pipes.stands(visitor.peer, request)
            return
        visitor.is_new = False
        self._machine.received(visitor.client, request, self._now())
        self._act()

    def left(self, visitor: _Visitor) -> None:
        """A visitor has gone."""
        self._visitors.pop(visitor.client.number, None)
        self._machine.lost(visitor.client)

    # --- what the machine wants -------------------------------------------------------------

    def _act(self) -> None:
        for effect in self._machine.take_effects():
            visitor = self._visitors.get(_client_of(effect).number)
            if visitor is None:
                continue  # it has gone meanwhile
            match effect:
                case Send():
                    self._send(visitor, encode(effect.message))
                case Fetch() if self._is_open:
                    self._spawn(self._fetch(visitor, effect), "fetch")
                case Proved():
                    visitor.peer.proved()
                case Cut():
                    log.info("a connection is cut: %s", effect.reason)
                    visitor.peer.abort()
        if self._machine.notes and not self._has_flush:
            self._has_flush = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _send(self, visitor: _Visitor, message: bytes) -> None:
        peer, client = visitor.peer, visitor.client
        peer.send(message)
        is_much = peer.queued > limits.MAILBOX_READER_QUEUE
        if is_much and not client.is_congested and self._is_open:
            self._machine.readers.congested(client)
            self._spawn(self._drain(visitor), "drain")

    async def _drain(self, visitor: _Visitor) -> None:
        peer = visitor.peer
        try:
            while peer.is_open and peer.queued > limits.MAILBOX_READER_QUEUE // 2:
                await peer.drained(READ_PATIENCE)
                await asyncio.sleep(0)  # what was joined in this turn is handed on
        except NetworkError:
            peer.abort()  # it does not read; what it did not get is in the store
            return
        self._machine.readers.drained(visitor.client)
        self._act()

    async def _fetch(self, visitor: _Visitor, fetch: Fetch) -> None:
        try:
            rows = await store.fetch(self._database, fetch)
        except StorageError as error:
            log.warning("envelopes cannot be read: %s", error)
            visitor.peer.abort()  # it comes back, and then they may be read
            return
        self._machine.readers.fetched(fetch, rows)
        self._act()

    # --- writing down -----------------------------------------------------------------------

    def _flush(self) -> None:
        """Write what was noted in this turn of the loop."""
        self._has_flush = False
        notes = self._machine.take_notes()
        if not notes:
            return
        try:
            writing = store.submit(self._database, notes)
        except StorageError as error:
            self._not_written(notes, error)
            return
        self._writing.add(writing)
        began = asyncio.get_running_loop().time()
        writing.add_done_callback(partial(self._written, notes, began))

    def _written(
        self, notes: list[Note], began: float, writing: asyncio.Future[list[Kept]]
    ) -> None:
        self._writing.discard(writing)
        if writing.cancelled():
            self._not_written(notes, StorageError("The write was cancelled."))
            return
        error = writing.exception()
        if error is not None:
            self._not_written(notes, error)
            return
        self._machine.committed(notes, writing.result())
        self._act()
        if self._commit_listeners:
            took = asyncio.get_running_loop().time() - began
            for listener in self._commit_listeners:
                listener(took)

    def _not_written(self, notes: list[Note], error: BaseException) -> None:
        if not self._has_failed.is_set():  # once for each look at the disk, not for each request
            log.warning("%d changes are refused: %s", len(notes), error)
        self._has_failed.set()
        self._machine.counts["not written"] += len(notes)
        retry_after = getattr(error, "retry_after", None)
        self._machine.failed(notes, RETRY if retry_after is None else retry_after)
        self._act()

    # --- looking after it -------------------------------------------------------------------

    async def _look_after(self) -> None:
        while True:
            self._has_failed.clear()
            self._machine.sweep(self._now())
            self._act()
            try:
                async with asyncio.timeout(SWEEP):
                    await self._has_failed.wait()
            except TimeoutError:
                await self._pipes.refresh()
            else:
                await asyncio.sleep(AGAIN)

    def _now(self) -> float:
        return asyncio.get_running_loop().time() - self._birth

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"holdfast-gateway-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the gateway's %s failed", task.get_name(), exc_info=error)


class _Visitor:
    """One connection: what comes over it."""

    def __init__(self, gateway: Gateway, peer: Peer, client: Client) -> None:
        self._gateway = gateway
        self.peer = peer
        self.client = client
        self.is_new = True

    def received(self, message: bytes) -> None:
        """Take a message."""
        self._gateway.received(self, message)

    def ponged(self, number: int) -> None:
        """Nobody asked: the client's pings keep a connection."""

    def lost(self, error: Exception | None) -> None:  # noqa: ARG002 - all ends are alike
        """It is gone."""
        self._gateway.left(self)


def _client_of(effect: Send | Fetch | Proved | Cut) -> Client:
    return effect.reading.client if isinstance(effect, Fetch) else effect.client
