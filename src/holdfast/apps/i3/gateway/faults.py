"""What went wrong, in the words of routers and muds, and which of our messages or questions it is about. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.apps.i3.errors import Fault, I3Code, I3Error
from holdfast.apps.i3.gateway.effects import Rest, WaitAgain
from holdfast.apps.i3.gateway.events import ErrorOccurred, RateLimitWarning
from holdfast.apps.i3.gateway.requests import Kind
from holdfast.apps.i3.gateway.text import cleaned
from holdfast.apps.i3.gateway.unconfirmed import asked_as
from holdfast.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.apps.i3.gateway.effects import Effect
    from holdfast.apps.i3.gateway.requests import Requests
    from holdfast.apps.i3.gateway.unconfirmed import Handed, Recent, Unconfirmed
    from holdfast.apps.i3.packets import ErrorPacket

FLOOD_WORDS: Final = ("flood", "too many", "rate limit", "spam", "slow down", "too fast")
"""What routers say, in their own words, to who sends too much."""

SLOWER_WORDS: Final = ("nothing is lost",)
"""What a router says that only reads more slowly, as ours does."""

FLOOD_REST: Final = 12.0
"""Seconds after which a router that throws packets away takes them again, as was seen of one."""

ALREADY_WORDS: Final = ("already",)
"""What they say to who listens twice, as we do after a reconnect, because some forget it."""

_FIELDS: Final = 6
_ON_CHANNELS: Final = frozenset({"channel-m", "channel-e", "channel-t"})


class Faults:
    """Reads errors.

    Args:
        recent: messages that they may be about.
        unconfirmed: messages of which an answer proves that they were read.
        requests: questions that they may be about.
        listens: the channels that are listened to.
    """

    def __init__(
        self,
        recent: Recent,
        unconfirmed: Unconfirmed,
        requests: Requests,
        listens: dict[str, bool],
    ) -> None:
        self._recent = recent
        self._unconfirmed = unconfirmed
        self._requests = requests
        self._listens = listens

    def unknown_fate(self, handed: Handed) -> ErrorOccurred:
        """The connection broke before it was known whether the router had read a message, or it throws some away."""
        return self._occurred(
            "unknown-fate",
            "The router broke off before it confirmed this; whether it arrived is not known, and it is not sent again.",
            handed.value,
            message_id=handed.id,
        )

    def failed(self, code: str, message: str, id_: str, value: Sequence[object]) -> ErrorOccurred:
        """A message that was accepted came to nothing before it was handed over."""
        return self._occurred(code, message, value, message_id=id_)

    def read(self, packet: ErrorPacket, *, is_router: bool) -> list[Effect]:
        """Make of an error what its sender is told."""
        about = _packet(packet.packet)
        words = packet.message.lower()
        if is_router and packet.code == Fault.NOT_ALLOWED:
            if about is not None and about[0] == "channel-listen" and _says(words, ALREADY_WORDS):
                return []
            if _says(words, SLOWER_WORDS):
                return [self._too_much(packet)]
            if _says(words, FLOOD_WORDS):  # what was not confirmed may have been thrown away
                left = [self.unknown_fate(each) for each in self._unconfirmed.lost()]
                return [Rest(FLOOD_REST), self._too_much(packet), *left]
        handed = self._recent.about(about, packet.to_user)
        if handed is not None and not is_router and handed.value[4] not in {packet.from_mud, 0, ""}:
            handed = None  # a third one has no say in it
        if handed is not None and about is not None:
            self._recent.settled(handed)
            if list(about[_FIELDS:]) == list(handed.value[_FIELDS:]):
                self._unconfirmed.read_up_to(handed.number)  # TCP keeps the order
        is_answer = self._settle(packet, about)
        is_token = about is not None and about[0] == Kind.AUTH  # for which only the gateway asks
        if is_token or (handed is None and not is_answer and not is_router):
            return []  # nobody here had asked for it
        is_nowhere = is_router and packet.code == Fault.UNKNOWN_DESTINATION
        if handed is not None and handed.was_queued and is_nowhere:
            self._unconfirmed.keep(handed.id)  # its mark goes when it waits again
            return [WaitAgain(handed, packet.message)]
        return [
            self._occurred(
                packet.code,
                packet.message or packet.code,
                about or (None if handed is None else handed.value),
                message_id="" if handed is None else handed.id,
                from_mud=packet.from_mud,
                to_user=packet.to_user,
            )
        ]

    @staticmethod
    def _too_much(packet: ErrorPacket) -> RateLimitWarning:
        return RateLimitWarning(source=packet.from_mud, message=cleaned(packet.message), queued=0)

    def _settle(self, packet: ErrorPacket, about: Sequence[object] | None) -> bool:
        """End the question that it is about; a mud that refuses has answered, one that is not there has not."""
        mud = packet.from_mud if about is None else str(about[4])
        kinds = tuple(Kind) if about is None else (about[0],)
        for kind in Kind:
            if kind not in kinds or kind is Kind.LOCATE:
                continue
            if kind is Kind.CHANNEL_WHO:
                key = str(about[_FIELDS]) if about is not None and len(about) > _FIELDS else ""
            else:
                key = "" if kind is Kind.AUTH else packet.to_user
            if self._requests.answered(kind, mud, key, _refusal(packet, mud)):
                return True
        return False

    def _occurred(
        self,
        code: str,
        message: str,
        value: Sequence[object] | None,
        *,
        message_id: str = "",
        from_mud: str = "",
        to_user: str = "",
    ) -> ErrorOccurred:
        kind, mud, user, channel = "", "", "", ""
        if value is not None:
            kind = str(value[0])
            to_user = to_user or str(value[3] or "")
            mud, user = str(value[4] or ""), str(value[5] or "")
            if kind in _ON_CHANNELS and len(value) > _FIELDS:
                channel = str(value[_FIELDS])
        return ErrorOccurred(
            error=cleaned(code),
            message=cleaned(message),
            message_id=asked_as(message_id),
            from_mud=cleaned(from_mud),
            to_user=cleaned(to_user),
            packet_type=cleaned(kind),
            target_mud=cleaned(mud),
            target_user=cleaned(user),
            channel=cleaned(channel),
        )


def _packet(value: Sequence[object] | None) -> Sequence[object] | None:
    """Return a returned packet if it has a header."""
    return value if value is not None and len(value) >= _FIELDS else None


def _refusal(packet: ErrorPacket, mud: str) -> Exception:
    """Say what an error means to who asked: the mud cannot be reached, or it has answered with a no."""
    message = f"{mud} does not answer that: {packet.message or packet.code}"
    if packet.code == Fault.UNKNOWN_DESTINATION:
        return NetworkError(message)
    return I3Error(I3Code.NO_REPLY, message, error=packet.code)


def _says(words: str, any_of: Sequence[str]) -> bool:
    return any(each in words for each in any_of)
