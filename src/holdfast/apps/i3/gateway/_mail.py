"""Letters of users here and for them: written, kept in boxes, read and thrown away.

What is told of a letter is told after it is kept: that one came, after it is in the boxes; to the mud that brought
it, that it need not come again, likewise. It is kept once for each mud and number, whatever is lost on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits, mudmode, packets
from holdfast.apps.i3.errors import I3Code, I3Error, PacketError
from holdfast.apps.i3.gateway import mail_store
from holdfast.apps.i3.gateway._post import NOT_TO, told
from holdfast.apps.i3.gateway.events import MailReceived
from holdfast.apps.i3.gateway.letter import (
    Arrived,
    Draft,
    addressed,
    arrived,
    checked_body,
    checked_subject,
)
from holdfast.apps.i3.gateway.text import checked_name, checked_user, folded
from holdfast.apps.i3.lpc import LpcError
from holdfast.delivery import Inbox
from holdfast.resilience import RateLimitConfig, RateLimiter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._post import LetterPost
    from holdfast.apps.i3.gateway.mail_store import Stored
    from holdfast.apps.i3.gateway.model import Letter, LetterRow
    from holdfast.apps.i3.gateway.oob.conversation import Request
    from holdfast.apps.i3.gateway.oob.server import Answer
    from holdfast.apps.i3.packets import OobPacket

    Names = Iterable[tuple[str, str]]

SENDER: Final = "i3 mail "
"""How a mud is called in the inbox that knows which letters came."""

LONGEST: Final = 2**62
"""A number that takes as many bytes as any of a letter, to see whether it fits into a packet."""


class _NobodyError(Exception):
    """No name of a letter could be served, so it need not be known again: the same answer follows from the same names.

    Attributes:
        failed: the names.
    """

    def __init__(self, failed: tuple[str, ...]) -> None:
        super().__init__("nobody")
        self.failed = failed


class Letters:
    """Mail of a gateway: ``gateway.mail``.

    Args:
        desk: what all share.
        post: brings letters to other muds.

    Attributes:
        post: likewise.
        received: letters that were put into boxes, since the start.
    """

    def __init__(self, desk: Desk, post: LetterPost) -> None:
        self._desk = desk
        self._own = desk.settings.mud_name
        self._known = frozenset(user.lower() for user in desk.settings.mail_users)
        self._inbox = Inbox(desk.database, world=desk.world)
        self._rate = RateLimiter(
            RateLimitConfig(limits.MAIL_BURST, limits.MAIL_BURST / limits.MAIL_RATE, limits.MAIL_BURST),
            keys_max=limits.MUDS_MAX,
            name="letters of a mud",
        )  # fmt: skip
        self.post = post
        self.received = 0

    # --- for users here ---------------------------------------------------------------------

    async def send(
        self,
        subject: str,
        body: str,
        *,
        from_user: str = "",
        to: Names = (),
        cc: Names = (),
        bcc: Names = (),
    ) -> int:
        """Send a letter to users of any muds.

        Args:
            subject: one line of at most ``limits.MAIL_SUBJECT_LENGTH_MAX`` characters, may be empty.
            body: at most ``limits.MAIL_BODY_BYTES_MAX`` bytes.
            from_user: who writes; empty for the mud itself.
            to: mud, as people write it or empty for this one, and user of each.
            cc: who gets a copy, likewise.
            bcc: who gets one that the others do not see, likewise.

        Returns:
            Its number, when it is stored for each mud and in the boxes here: it waits for a mud that is away
            at most ``mail_ttl``. What comes to nothing is an ``ErrorOccurred`` with the number as ``message_id``.

        Raises:
            I3Error: 11022 SERVICE_MISSING (no mail here, or there), 11020 MUD_UNKNOWN, 11004 NAME_INVALID, 11005
                TEXT_INVALID, 11011 QUEUE_FULL with ``retry_after``; nothing was sent.
            StorageError: 8xxx; it is not stored, or not for all.

        Cancelled: it is sent or not; which, is not known.
        """
        self._require_mail()
        now = self._desk.world.wall_now()
        draft = Draft(
            checked_user(from_user),
            addressed(to, self._mud),
            addressed(cc, self._mud),
            addressed(bcc, self._mud),
            checked_subject(subject),
            checked_body(body),
            int(now),
        )
        count = len(draft.to) + len(draft.cc) + len(draft.bcc)
        if not 0 < count <= limits.MAIL_RECIPIENTS_MAX:
            message = (
                f"A letter goes to 1 to {limits.MAIL_RECIPIENTS_MAX} users; this one to {count}."
            )
            raise I3Error(I3Code.NAME_INVALID, message)
        return await self._sent(draft, now)

    async def _sent(self, draft: Draft, now: float) -> int:
        """Keep a letter for the muds that it goes to, and put it into boxes here; return its number."""
        others = [mud for mud in draft.muds if mud != self._own]
        for mud in others:
            _body(draft.packet(mud, LONGEST))
        at_ms, is_local = int(now * 1000), self._own in draft.muds

        def job(connection: sqlite3.Connection) -> tuple[int, Stored | None]:
            number = mail_store.next_number(connection, int(now))
            if not is_local:
                return number, None
            letter = arrived(draft.packet(self._own, number), self._own, self._own)
            return number, mail_store.add(connection, letter, known=self._known, at_ms=at_ms)

        self.post.reserve(others)
        try:
            number, stored = await self._desk.database.write(job)
        except BaseException:
            self.post.release(others)
            raise
        await self.post.put({mud: _body(draft.packet(mud, number)) for mud in others}, number)
        if stored is not None:
            self._tell_of(stored, self._own, draft.from_user, draft.subject)
            for user in stored.failed:
                text = NOT_TO.format(mud=self._own, user=user)
                letter = draft.packet(self._own, number)
                self._desk.tell(told("unk-user", text, letter, self._own, user))
        return number

    async def list(self, user: str, after: int = 0, limit: int = 50) -> tuple[LetterRow, ...]:
        """Return the letters of a user, oldest first.

        Args:
            user: in any case.
            after: the id of a letter; newer ones only.
            limit: of them, at most ``limits.MAIL_PAGE_MAX``.

        Raises:
            I3Error: 11022, 11004.
            StorageError: 8xxx.
        """
        self._require_mail()
        name = checked_name(user, "user").lower()
        most = max(1, min(limit, limits.MAIL_PAGE_MAX))
        return await self._desk.database.read(lambda c: mail_store.box(c, name, after, most))

    async def read(self, mail_id: int) -> Letter:
        """Return a letter.

        Raises:
            I3Error: 11022, 11042 LETTER_UNKNOWN.
            StorageError: 8xxx.
        """
        self._require_mail()
        found = await self._desk.database.read(lambda c: mail_store.letter(c, mail_id))
        if found is None:
            raise I3Error(I3Code.LETTER_UNKNOWN, f"There is no letter {mail_id} here.")
        return found

    async def delete(self, mail_id: int, user: str = "") -> int:
        """Take a letter out of a user's box, or out of all; return out of how many, 0 when it was in none."""
        self._require_mail()
        name = checked_user(user)
        return await self._desk.database.write(lambda c: mail_store.remove(c, mail_id, name))

    def _require_mail(self) -> None:
        if not self._desk.settings.mail:
            raise I3Error(I3Code.SERVICE_MISSING, f"{self._own} has no mail; the setting is off.")

    def _mud(self, name: str) -> str:
        """Return the exact name of a mud that takes mail; whether it is up does not matter."""
        if not name or folded(name) == folded(self._own):
            return self._own
        mud = self._desk.machine.muds.find(name)
        if mud is None:
            raise I3Error(I3Code.MUD_UNKNOWN, f"There is no mud {name!r} in the router's list.")
        if "mail" not in mud.services:
            raise I3Error(I3Code.SERVICE_MISSING, f"{mud.name} does not offer 'mail'.")
        return mud.name

    # --- of other muds ----------------------------------------------------------------------

    @property
    def answers(self) -> Mapping[type[Request], Answer]:
        """What is seen to, for an ``OobServer``."""
        return {packets.Mail: self._take} if self._desk.settings.mail else {}

    async def _take(self, mud: str, packet: packets.Mail) -> OobPacket | None:
        """Keep a letter that a mud brings, once, and acknowledge it then."""
        if self._rate.check(mud, now=self._desk.now()) > 0:
            return None  # it comes again
        try:
            letter = arrived(packet, mud, self._own)
        except PacketError as error:
            return packets.OobError(code=error.fault, message=error.message)
        return packets.MailAck(failed={packet.id: await self._kept(letter)})

    async def _kept(self, letter: Arrived) -> tuple[str, ...]:
        """Put a letter into boxes unless it came before; return for whom it could not be."""
        database, known = self._desk.database, self._known
        at_ms = int(self._desk.world.wall_now() * 1000)

        def job(connection: sqlite3.Connection) -> Stored:
            stored = mail_store.add(connection, letter, known=known, at_ms=at_ms)
            if not stored.users:
                raise _NobodyError(stored.failed)
            return stored

        try:
            accepted = await self._inbox.accept(SENDER + letter.mud, letter.number, job)
        except _NobodyError as nobody:
            return nobody.failed
        if accepted.value is None:
            return await database.read(lambda c: mail_store.failed(c, letter.mud, letter.number))
        self._tell_of(accepted.value, letter.mud, letter.from_user, letter.subject)
        return accepted.value.failed

    def _tell_of(self, stored: Stored, mud: str, by: str, subject: str) -> None:
        if not stored.users:
            return  # of those here nobody could be served
        self.received += 1
        event = MailReceived(
            from_mud=mud, from_user=by, to_users=stored.users, subject=subject, mail_id=stored.id
        )
        self._desk.tell(event)


def _body(letter: packets.Mail) -> bytes:
    """Write a letter as it travels.

    Raises:
        I3Error: 11005; with all its names it is larger than others take.
    """
    try:
        return mudmode.packet(packets.write(letter))
    except LpcError as error:
        raise I3Error(I3Code.TEXT_INVALID, f"The letter is too large: {error.message}") from error
