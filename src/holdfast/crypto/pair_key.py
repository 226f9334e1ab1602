"""The two keys by which two nodes know each other's frames before any ratchet is asked.

Theory. The ratchet proves who wrote a message, but it must see messages in order and once, and some frames
(acknowledgements) are outside of it. So each frame carries a code (HMAC-SHA-256, cut to 16 bytes) under a key of
its direction. Who only has the mailbox's token and sealing key, such as a reader of an old invitation, can
neither forge an acknowledgement nor fill the place where messages are held back. The first keys come from the
invitation's secret; once the ratchet has carried the guest's fresh secret, they are replaced.
"""

from __future__ import annotations

import hmac
from typing import Final

from holdfast.crypto.derive import derive
from holdfast.errors import EnvelopeError

TAG_SIZE: Final = 16

_FROM_HOST: Final = b"holdfast frames of the host 1"
_FROM_GUEST: Final = b"holdfast frames of the guest 1"


class PairKey:
    """The keys of both directions.

    Args:
        secret: that both know.
        is_host: whether we made the invitation.
    """

    __slots__ = ("_receive", "_send", "secret")

    def __init__(self, secret: bytes, *, is_host: bool) -> None:
        self.secret = secret
        host, guest = derive(secret, _FROM_HOST), derive(secret, _FROM_GUEST)
        self._send, self._receive = (host, guest) if is_host else (guest, host)

    def signed(self, frame: bytes) -> bytes:
        """Put the code before a frame."""
        return _tag(self._send, frame) + frame

    def verified(self, signed: bytes) -> bytes:
        """Return the frame; raises ``EnvelopeError`` (9002) when the other one did not write it."""
        tag, frame = signed[:TAG_SIZE], signed[TAG_SIZE:]
        if not hmac.compare_digest(tag, _tag(self._receive, frame)):
            raise EnvelopeError("The frame was not written by this contact.")
        return frame


def _tag(key: bytes, frame: bytes) -> bytes:
    return hmac.digest(key, frame, "sha256")[:TAG_SIZE]
