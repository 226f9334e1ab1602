"""Messages in a stream of bytes: sans-IO codecs for connections over TCP.

``Framed`` is what two programs of ours speak: a length of four bytes, and a bit in it for pings, which WebSockets
have by themselves. ``LengthPrefixed`` is the same without pings, ``Lines`` ends each message with a newline.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from holdfast.errors import ErrorCode, RemoteProtocolError

HEADER: Final = 4
CONTROL: Final = 0x8000_0000
CONTROL_BYTES: Final = 5
PING, PONG = b"\x01", b"\x02"


class Control(NamedTuple):
    """A ping or its answer."""

    is_answer: bool
    number: int


class Framing(Protocol):
    """Cuts what comes into messages, and makes bytes of what goes."""

    def feed(self, data: bytes) -> list[bytes | Control]:
        """Take bytes; return what they complete.

        Raises:
            RemoteProtocolError: 7002 or 7003; the stream cannot be read any further.
        """
        ...

    def encode(self, message: bytes) -> bytes:
        """Make the bytes of a message."""
        ...

    def control(self, control: Control) -> bytes | None:
        """Make the bytes of a ping or its answer; None where there are none."""
        ...


class LengthPrefixed:
    """Each message has its length before it, four bytes, big end first.

    Args:
        message_max: bytes of one message; a longer one is refused before it is read.
    """

    def __init__(self, message_max: int) -> None:
        self._message_max = message_max
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes | Control]:
        """Take bytes; see ``Framing``."""
        buffer = self._buffer
        buffer += data
        found: list[bytes | Control] = []
        start = 0
        while len(buffer) - start >= HEADER:
            word = int.from_bytes(buffer[start : start + HEADER], "big")
            end = start + HEADER + self._length(word)
            if len(buffer) < end:
                break
            found.append(self._made(word, bytes(buffer[start + HEADER : end])))
            start = end
        del buffer[:start]
        return found

    def encode(self, message: bytes) -> bytes:
        """Make the bytes of a message."""
        return len(message).to_bytes(HEADER, "big") + message

    def control(self, control: Control) -> bytes | None:  # noqa: ARG002 - of the protocol
        """There are none."""
        return None

    def _length(self, word: int) -> int:
        """Return the length of what follows a header; raises when it is refused."""
        if word > self._message_max:
            raise RemoteProtocolError(
                f"The peer announced {word} bytes, {self._message_max} are allowed.",
                code=ErrorCode.FRAME_TOO_LARGE,
            )
        return word

    def _made(self, word: int, body: bytes) -> bytes | Control:  # noqa: ARG002 - for those with more in it
        return body


class Framed(LengthPrefixed):
    """As above, with pings: the first bit of the length marks them."""

    def control(self, control: Control) -> bytes | None:
        """Make the bytes of a ping or its answer."""
        body = (PONG if control.is_answer else PING) + (control.number & 0xFFFF_FFFF).to_bytes(
            4, "big"
        )
        return (CONTROL | CONTROL_BYTES).to_bytes(HEADER, "big") + body

    def _length(self, word: int) -> int:
        if not word & CONTROL:
            return super()._length(word)
        if word != CONTROL | CONTROL_BYTES:
            raise RemoteProtocolError("The peer sent a control frame that does not exist.")
        return CONTROL_BYTES

    def _made(self, word: int, body: bytes) -> bytes | Control:
        if not word & CONTROL:
            return body
        if body[:1] not in {PING, PONG}:
            raise RemoteProtocolError("The peer sent a control frame that does not exist.")
        return Control(body[:1] == PONG, int.from_bytes(body[1:], "big"))


class Lines:
    """Each message ends with a newline, as JSON-RPC over TCP has it.

    Args:
        message_max: bytes of one message.
    """

    def __init__(self, message_max: int) -> None:
        self._message_max = message_max
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> list[bytes | Control]:
        """Take bytes; see ``Framing``."""
        self._buffer += data
        found: list[bytes | Control] = []
        while (end := self._buffer.find(b"\n", self._searched)) >= 0:
            line = bytes(self._buffer[:end]).rstrip(b"\r")
            del self._buffer[: end + 1]
            self._searched = 0
            if len(line) > self._message_max:
                self._refuse()
            if line:
                found.append(line)
        self._searched = len(self._buffer)
        if self._searched > self._message_max + 1:
            self._refuse()
        return found

    def encode(self, message: bytes) -> bytes:
        """Make the bytes of a message, which has no newline inside."""
        assert b"\n" not in message, "a line has no newline inside"
        return message + b"\n"

    def control(self, control: Control) -> bytes | None:  # noqa: ARG002 - of the protocol
        """There are none."""
        return None

    def _refuse(self) -> None:
        raise RemoteProtocolError(
            f"The peer sent a line of more than {self._message_max} bytes.",
            code=ErrorCode.FRAME_TOO_LARGE,
        )
