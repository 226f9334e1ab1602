"""The double ratchet of two: Olm, by vodozemac (audited by Least Authority, 2022).

Theory. Every message has a key of its own that is forgotten with its use, and every answer brings fresh
Diffie-Hellman keys: who steals the keys of today reads neither yesterday nor, after the next answer, tomorrow. The
library keeps at most 40 keys of skipped messages, so it is given messages in order (``holdfast.node.machine``). A
ratchet that was used must be stored in the transaction that stores what came of it: a key used twice, or one
forgotten too early,
is a message lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import vodozemac

from holdfast.errors import ErrorCode, KeystoreError, RatchetError

PICKLE_KEY: Final = bytes(32)
"""The library wants to encrypt what it writes down; we seal it ourselves (``Keystore``), with a better cipher."""

_FIRST: Final = 0


@dataclass(frozen=True, slots=True)
class PairMessage:
    """What the ratchet made of a message.

    Attributes:
        kind: 0 for the first messages of a session, which carry its keys, else 1.
        ciphertext: the rest.
    """

    kind: int
    ciphertext: bytes

    def as_first(self) -> vodozemac.PreKeyMessage:
        """Return it as one that begins a session; raises ``RatchetError`` (9003) when it is none."""
        found = self.as_any().to_pre_key()
        if found is None:
            raise RatchetError("The message does not begin a session.")
        return found

    def as_any(self) -> vodozemac.AnyOlmMessage:
        """Return it for the library; raises ``RatchetError`` (9003) when it cannot be read."""
        try:
            return vodozemac.AnyOlmMessage.from_parts(self.kind, self.ciphertext)
        except ValueError as error:
            raise RatchetError("This is no message of a ratchet.", original=error) from error


class PairRatchet:
    """One session of two.

    Args:
        session: of the library.
    """

    def __init__(self, session: vodozemac.Session) -> None:
        self._session = session

    @classmethod
    def from_bytes(cls, stored: bytes) -> PairRatchet:
        """Read what ``to_bytes`` gave; raises ``KeystoreError`` (9005) when it is damaged."""
        try:
            return cls(vodozemac.Session.from_pickle(stored.decode("ascii"), PICKLE_KEY))
        except ValueError as error:
            raise KeystoreError(
                "The ratchet of a contact is damaged: restore a backup of the data folder.",
                code=ErrorCode.KEYSTORE_DAMAGED,
                original=error,
            ) from error

    def to_bytes(self) -> bytes:
        """Write the session down, in the clear: whoever stores it seals it (``Keystore``)."""
        return self._session.pickle(PICKLE_KEY).encode("ascii")

    def encrypt(self, text: bytes) -> PairMessage:
        """Encrypt the next message."""
        kind, ciphertext = self._session.encrypt(text).to_parts()
        return PairMessage(kind, bytes(ciphertext))

    def decrypt(self, message: PairMessage) -> bytes:
        """Decrypt a message.

        Raises:
            RatchetError: 9003; it was changed, came before, or is of another session. The ratchet is as before.
        """
        try:
            return bytes(self._session.decrypt(message.as_any()))
        except ValueError as error:
            raise RatchetError(
                "The ratchet refused a message: it was changed, came before, or is of another session.",
                original=error,
            ) from error
