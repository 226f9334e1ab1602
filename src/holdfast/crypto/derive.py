"""Keys from keys (HKDF, RFC 5869)."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive(secret: bytes, purpose: bytes, *, salt: bytes | None = None, size: int = 32) -> bytes:
    """Derive a key for one purpose from a secret of full entropy."""
    return HKDF(SHA256(), size, salt, purpose).derive(secret)
