"""Frames of Intermud-3: four bytes of length, then one LPC value as text and a zero; and what arrives in practice.

``Mudmode`` is a framing for connections over TCP. What it cuts out of the stream is read by ``packets``: some
routers put two packets into one frame, end them with CR, or with nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from holdfast.apps.i3.lpc import Charset, LpcError, Value, decode_from, encode
from holdfast.connection import Control, LengthPrefixed

ACCEPTED_MAX: Final = 2 * 1024 * 1024
"""Bytes of a frame that is read; past it the stream cannot be trusted any more, and the connection is closed."""

SENT_MAX: Final = 256 * 1024
"""Bytes of a frame that is sent, header and end included: common drivers reset the connection on a larger one."""

HEADER: Final = 4
_ENDS: Final = b"\0\r\n \t"


class Packets(NamedTuple):
    """What one frame held.

    Attributes:
        values: that could be read, in order.
        error: why the rest could not, None when all could.
    """

    values: list[Value]
    error: LpcError | None


class Mudmode(LengthPrefixed):
    """Cuts a stream into frames; a length of nought is no frame and is passed over."""

    def __init__(self, message_max: int = ACCEPTED_MAX) -> None:
        super().__init__(message_max)

    def feed(self, data: bytes) -> list[bytes | Control]:
        """Take bytes; return the bodies of the frames that they complete.

        Raises:
            RemoteProtocolError: 7003; a frame is announced that is too large.
        """
        return [body for body in super().feed(data) if body]


def packets(body: bytes) -> Packets:
    """Read the packets of a frame; one that cannot be read ends it, what was read before is kept."""
    values: list[Value] = []
    at, end = 0, len(body.rstrip(_ENDS))
    while at < end:
        try:
            value, at = decode_from(body, at)
        except LpcError as error:
            return Packets(values, error)
        values.append(value)
        while at < end and body[at] in _ENDS:
            at += 1
    return Packets(values, None)


def packet(value: Value | list[object], charset: Charset = Charset.UTF8) -> bytes:
    """Write the body of a frame: a value and its end.

    Raises:
        LpcError: 7002; it cannot be written, or the frame would be larger than ``SENT_MAX``.
    """
    body = encode(value, charset) + b"\0"
    if len(body) + HEADER > SENT_MAX:
        raise LpcError(f"A packet of {len(body)} bytes: others take {SENT_MAX}.")
    return body
