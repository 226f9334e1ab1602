"""An identity: the long-term key by which contacts know somebody, and the prekeys of new sessions (Olm).

It is made on the device and shown to contacts only. The same person may have several; nothing ties them together.
"""

from __future__ import annotations

import base64
from typing import Final

import vodozemac

from holdfast.crypto.ratchet import PICKLE_KEY, PairMessage, PairRatchet
from holdfast.errors import ErrorCode, KeystoreError, RatchetError

KEY_SIZE: Final = 32


class IdentityKeys:
    """The keys of one identity. They change when a prekey is made or used: store them in that transaction.

    Args:
        account: of the library.
    """

    def __init__(self, account: vodozemac.Account) -> None:
        self._account = account

    @classmethod
    def generate(cls) -> IdentityKeys:
        """Make new keys."""
        return cls(vodozemac.Account())

    @classmethod
    def from_bytes(cls, stored: bytes) -> IdentityKeys:
        """Read what ``to_bytes`` gave; raises ``KeystoreError`` (9005) when it is damaged."""
        try:
            return cls(vodozemac.Account.from_pickle(stored.decode("ascii"), PICKLE_KEY))
        except ValueError as error:
            raise KeystoreError(
                "The keys of an identity are damaged: restore a backup of the data folder.",
                code=ErrorCode.KEYSTORE_DAMAGED,
                original=error,
            ) from error

    def to_bytes(self) -> bytes:
        """Write the keys down, in the clear: whoever stores them seals them (``Keystore``)."""
        return self._account.pickle(PICKLE_KEY).encode("ascii")

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes: what contacts know us by."""
        return bytes(self._account.curve25519_key.to_bytes())

    def new_prekey(self) -> bytes:
        """Make a key with which one new session with us can be begun, once; 32 bytes."""
        self._account.generate_one_time_keys(1)
        (key,) = self._account.one_time_keys.values()
        self._account.mark_keys_as_published()
        return bytes(key.to_bytes())

    def begin(self, their_identity: bytes, their_prekey: bytes) -> PairRatchet:
        """Begin a session with somebody; raises ``RatchetError`` (9003) for keys that are weak or none."""
        try:
            session = self._account.create_outbound_session(
                _key(their_identity), _key(their_prekey)
            )
        except ValueError as error:
            raise RatchetError("These keys begin no session.", original=error) from error
        return PairRatchet(session)

    def answer(self, their_identity: bytes, first: PairMessage) -> tuple[PairRatchet, bytes]:
        """Take the first message of a session that somebody began with a prekey of ours, which is used up.

        Returns:
            The session, and what the message says.

        Raises:
            RatchetError: 9003; it was changed, is of somebody else, or its prekey was used before.
        """
        message = first.as_first()
        try:
            session, text = self._account.create_inbound_session(_key(their_identity), message)
        except ValueError as error:
            raise RatchetError(
                "The first message of a session was refused: its key was used, or it was changed.",
                original=error,
            ) from error
        return PairRatchet(session), bytes(text)


def _key(raw: bytes) -> vodozemac.Curve25519PublicKey:
    if len(raw) != KEY_SIZE or not any(raw):
        raise RatchetError("This is no public key.")
    return vodozemac.Curve25519PublicKey.from_bytes(raw)


def fingerprint(public: bytes) -> str:
    """Write a public key as groups of letters and digits for a person."""
    text = base64.b32encode(public).decode("ascii").rstrip("=")
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))
