"""The ratchet of a room: Megolm, by vodozemac. The seam where another group cipher can take its place.

Theory. Each member encrypts with a sender key of his own, once for all, and gives the key to each other member over
the ratchet of two. The key moves on with each message and cannot be turned back: a newcomer who is given
today's key reads from today. It does not heal by itself as a ratchet of two does, so it is replaced when a member
leaves, after a number of messages and after a day (``holdfast.node``). The library decrypts a message as often as it
is asked; the index is returned so that a caller can refuse the second time.
"""

from __future__ import annotations

import vodozemac

from holdfast.crypto.ratchet import PICKLE_KEY
from holdfast.errors import ErrorCode, KeystoreError, RatchetError


class RoomSender:
    """Our own sender key in a room.

    Args:
        session: of the library.
    """

    def __init__(self, session: vodozemac.GroupSession) -> None:
        self._session = session

    @classmethod
    def generate(cls) -> RoomSender:
        """Make a new one."""
        return cls(vodozemac.GroupSession())

    @classmethod
    def from_bytes(cls, stored: bytes) -> RoomSender:
        """Read what ``to_bytes`` gave; raises ``KeystoreError`` (9005) when it is damaged."""
        try:
            return cls(vodozemac.GroupSession.from_pickle(stored.decode("ascii"), PICKLE_KEY))
        except ValueError as error:
            raise _damaged(error) from error

    def to_bytes(self) -> bytes:
        """Write it down, in the clear: whoever stores it seals it (``Keystore``)."""
        return self._session.pickle(PICKLE_KEY).encode("ascii")

    @property
    def id(self) -> str:
        """Names the key in messages."""
        return str(self._session.session_id)

    @property
    def index(self) -> int:
        """Messages that were encrypted with it."""
        return int(self._session.message_index)

    @property
    def key(self) -> str:
        """What members need to read from now on. A secret."""
        return str(self._session.session_key.to_base64())

    def encrypt(self, text: bytes) -> bytes:
        """Encrypt the next message, once for all members."""
        return bytes(self._session.encrypt(text).to_bytes())


class RoomReceiver:
    """The sender key of another member.

    Args:
        session: of the library.
    """

    def __init__(self, session: vodozemac.InboundGroupSession) -> None:
        self._session = session

    @classmethod
    def from_key(cls, key: str) -> RoomReceiver:
        """Take the key that a member gave us; raises ``RatchetError`` (9003) when it is none or forged."""
        try:
            return cls(vodozemac.InboundGroupSession(vodozemac.SessionKey(key)))
        except ValueError as error:
            raise RatchetError("This is no key of a room.", original=error) from error

    @classmethod
    def from_bytes(cls, stored: bytes) -> RoomReceiver:
        """Read what ``to_bytes`` gave; raises ``KeystoreError`` (9005) when it is damaged."""
        try:
            return cls(
                vodozemac.InboundGroupSession.from_pickle(stored.decode("ascii"), PICKLE_KEY)
            )
        except ValueError as error:
            raise _damaged(error) from error

    def to_bytes(self) -> bytes:
        """Write it down, in the clear: whoever stores it seals it (``Keystore``)."""
        return self._session.pickle(PICKLE_KEY).encode("ascii")

    @property
    def id(self) -> str:
        """Names the key in messages."""
        return str(self._session.session_id)

    def decrypt(self, ciphertext: bytes) -> tuple[bytes, int]:
        """Decrypt a message.

        Returns:
            What it says, and its index, which the caller has not seen before or refuses.

        Raises:
            RatchetError: 9003; it was changed, is older than the key, or of another one.
        """
        try:
            found = self._session.decrypt(vodozemac.MegolmMessage.from_bytes(ciphertext))
        except ValueError as error:
            raise RatchetError(
                "A room's key does not open a message: it was changed, or is of another key.",
                original=error,
            ) from error
        return bytes(found.plaintext), int(found.message_index)


def _damaged(error: ValueError) -> KeystoreError:
    return KeystoreError(
        "A key of a room is damaged: restore a backup of the data folder.",
        code=ErrorCode.KEYSTORE_DAMAGED,
        original=error,
    )
