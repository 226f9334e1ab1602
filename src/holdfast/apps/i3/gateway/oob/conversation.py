"""What the answering side of an out-of-band connection does with each packet. Knows no socket, clock or disk.

Theory. The first packet says who speaks and shows a token that went to that mud through the router, so only who can
receive that mud's packets can speak for it; a mud that knows no tokens has announced itself there. Then requests
come, answered one after the other, until ``oob-end``; we have none of our own, so we answer with the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import Fault, PacketError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from holdfast.apps.i3.packets import OobPacket, Packet

WITH_TOKEN: Final = 1

Request = (
    packets.FileListReq
    | packets.FileGetReq
    | packets.FilePut
    | packets.Mail
    | packets.NewsReadReq
    | packets.NewsPostReq
    | packets.NewsGrplistReq
)
"""What one mud may ask of another."""


@dataclass(frozen=True, slots=True)
class Say:
    """Send a packet, after the answers that are still to come."""

    packet: OobPacket


@dataclass(frozen=True, slots=True)
class Admit:
    """It has said who it is."""


@dataclass(frozen=True, slots=True)
class Do:
    """Do what is asked, and answer."""

    request: Request


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close when all is said."""


Effect = Say | Admit | Do | HangUp


class Conversation:
    """One connection.

    Args:
        own: the name of our mud.
        redeem: says whether a mud may come in with a token (None: without one), and uses it up.
        offered: the requests that are seen to here.

    Attributes:
        mud: who speaks, empty before it has said so.
        is_over: nothing that comes counts any more.
    """

    def __init__(
        self,
        own: str,
        redeem: Callable[[str, int | None], bool],
        offered: Collection[type[Request]],
    ) -> None:
        self._own = own
        self._redeem = redeem
        self._offered = offered
        self._requests = 0
        self.mud = ""
        self.is_over = False

    def received(self, value: object) -> list[Effect]:
        """Take a value that came."""
        if self.is_over:
            return []
        try:
            packet = packets.read_oob(value)
        except PacketError as error:
            return self._end(error.fault, error.message)
        return self._asked_for(packet) if self.mud else self._begin(packet)

    def _asked_for(self, packet: OobPacket | Packet) -> list[Effect]:
        if isinstance(packet, packets.OobEnd):
            self.is_over = True
            return [Say(packets.OobEnd(mud=self._own)), HangUp()]
        if not isinstance(packet, Request) or type(packet) not in self._offered:
            return self._end(Fault.NOT_IMPLEMENTED, f"There is no {packet.type} here.")
        claimed = _claimed(packet)
        if claimed not in {"", self.mud}:
            return self._end(Fault.NOT_ALLOWED, f"You are {self.mud}, not {claimed}.")
        self._requests += 1
        if self._requests > limits.OOB_REQUESTS_MAX:
            return self._end(Fault.NOT_ALLOWED, "That is enough for one connection; open another.")
        return [Do(packet)]

    def garbled(self, message: str) -> list[Effect]:
        """Something came that cannot be read."""
        return [] if self.is_over else self._end(Fault.BAD_PACKET, message)

    def _begin(self, packet: object) -> list[Effect]:
        if not isinstance(packet, packets.OobBegin):
            return self._end(Fault.BAD_PROTOCOL, "Say who you are first, with oob-begin.")
        token = packet.token if packet.auth == WITH_TOKEN else None
        if not self._redeem(packet.mud, token):
            self.is_over = True
            return [HangUp()]  # as the protocol says: whoever guesses learns nothing
        self.mud = packet.mud
        return [Admit(), Say(packets.OobBegin(mud=self._own, auth=0, token=0))]

    def _end(self, fault: Fault, message: str) -> list[Effect]:
        self.is_over = True
        return [Say(packets.OobError(code=fault, message=message)), HangUp()]


def _claimed(request: Request) -> str:
    """Return the mud in whose name something is asked for, empty where the request names none."""
    match request:
        case packets.NewsReadReq():
            return request.from_mud
        case packets.Mail() | packets.NewsGrplistReq():
            return ""
        case _:
            return request.mud
