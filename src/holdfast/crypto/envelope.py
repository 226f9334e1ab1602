"""Sealed envelopes: all that a gateway ever sees of a message.

Theory. An envelope is padded to one of a few sizes and sealed to the key of a mailbox (HPKE, RFC 9180, base
mode), so that it tells a gateway its size class and nothing else: not who sent it (base mode has no sender), not
which message of which conversation it is, and not whether it is a message, an acknowledgement or a self-test. The
key encapsulation is the hybrid of ML-KEM-768 and X25519: who records envelopes has to break both. Each copy is
sealed anew, so that two gateways cannot match copies.

There are two kinds of key. A ``EnvelopeKey`` is the hybrid one; its public half has 1216 bytes, too many for a link.
So an invitation carries an ``InvitationKey``: X25519, and within it a cipher with the secret of the invitation,
which a recorder without the link does not have. Both give envelopes of the same sizes.

The seal is no proof of the sender: what is inside is (``ratchet``, ``pair_key``).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from holdfast.crypto.derive import derive
from holdfast.errors import EnvelopeError

if TYPE_CHECKING:
    from holdfast.world import World

ENVELOPE_BYTES_MAX: Final = 64 * 1024
"""The largest envelope, in bytes."""

_HYBRID: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_CLASSIC: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_HYBRID_OVERHEAD: Final = 1120 + 16
_CLASSIC_OVERHEAD: Final = 32 + 16
_NONCE: Final = 12
_SECRET_OVERHEAD: Final = _NONCE + 16
_MLKEM_SEED: Final = 64
_MLKEM_PUBLIC: Final = 1184
_INFO: Final = b"holdfast envelope 1"
_INVITED: Final = b"holdfast invitation envelope 1"
_LENGTH: Final = struct.Struct(">I")

SIZES: Final = (
    *(512 * 2**power + _HYBRID_OVERHEAD for power in range(7)),
    ENVELOPE_BYTES_MAX,
)
"""The sizes that envelopes have, in bytes; nothing else leaves a node or is opened."""

CONTENT_BYTES_MAX: Final = ENVELOPE_BYTES_MAX - _HYBRID_OVERHEAD - _LENGTH.size
"""What fits into the largest envelope of either kind, in bytes."""


class EnvelopeKey:
    """The private half of a mailbox's key.

    Args:
        raw: 96 secret bytes, as ``raw`` gives them.
    """

    SIZE: Final = _MLKEM_SEED + 32

    def __init__(self, raw: bytes) -> None:
        if len(raw) != self.SIZE:
            raise EnvelopeError(f"An envelope key has {self.SIZE} bytes, not {len(raw)}.")
        self.raw = raw
        mlkem = MLKEM768PrivateKey.from_seed_bytes(raw[:_MLKEM_SEED])
        classic = X25519PrivateKey.from_private_bytes(raw[_MLKEM_SEED:])
        self._key = MLKEM768X25519PrivateKey(mlkem, classic)
        self.public = (
            mlkem.public_key().public_bytes_raw() + classic.public_key().public_bytes_raw()
        )

    @classmethod
    def generate(cls, world: World) -> EnvelopeKey:
        """Make a new one."""
        return cls(world.secret_bytes(cls.SIZE))

    def open(self, sealed: bytes) -> bytes:
        """Open an envelope; raises ``EnvelopeError`` (9002) for one that is not for this key or was changed."""
        _check_size(sealed)
        try:
            return _unpadded(_HYBRID.decrypt(sealed, self._key, _INFO))
        except (InvalidTag, ValueError) as error:
            raise _refused() from error


class SealKey:
    """The public half of a mailbox's key, of somebody else: what is written to him is sealed to it.

    Args:
        raw: 1216 bytes, as ``EnvelopeKey.public``.

    Raises:
        EnvelopeError: 9002; it is no key.
    """

    SIZE: Final = _MLKEM_PUBLIC + 32

    def __init__(self, raw: bytes) -> None:
        if len(raw) != self.SIZE:
            raise EnvelopeError(f"A sealing key has {self.SIZE} bytes, not {len(raw)}.")
        self.raw = raw
        try:
            mlkem = MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_PUBLIC])
            classic = X25519PublicKey.from_public_bytes(raw[_MLKEM_PUBLIC:])
            self._key = MLKEM768X25519PublicKey(mlkem, classic)
        except ValueError as error:
            raise EnvelopeError("This is no sealing key.", original=error) from error

    def seal(self, content: bytes) -> bytes:
        """Pad and seal; raises ``EnvelopeError`` (9002) when the content is too large or the key a weak one."""
        try:
            return _HYBRID.encrypt(_padded(content, _HYBRID_OVERHEAD), self._key, _INFO)
        except ValueError as error:
            raise EnvelopeError("The sealing key is a weak one.", original=error) from error


class InvitationKey:
    """The private half of an invitation's key, with its secret.

    Args:
        raw: 64 secret bytes: X25519 key and secret.
    """

    SIZE: Final = 32 + 32

    def __init__(self, raw: bytes) -> None:
        if len(raw) != self.SIZE:
            raise EnvelopeError(f"An invitation's key has {self.SIZE} bytes, not {len(raw)}.")
        self.raw = raw
        self._key = X25519PrivateKey.from_private_bytes(raw[:32])
        self.secret = raw[32:]
        self.public = self._key.public_key().public_bytes_raw()
        self._cipher = _inner(self.secret)

    @classmethod
    def generate(cls, world: World) -> InvitationKey:
        """Make a new one."""
        return cls(world.secret_bytes(cls.SIZE))

    def open(self, sealed: bytes) -> bytes:
        """Open an envelope; as ``EnvelopeKey.open``."""
        _check_size(sealed)
        try:
            inner = _CLASSIC.decrypt(sealed, self._key, _INVITED)
            return _unpadded(self._cipher.decrypt(inner[:_NONCE], inner[_NONCE:], _INVITED))
        except (InvalidTag, ValueError) as error:
            raise _refused() from error


class InvitationSealKey:
    """What an invitation's link carries to seal to it.

    Args:
        public: the X25519 key.
        secret: of the invitation.
        world: chance for nonces.
    """

    def __init__(self, public: bytes, secret: bytes, world: World) -> None:
        try:
            self._key = X25519PublicKey.from_public_bytes(public)
        except ValueError as error:
            raise EnvelopeError("This is no invitation's key.", original=error) from error
        self._cipher = _inner(secret)
        self._world = world

    def seal(self, content: bytes) -> bytes:
        """Pad and seal; as ``SealKey.seal``."""
        nonce = self._world.secret_bytes(_NONCE)
        padded = _padded(content, _CLASSIC_OVERHEAD + _SECRET_OVERHEAD)
        try:
            inner = nonce + self._cipher.encrypt(nonce, padded, _INVITED)
            return _CLASSIC.encrypt(inner, self._key, _INVITED)
        except ValueError as error:
            raise EnvelopeError("The invitation's key is a weak one.", original=error) from error


def _inner(secret: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(derive(secret, _INVITED))


def _padded(content: bytes, overhead: int) -> bytes:
    """Put the length before and zeros behind, so that the envelope has one of the sizes."""
    needed = _LENGTH.size + len(content) + overhead
    for size in SIZES:
        if needed <= size:
            return (_LENGTH.pack(len(content)) + content).ljust(size - overhead, b"\0")
    raise EnvelopeError(f"{len(content)} bytes do not fit into an envelope.")


def _unpadded(padded: bytes) -> bytes:
    (length,) = _LENGTH.unpack_from(padded)
    if length > len(padded) - _LENGTH.size:
        raise EnvelopeError("The envelope's content is shorter than it says.")
    return padded[_LENGTH.size : _LENGTH.size + length]


def _check_size(sealed: bytes) -> None:
    if len(sealed) not in SIZES:
        raise EnvelopeError(f"An envelope of {len(sealed)} bytes is none of ours.")


def _refused() -> EnvelopeError:
    return EnvelopeError("The envelope is not for this key, or was changed on its way.")
