"""What a program takes from outside besides its event loop: wall time, chance, ids, secrets.

Waiting and monotonic time come from the loop (``asyncio.sleep``, ``loop.time()``). Nothing else in
the package reaches for a clock or a source of chance, so that a simulation can stand in for both.
"""

from __future__ import annotations

import base64
import random
import secrets
import time
from typing import Protocol


class World(Protocol):
    """Wall time, chance, identifiers and secrets."""

    @property
    def random(self) -> random.Random:
        """Chance for jitter and sampling, never for secrets."""
        ...

    def wall_now(self) -> float:
        """Return seconds since 1970; it may jump."""
        ...

    def new_id(self) -> str:
        """Return 96 random bits as 16 characters of ``[A-Za-z0-9_-]``."""
        ...

    def secret_bytes(self, size: int) -> bytes:
        """Return ``size`` bytes that nobody can guess."""
        ...


class RealWorld:
    """The machine's own clock and chance."""

    def __init__(self) -> None:
        self.random = random.Random()  # noqa: S311 - jitter and sampling, never for secrets

    def wall_now(self) -> float:
        """Return seconds since 1970; it may jump."""
        return time.time()

    def new_id(self) -> str:
        """Return 96 random bits as 16 characters of ``[A-Za-z0-9_-]``."""
        return text_of(secrets.token_bytes(12))

    def secret_bytes(self, size: int) -> bytes:
        """Return ``size`` bytes that nobody can guess."""
        return secrets.token_bytes(size)


def text_of(raw: bytes) -> str:
    """Write bytes as URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
