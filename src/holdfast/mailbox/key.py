"""The key of a mailbox: who has it reads, whoever it is.

Theory. A mailbox's address is a hash of its reader's public key. So nobody can take an address before its owner comes
to a gateway, and a gateway need not remember who came first. A key belongs to one mailbox and to nothing else: it
says nothing about the person, and two mailboxes of one person have nothing in common.

What is signed names the gateway it is meant for. Otherwise a gateway could pass on another one's challenge, and read
a mailbox there with its owner's answer.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

if TYPE_CHECKING:
    from holdfast.world import World

SEED_BYTES: Final = 32
MAILBOX_BYTES: Final = 16
TOKEN_BYTES: Final = 32
ENVELOPE_ID_BYTES: Final = 16
NONCE_BYTES: Final = 32
_DOMAIN: Final = b"holdfast mailbox proof 1"


class Purpose(IntEnum):
    """What a proof is good for, and for nothing else."""

    CREATE = 1
    SUBSCRIBE = 2
    DELETE = 3


class MailboxKey:
    """An Ed25519 key that owns one mailbox.

    Args:
        seed: 32 secret bytes, which are all there is to be kept.

    Attributes:
        seed: the same.
        public: the public key, 32 bytes.
        mailbox: the address of its mailbox, 16 bytes.
    """

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"A mailbox key's seed has {SEED_BYTES} bytes, not {len(seed)}.")
        self.seed = seed
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw()
        self.mailbox = mailbox_of(self.public)

    @classmethod
    def new(cls, world: World) -> MailboxKey:
        """Make one."""
        return cls(world.secret_bytes(SEED_BYTES))

    def __repr__(self) -> str:
        return "MailboxKey(…)"  # never the seed, nor which mailbox

    def prove(self, purpose: Purpose, pin: bytes, nonce: bytes, token: bytes = b"") -> bytes:
        """Sign that a request is its owner's.

        Args:
            purpose: what is asked for.
            pin: of the gateway it is meant for.
            nonce: the gateway's challenge.
            token: hash of the deposit token, where one is set.
        """
        return self._private.sign(_statement(purpose, pin, nonce, self.public, token))


def mailbox_of(public: bytes) -> bytes:
    """Return the address of the mailbox that a public key owns."""
    return hashlib.sha256(b"holdfast mailbox 1" + public).digest()[:MAILBOX_BYTES]


def token_hash(token: bytes) -> bytes:
    """Return what a gateway keeps of a deposit token."""
    return hashlib.sha256(b"holdfast deposit 1" + token).digest()


def is_proven(
    public: bytes, signature: bytes, purpose: Purpose, pin: bytes, nonce: bytes, token: bytes = b""
) -> bool:
    """Say whether a proof is good; arguments as for ``MailboxKey.prove``."""
    try:
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(signature, _statement(purpose, pin, nonce, public, token))
    except (InvalidSignature, ValueError):
        return False  # that is the answer
    return True


def _statement(purpose: Purpose, pin: bytes, nonce: bytes, public: bytes, token: bytes) -> bytes:
    """All parts but the last have a fixed length, so no two statements read alike."""
    return b"".join((_DOMAIN, bytes((purpose,)), pin, nonce, public, token))
