"""What a commit means."""

from __future__ import annotations

from enum import Enum


class Durability(Enum):
    """What a commit that was acknowledged survives; the value is SQLite's ``synchronous``.

    In both cases the file stays whole, and in both a process may be killed at any moment: what was
    written has left it for the system's memory by then.
    """

    POWER_LOSS = "FULL"
    """Survives ``kill -9``, a crash of the system and a power cut: the disk is flushed before each acknowledgement."""

    PROCESS_DEATH = "NORMAL"
    """Survives ``kill -9``. A power cut may take the newest commits: those since the last checkpoint, of at most
    ``limits.STORE_LOG_PAGES`` pages."""
