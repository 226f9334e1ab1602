"""What Intermud-3 refuses: our own codes, and the words that routers and muds use among each other."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from holdfast.errors import ProtocolError, ResilienceError


class I3Code(IntEnum):
    """Stable numbers of the application."""

    PACKET_INVALID = 11001
    PACKET_UNKNOWN = 11002
    PACKET_TOO_LARGE = 11003
    NAME_INVALID = 11004
    TEXT_INVALID = 11005
    ROUTER_AWAY = 11010
    QUEUE_FULL = 11011
    MESSAGE_EXPIRED = 11012
    FATE_UNKNOWN = 11013
    STARTUP_REFUSED = 11014
    NO_REPLY = 11015
    MUD_UNKNOWN = 11020
    MUD_DOWN = 11021
    SERVICE_MISSING = 11022
    USER_UNKNOWN = 11023
    CHANNEL_UNKNOWN = 11030
    CHANNEL_REFUSED = 11031
    NOT_SUBSCRIBED = 11032
    CHANNELS_FULL = 11033
    FILE_REFUSED = 11040
    OOB_FAILED = 11041
    LETTER_UNKNOWN = 11042
    NEWS_UNKNOWN = 11043
    NEWS_REFUSED = 11044


class Fault(StrEnum):
    """The code of an ``error`` packet: field 6."""

    UNKNOWN_DESTINATION = "unk-dst"
    UNKNOWN_TYPE = "unk-type"
    UNKNOWN_SOURCE = "unk-src"
    BAD_PACKET = "bad-pkt"
    BAD_PROTOCOL = "bad-proto"
    NOT_ALLOWED = "not-allowed"
    NOT_IMPLEMENTED = "not-imp"
    UNKNOWN_USER = "unk-user"
    UNKNOWN_CHANNEL = "unk-channel"
    UNKNOWN_GROUP = "unk-group"  # of news; the protocol has no word for it, nor for the next
    UNKNOWN_POST = "unk-post"


class I3Error(ResilienceError):
    """Intermud-3 says no; nothing was sent.

    Args:
        code: which no.
        message: for the person who asked.
        retry_after: seconds after which trying again makes sense; None when it does not.
        details: values that belong to it.
    """

    def __init__(
        self, code: I3Code, message: str, *, retry_after: float | None = None, **details: object
    ) -> None:
        super().__init__(message, code=code, details=details, retry_after=retry_after)


class PacketError(ProtocolError):
    """What came is not the packet that it says it is; the connection can go on.

    Attributes:
        fault: the word for it on the wire: ``bad-pkt``, or ``unk-type`` for a type that is not in the table.
    """

    def __init__(self, message: str, *, fault: Fault = Fault.BAD_PACKET) -> None:
        code = I3Code.PACKET_UNKNOWN if fault is Fault.UNKNOWN_TYPE else I3Code.PACKET_INVALID
        super().__init__(message, code=code)
        self.fault = fault
