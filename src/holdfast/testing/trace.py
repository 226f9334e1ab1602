"""What happened in a run: a digest of all of it, and its last lines in full."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Trace:
    """Lines of virtual time, host, kind and detail.

    Args:
        now_ns: returns virtual nanoseconds.
        keep: how many of the last lines are kept; None for all of them.
    """

    def __init__(self, now_ns: Callable[[], int], keep: int | None = 50) -> None:
        self._now_ns = now_ns
        self._digest = hashlib.blake2b(digest_size=12)
        self._last: deque[tuple[int, str, str, str]] = deque(maxlen=keep)
        self.count = 0

    def add(self, host: str, kind: str, detail: str = "") -> None:
        """Add a line."""
        now = self._now_ns()
        self._digest.update(f"{now} {host} {kind} {detail}\n".encode())
        self._last.append((now, host, kind, detail))
        self.count += 1

    @property
    def digest(self) -> str:
        """Equal for equal runs: of all lines so far, as 24 hexadecimal digits."""
        return self._digest.hexdigest()

    def last(self) -> list[str]:
        """Return the last lines, written to be read."""
        return [
            f"{now / 1e9:12.6f}  {host:<10} {kind:<10} {detail}".rstrip()
            for now, host, kind, detail in self._last
        ]
