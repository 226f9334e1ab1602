"""Messages that wait for a router, durably; and how none of them is sent twice. Letters wait in the same outbox.

Theory. An outbox sends at least once: a message whose sending was not noted before a crash is sent again. Here
that must not be, so the moment before a message is handed over is noted first. Who finds that note on a message does
not know whether it left: it is given up, and its sender is told that its fate is unknown. What was given up is among
the outbox's dead letters until the event about it was told, so a crash cannot lose that either.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, cast

from holdfast.apps.i3 import limits, mudmode, packets
from holdfast.apps.i3.errors import Fault, I3Code, I3Error
from holdfast.apps.i3.gateway import store
from holdfast.apps.i3.gateway._sender import ON_CHANNELS, Parcel
from holdfast.apps.i3.gateway.pacing import Priority
from holdfast.apps.i3.gateway.unconfirmed import AGAIN
from holdfast.delivery import DeliveryState, Outbox, OutboxSettings
from holdfast.errors import DeliveryRefusedError, NetworkError, OutboxFullError, StorageError

if TYPE_CHECKING:
    import sqlite3

    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._sender import Sender
    from holdfast.apps.i3.gateway.effects import WaitAgain
    from holdfast.apps.i3.gateway.unconfirmed import Handed
    from holdfast.delivery import Change, Message

ROUTER: Final = "router"
"""The destination of all that goes through a router; they keep their order."""

WORKERS: Final = 4
"""Messages to the router that are prepared at once; those of letters come on top, one for each mud."""

LEASE: Final = 120.0
"""Seconds that a message may wait for its turn at the router."""

RETRY_MAX: Final = 60.0
"""Seconds between two attempts at most; a router that is there again is noticed at once."""

FULL_FOR: Final = 10.0
"""Seconds after which trying again makes sense when too many wait."""

REPORTED_AT_ONCE: Final = 100

AGAIN_MAX: Final = 10
"""Times that a message waits again for a mud that the router does not know; then its sender is told."""

UNKNOWN_FATE: Final = (
    "The program ended while this was handed to the router; it is not known whether it arrived, "
    "and it is not sent again."
)
EXPIRED: Final = "No router could be reached in time; this was not sent."


class BringsLetters(Protocol):
    """Who brings letters to their muds."""

    async def deliver(self, message: Message) -> None:
        """Bring one."""

    def wake(self) -> None:
        """A router is there."""


class Queue:
    """What waits for a router.

    Args:
        desk: what all share.
        sender: the way out.

    Attributes:
        letters: brings those that wait as well.
        waiting: messages that wait.
        expired: whose time was over, since the start.
        fate_unknown: that may have been sent before a crash, since the start.
    """

    def __init__(self, desk: Desk, sender: Sender) -> None:
        self._desk = desk
        self._sender = sender
        settings = desk.settings
        self.outbox = Outbox(
            desk.database,
            self._send,
            settings=OutboxSettings(
                workers=WORKERS + (limits.MAIL_MUDS_MAX if settings.mail else 0),
                per_destination=1,
                lease=LEASE,
                ttl=settings.ttl,
                initial_delay=settings.retry_delay,
                max_delay=RETRY_MAX,
                queued_max=settings.queued_max + limits.MAIL_WAITING_MAX,
            ),
            world=desk.world,
        )
        self._putting: set[asyncio.Task[None]] = set()
        self._given_up = asyncio.Event()
        self._given_up.set()  # the last process may have left some
        self._left_open: list[tuple[str, bytes]] = []
        self._noted: set[str] = set()
        self._known: set[str] = set()
        self._refused: dict[str, WaitAgain] = {}
        self.letters: BringsLetters
        self.waiting = 0
        self.expired = 0
        self.fate_unknown = 0

    async def start(self) -> None:
        """Look what waits already, and begin."""
        row = await self._desk.database.fetch_one(store.WAITING, (ROUTER,))
        self.waiting = row[0] if row is not None and isinstance(row[0], int) else 0
        found = await self._desk.database.fetch_all(store.LEFT_OPEN)
        self._left_open = cast("list[tuple[str, bytes]]", found)
        self.fate_unknown += len(found)
        self.outbox.on_delivered(self._left)
        self.outbox.on_expired(self._given_up_on)
        self.outbox.on_failed(self._given_up_on)
        await self.outbox.__aenter__()

    async def stop(self) -> None:
        """Send no more; what waits is kept."""
        await asyncio.gather(*self._putting)
        await self.outbox.__aexit__(None, None, None)

    async def put(self, parcel: Parcel) -> None:
        """Keep a message until a router is there; returns when it would survive a crash.

        Raises:
            I3Error: 11011; too many wait.
            StorageError: 8xxx; nothing was kept.
        """
        if self.waiting >= self._desk.settings.queued_max:
            self._sender.refused += 1
            raise I3Error(
                I3Code.QUEUE_FULL,
                f"{self.waiting} messages wait for a router already; try again later.",
                retry_after=FULL_FOR,
            )
        self.waiting += 1
        try:
            await self.outbox.submit(ROUTER, parcel.frame, id=parcel.id, ordered=True)
        except BaseException:
            self.waiting -= 1
            raise

    def again(self, refused: WaitAgain) -> None:
        """Let a message wait once more that the router knew nobody for: muds come back one by one after an outage."""
        handed = refused.handed
        base, _, count = handed.id.partition(AGAIN)
        times = int(count or 0) + 1
        if times > AGAIN_MAX:
            self._give_up(handed, refused.message)
            return
        if handed.id not in self._noted:
            self._refused[handed.id] = refused  # the outbox has to note first that it left
            return
        self.waiting += 1
        task = asyncio.get_running_loop().create_task(
            self._put_again(refused, f"{base}{AGAIN}{times}"), name=f"holdfast-i3-again {base}"
        )
        self._putting.add(task)
        task.add_done_callback(self._putting.discard)

    async def _put_again(self, refused: WaitAgain, id_: str) -> None:
        frame = mudmode.packet(list(refused.handed.value), self._desk.settings.charset)
        delay, before = self._desk.settings.retry_delay, refused.handed.id

        self._noted.discard(before)

        def forget_mark(connection: sqlite3.Connection) -> None:
            connection.execute(store.NOT_HANDED, (before,))

        try:
            await self.outbox.submit(
                ROUTER, frame, id=id_, delay=delay, ordered=True, within=forget_mark
            )
        except (OutboxFullError, StorageError) as error:
            self.waiting -= 1
            self._give_up(refused.handed, f"{refused.message} ({error.message})")

    def _give_up(self, handed: Handed, why: str) -> None:
        fault = Fault.UNKNOWN_DESTINATION
        self._desk.tell(self._desk.machine.faults.failed(fault, why, handed.id, handed.value))
        self.settled([handed.id])

    def wake(self) -> None:
        """A router is there."""
        self.outbox.wake(ROUTER)
        self.letters.wake()

    async def report(self) -> None:
        """Tell of what was given up, for ever."""
        await self._desk.is_heard.wait()
        for (
            id_,
            frame,
        ) in self._left_open:  # handed over by the last process, which did not learn more
            self._tell_fate("unknown-fate", UNKNOWN_FATE, id_, frame)
        self._desk.keeper.settled(id_ for id_, _ in self._left_open)
        self._left_open = []
        while True:
            await self._given_up.wait()
            self._given_up.clear()
            while letters := await self.outbox.dead_letters(ROUTER, limit=REPORTED_AT_ONCE):
                for letter in letters:
                    # Its time may have run out between a crash and the start after it.
                    was_handed = await self._was_handed(letter.message.id)
                    is_expired = letter.state is DeliveryState.EXPIRED and not was_handed
                    self._tell_fate(
                        "expired" if is_expired else "unknown-fate",
                        EXPIRED if is_expired else UNKNOWN_FATE,
                        letter.message.id,
                        letter.message.body,
                    )
                await self.outbox.purge(*(letter.message.id for letter in letters))
                self._desk.keeper.settled(letter.message.id for letter in letters)

    def _tell_fate(self, code: str, message: str, id_: str, frame: bytes) -> None:
        values = mudmode.packets(frame).values
        assert values, "what was queued can be read"
        value = values[0]
        assert isinstance(value, list), "a packet is an array"
        self._desk.tell(self._desk.machine.faults.failed(code, message, id_, value))

    def settled(self, ids: list[str]) -> None:
        """The fate of these is known: their marks go, but not before the outbox has noted that they left."""
        noted = [id_ for id_ in ids if id_ in self._noted]
        self._noted.difference_update(noted)
        self._known.update(id_ for id_ in ids if id_ not in noted)
        if noted:
            self._desk.keeper.settled(noted)

    def _left(self, change: Change) -> None:
        if change.destination != ROUTER:
            return
        self.waiting -= 1
        if change.id in self._known:
            self._known.discard(change.id)
            self._desk.keeper.settled([change.id])
        else:
            self._noted.add(change.id)
            refused = self._refused.pop(change.id, None)
            if refused is not None:
                self.again(refused)

    def _given_up_on(self, change: Change) -> None:
        if change.destination != ROUTER:
            return
        self.waiting -= 1
        if change.state is DeliveryState.EXPIRED:
            self.expired += 1
        else:
            self.fate_unknown += 1
        self._given_up.set()

    # --- of the outbox ----------------------------------------------------------------------

    async def _send(self, message: Message) -> None:
        """Hand a message to the router in its turn, or a letter to the one who brings it.

        Raises:
            NetworkError: there is none; it was not handed over.
            DeliveryRefusedError: it may have been handed over before a crash.
        """
        database, sender = self._desk.database, self._sender
        if message.destination != ROUTER:
            await self.letters.deliver(message)
            return
        if await self._was_handed(message.id):
            raise DeliveryRefusedError(UNKNOWN_FATE)
        if not self._desk.machine.is_ready:
            raise NetworkError("no router is connected")
        generation = sender.generation
        parcel = self._parcel(message)
        if not sender.pacer.passes(self._desk.now()):
            parcel.only_turn = True
            is_channel = isinstance(parcel.packet, ON_CHANNELS)
            priority = Priority.CHANNEL if is_channel else Priority.MESSAGE
            try:
                has_turn = await sender.in_turn(parcel, priority)
            except I3Error as error:
                raise NetworkError("too many packets wait for their turn") from error
            if not has_turn:
                raise NetworkError("the connection to the router broke")
        at_ms = int(self._desk.world.wall_now() * 1000)
        await database.execute(store.HAND, (message.id, at_ms, message.body))
        if generation != sender.generation or not self._desk.machine.is_ready:
            await database.execute(store.NOT_HANDED, (message.id,))
            raise NetworkError("the connection to the router broke")
        sender.hand(parcel)

    async def _was_handed(self, id_: str) -> bool:
        return await self._desk.database.fetch_one(store.WAS_HANDED, (id_,)) is not None

    def _parcel(self, message: Message) -> Parcel:
        values = mudmode.packets(message.body).values
        assert values, "what was queued can be read"
        return Parcel(
            packets.read(values[0]),
            packets.write(packets.read(values[0])),
            message.body,
            message.id,
            was_queued=True,
        )
