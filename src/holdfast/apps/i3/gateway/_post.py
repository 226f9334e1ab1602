"""Letters on their way: each waits durably for its mud, and is brought past the router until it is acknowledged.

Theory. A mud that has acknowledged a letter has it; one that has not is brought it again under the same number, and
knows it by that. So a letter arrives once, or its time is over and its sender is told. What was given up is among the
outbox's dead letters until the event about it was told. Letters share the outbox of what goes to the router, with a
destination for each mud: as many workers as muds may be waited for are there for them, so nothing else is held up.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits, mudmode, packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway import mail_store
from holdfast.apps.i3.gateway.events import ErrorOccurred, MudOnline
from holdfast.delivery import DeliveryState
from holdfast.errors import NetworkError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._past import Past
    from holdfast.apps.i3.gateway.events import Event
    from holdfast.delivery import Change, DeadLetter, Message, Outbox

TO: Final = "mail "
"""How the destination of a letter begins; the mud's name follows."""

FULL_FOR: Final = 60.0
"""Seconds after which it may be tried again to send a letter when too many wait."""

REPORTED_AT_ONCE: Final = 100

EXPIRED: Final = "{mud} has not acknowledged this letter in time; it is not sent any more."
REFUSED: Final = "{mud} does not take this letter: {reason}"
NOT_TO: Final = "{mud} has not delivered this letter to {user}: there is no such user, or no room."


