"""What the server floor has to know of the program it serves: its clocks, its store, and whether it can do its job.

A session ``Hub`` is such a subject; a program without one (a gateway with a protocol of its own) describes itself
with ``Program``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.storage import Database
    from holdfast.world import World


class Subject(Protocol):
    """A program that is served and watched."""

    @property
    def world(self) -> World:
        """Wall time, ids and secrets."""

    @property
    def is_ready(self) -> bool:
        """Whether it can do its job now; ``/health/ready`` says so."""

    @property
    def database(self) -> Database | None:
        """Its store; None when it keeps everything in memory."""

    def now(self) -> float:
        """Return monotonic seconds."""

    def uptime(self) -> float:
        """Return seconds since the start."""


class Program:
    """A subject that has no hub; made while the event loop runs, which is when its uptime begins.

    Args:
        world: wall time, ids and secrets.
        is_ready: called whenever somebody asks whether the program can do its job now; cheap.
        database: its store; None when it keeps everything in memory.
    """

    def __init__(
        self, world: World, *, is_ready: Callable[[], bool], database: Database | None = None
    ) -> None:
        self.world = world
        self.database = database
        self._is_ready = is_ready
        self._began = self.now()

    @property
    def is_ready(self) -> bool:
        """Whether it can do its job now."""
        return self._is_ready()

    def now(self) -> float:
        """Return monotonic seconds."""
        return asyncio.get_running_loop().time()

    def uptime(self) -> float:
        """Return seconds since the start."""
        return self.now() - self._began
