"""A letter: to whom it goes, what each mud is sent of it, and what of one that comes is taken. No I/O.

All muds see who else is written to, and who gets a copy; of blind copies a mud sees those for its own users only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import Fault, I3Code, I3Error, PacketError
from holdfast.apps.i3.gateway.model import Recipient
from holdfast.apps.i3.gateway.text import checked_name, cleaned, folded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Draft(NamedTuple):
    """A letter that was written here.

    Attributes:
        from_user: who writes, empty for the mud itself.
        to: to whom.
        cc: who gets a copy.
        bcc: who gets one that the others do not see.
        subject: one line.
        body: many.
        time: seconds since 1970.
    """

    from_user: str
    to: tuple[Recipient, ...]
    cc: tuple[Recipient, ...]
    bcc: tuple[Recipient, ...]
    subject: str
    body: str
    time: int

    @property
    def muds(self) -> list[str]:
        """The muds that it goes to, in order."""
        return list(dict.fromkeys(each.mud for each in (*self.to, *self.cc, *self.bcc)))

    def packet(self, mud: str, number: int) -> packets.Mail:
        """Return what a mud is sent."""
        return packets.Mail(
            id=number,
            from_user=self.from_user,
            to=_by_mud(self.to),
            cc=_by_mud(self.cc),
            bcc=tuple(each.user for each in self.bcc if each.mud == mud),
            time=self.time,
            subject=self.subject,
            body=self.body,
        )


class Arrived(NamedTuple):
    """A letter for users here.

    Attributes:
        mud: it comes from, as authenticated.
        number: that it has there, as text.
        from_user: who wrote it.
        to: as it says, on all muds.
        cc: likewise.
        users: here, for whom it is, in order.
        refused: names for whom it is and that cannot be those of users here.
        time: when it was written, as it says.
        subject: clean.
        body: clean.
    """

    mud: str
    number: str
    from_user: str
    to: tuple[Recipient, ...]
    cc: tuple[Recipient, ...]
    users: tuple[str, ...]
    refused: tuple[str, ...]
    time: int
    subject: str
    body: str

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        names = sum(len(each.user) + len(each.mud) for each in (*self.to, *self.cc))
        return len(self.body.encode("utf-8", "replace")) + len(self.subject) + names + 200


def addressed(
    wanted: Iterable[tuple[str, str]], mud_of: Callable[[str], str]
) -> tuple[Recipient, ...]:
    """Check to whom a letter is to go; one who is named twice is taken once.

    Args:
        wanted: mud, as people write it, and user.
        mud_of: returns the exact name of a mud, or raises.

    Raises:
        I3Error: 11004; a name cannot be one. And what ``mud_of`` raises.
    """
    found = (Recipient(checked_name(user, "user").lower(), mud_of(mud)) for mud, user in wanted)
    return tuple(dict.fromkeys(found))


def checked_subject(text: str) -> str:
    """Return a subject that may be sent.

    Raises:
        I3Error: 11005; it is too long, or no single line.
    """
    if len(text) > limits.MAIL_SUBJECT_LENGTH_MAX or (text and not text.isprintable()):
        message = f"A subject is one line of at most {limits.MAIL_SUBJECT_LENGTH_MAX} printable characters."
        raise I3Error(I3Code.TEXT_INVALID, message)
    return text


def checked_body(text: str, most: int = limits.MAIL_BODY_BYTES_MAX) -> str:
    """Return the body of a letter or the text of a post that may be sent.

    Raises:
        I3Error: 11005; it is too long, or holds a zero or half of a character.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise I3Error(I3Code.TEXT_INVALID, "The text holds half of a character.") from error
    if size > most or "\0" in text:
        raise I3Error(
            I3Code.TEXT_INVALID,
            f"A text like this has at most {most} bytes and no zero among them; this one has {size}.",
        )
    return text


def arrived(packet: packets.Mail, mud: str, own: str) -> Arrived:
    """Read a letter that came.

    Args:
        packet: as it came.
        mud: that brought it.
        own: the name of our mud.

    Raises:
        PacketError: ``bad-pkt`` it is larger than letters are, ``unk-user`` nobody here is meant.
    """
    everybody = [*_all(packet.to), *_all(packet.cc)]
    is_small = (
        len(everybody) + len(packet.bcc) <= limits.MAIL_RECIPIENTS_MAX
        and all(max(len(each.user), len(each.mud)) <= limits.NAME_LENGTH_MAX for each in everybody)
        and len(packet.from_user) <= limits.NAME_LENGTH_MAX
        and len(str(packet.id)) <= limits.NAME_LENGTH_MAX
        and len(packet.subject) <= limits.MAIL_SUBJECT_LENGTH_MAX
        and len(packet.body.encode("utf-8", "replace")) <= limits.MAIL_BODY_BYTES_MAX
    )
    if not is_small:
        raise PacketError("The letter, or something in it, is too large for this mud.")
    named = [each.user for each in everybody if folded(each.mud) == folded(own)] + [*packet.bcc]
    if not named:
        raise PacketError(f"Nobody on {own} is meant.", fault=Fault.UNKNOWN_USER)
    good = [each for each in named if _is_name(each)]
    return Arrived(
        mud=mud,
        number=str(packet.id),
        from_user=cleaned(packet.from_user),
        to=_clean(packet.to),
        cc=_clean(packet.cc),
        users=tuple(dict.fromkeys(each.lower() for each in good)),
        refused=tuple(dict.fromkeys(each for each in named if not _is_name(each))),
        time=packet.time,
        subject=" ".join(cleaned(packet.subject).split()),
        body=cleaned(packet.body),
    )


def _is_name(user: str) -> bool:
    return 0 < len(user) <= limits.NAME_LENGTH_MAX and user.isprintable()


def _by_mud(recipients: Iterable[Recipient]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for each in recipients:
        found[each.mud] = (*found.get(each.mud, ()), each.user)
    return found


def _all(by_mud: dict[str, tuple[str, ...]]) -> list[Recipient]:
    return [Recipient(user, mud) for mud, users in by_mud.items() for user in users]


def _clean(by_mud: dict[str, tuple[str, ...]]) -> tuple[Recipient, ...]:
    return tuple(Recipient(cleaned(each.user), cleaned(each.mud)) for each in _all(by_mud))