class LetterPost:
    """Brings letters.

    Args:
        desk: what all share.
        outbox: where they wait.
        past: the way to other muds.

    Attributes:
        delivered: letters that were acknowledged, since the start.
        expired: letters that were given up, since the start.
    """

    def __init__(self, desk: Desk, outbox: Outbox, past: Past) -> None:
        self._desk = desk
        self._outbox = outbox
        self._past = past
        self._waiting: Counter[str] = Counter()
        self._given_up: set[str] = set()
        self._is_given_up = asyncio.Event()
        self._putting: set[asyncio.Task[str]] = set()
        self.delivered = 0
        self.expired = 0

    @property
    def waiting(self) -> int:
        """Letters that wait for their muds."""
        return self._waiting.total()

    async def start(self) -> None:
        """Look what waits already; before the outbox begins."""
        database = self._desk.database
        rows = await database.fetch_all(mail_store.WAITING, (TO, len(TO)))
        self._waiting.update(mail_store.counts(rows))
        left = await database.fetch_all(mail_store.GIVEN_UP, (TO, len(TO)))
        self._given_up.update(str(row[0]) for row in left)
        self._is_given_up.set()
        self._outbox.on_delivered(self._arrived)
        self._outbox.on_expired(self._gone)
        self._outbox.on_failed(self._gone)
        self._desk.callbacks.append(self._happened)

    async def stop(self) -> None:
        """Take no more; before the outbox ends."""
        if self._happened in self._desk.callbacks:
            self._desk.callbacks.remove(self._happened)
        await asyncio.gather(*self._putting, return_exceptions=True)

    # --- sending ----------------------------------------------------------------------------

    def reserve(self, muds: Iterable[str]) -> None:
        """Count on a letter to each of these muds, which ``put`` brings then, or ``release`` ends.

        Raises:
            I3Error: 11011 with ``retry_after``.
        """
        wanted = {TO + mud for mud in muds}
        if self.waiting + len(wanted) > limits.MAIL_WAITING_MAX:
            what = f"{self.waiting} letters wait for their muds already"
        elif len(wanted | set(self._waiting)) > limits.MAIL_MUDS_MAX:
            what = f"Letters for {len(self._waiting)} muds wait already"
        else:
            self._waiting.update(wanted)
            return
        raise I3Error(I3Code.QUEUE_FULL, f"{what}; try again later.", retry_after=FULL_FOR)

    def release(self, muds: Iterable[str]) -> None:
        """None of these letters will be brought."""
        for mud in muds:
            self._left(TO + mud)

    async def put(self, letters: dict[str, bytes], number: int) -> None:
        """Keep letters for which there is room; returns when all would survive a crash.

        Raises:
            StorageError: 8xxx; they were not kept, or not for all.

        Cancelled: they are kept.
        """
        tasks = [self._put(TO + mud, body, number) for mud, body in letters.items()]
        await asyncio.shield(asyncio.gather(*tasks))

    def _put(self, destination: str, body: bytes, number: int) -> asyncio.Task[str]:
        def put(task: asyncio.Task[str]) -> None:
            self._putting.discard(task)
            if task.cancelled() or task.exception() is not None:
                self._left(destination)

        task = asyncio.get_running_loop().create_task(
            self._outbox.submit(
                destination,
                body,
                id=f"{destination}/{number}",
                ttl=self._desk.settings.mail_ttl,
            ),
            name=f"holdfast-i3-{destination}",
        )
        self._putting.add(task)
        task.add_done_callback(put)
        return task

    def wake(self) -> None:
        """A router is there: muds can be asked for tokens."""
        for destination in tuple(self._waiting):
            self._outbox.wake(destination)

    def _happened(self, event: Event) -> None:
        if isinstance(event, MudOnline) and TO + event.mud_name in self._waiting:
            self._outbox.wake(TO + event.mud_name)

    # --- of the outbox ----------------------------------------------------------------------

    async def deliver(self, message: Message) -> None:
        """Bring a letter to its mud; returns when that has acknowledged it.

        Raises:
            NetworkError: the mud, or a way to it, is not there now.
            I3Error: it does not take the letter.
        """
        name = message.destination.removeprefix(TO)
        if not self._desk.settings.mail:
            raise NetworkError("mail is off")
        mud = self._desk.machine.muds.muds.get(name)
        if mud is None or not mud.is_up or not self._desk.machine.is_ready:
            raise NetworkError(f"{name} is not connected to our router")
        letter = _read(message)
        try:
            answer = await self._past.ask(mud, letter, "A letter")
        except I3Error as error:
            if error.details.get("fault"):
                raise
            raise NetworkError(error.message) from error
        failed = (
            {str(key): users for key, users in answer.failed.items()}
            if isinstance(answer, packets.MailAck)
            else {}
        )
        if str(letter.id) not in failed:
            raise I3Error(I3Code.OOB_FAILED, f"{name} has not acknowledged the letter.")
        missed = {each.lower() for each in failed[str(letter.id)]}
        users = [user for user in _users(letter, name) if user in missed]
        if users:
            await self._desk.is_heard.wait()
        for user in users:
            text = NOT_TO.format(mud=name, user=user)
            self._desk.tell(told("unk-user", text, letter, name, user, from_mud=name))

    def _left(self, destination: str) -> None:
        self._waiting[destination] -= 1
        if self._waiting[destination] <= 0:
            del self._waiting[destination]

    def _arrived(self, change: Change) -> None:
        if change.destination.startswith(TO):
            self._left(change.destination)
            self.delivered += 1

    def _gone(self, change: Change) -> None:
        if change.destination.startswith(TO):
            self._left(change.destination)
            self.expired += 1
            self._given_up.add(change.destination)
            self._is_given_up.set()

    # --- what was given up ------------------------------------------------------------------

    async def report(self) -> None:
        """Tell of letters that were given up, for ever."""
        await self._desk.is_heard.wait()
        while True:
            await self._is_given_up.wait()
            self._is_given_up.clear()
            while self._given_up:
                destination = self._given_up.pop()
                try:
                    await self._report(destination)
                except StorageError:
                    self._given_up.add(destination)
                    self._is_given_up.set()  # for the one who is started in our place
                    raise

    async def _report(self, destination: str) -> None:
        while dead := await self._outbox.dead_letters(destination, limit=REPORTED_AT_ONCE):
            for each in dead:
                self._tell(each)
            await self._outbox.purge(*(each.message.id for each in dead))

    def _tell(self, dead: DeadLetter) -> None:
        mud = dead.message.destination.removeprefix(TO)
        letter = _read(dead.message)
        is_expired = dead.state is DeliveryState.EXPIRED
        text = (EXPIRED if is_expired else REFUSED).format(mud=mud, reason=dead.reason)
        code = "expired" if is_expired else "not-delivered"
        users = ", ".join(_users(letter, mud))[: limits.DESCRIPTION_LENGTH_MAX]
        self._desk.tell(told(code, text, letter, mud, users))


def told(
    code: str, text: str, letter: packets.Mail, mud: str, user: str, *, from_mud: str = ""
) -> ErrorOccurred:
    """Say what became of a letter that was accepted."""
    return ErrorOccurred(
        error=code,
        message=text,
        message_id=str(letter.id),
        from_mud=from_mud,
        to_user=letter.from_user,
        packet_type=letter.type,
        target_mud=mud,
        target_user=user,
    )


def _read(message: Message) -> packets.Mail:
    values = mudmode.packets(message.body).values
    assert values, "what was queued can be read"
    letter = packets.read_oob(values[0])
    assert isinstance(letter, packets.Mail), "only letters are queued for muds"
    return letter


def _users(letter: packets.Mail, mud: str) -> list[str]:
    """To whom on a mud a letter goes."""
    return list(dict.fromkeys((*letter.to.get(mud, ()), *letter.cc.get(mud, ()), *letter.bcc)))
