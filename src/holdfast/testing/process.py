"""A process of a simulated host: what its callbacks belong to."""

from __future__ import annotations

import enum
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from holdfast.testing.files import OpenFiles
    from holdfast.testing.host import Host


class ProcessState(enum.Enum):
    """Whether callbacks of a process run."""

    RUNNING = "running"
    FROZEN = "frozen"
    DEAD = "dead"


class Process:
    """One life of a host's programs, from its start to its death.

    Attributes:
        parked: callbacks that wait for a thaw.
        programs: what was started here.
        folder: where its files are; another life gets a copy.
        open_files: what the operating system takes back when it dies.
    """

    __slots__ = ("folder", "host", "life", "name", "open_files", "parked", "programs", "state")

    def __init__(self, host: Host, life: int, folder: Path, open_files: OpenFiles) -> None:
        self.host = host
        self.life = life
        self.name = host.name
        self.folder = folder
        self.open_files = open_files
        self.state = ProcessState.RUNNING
        self.parked: list[asyncio.Handle] = []
        self.programs: dict[asyncio.Task[object], None] = {}

    @property
    def is_alive(self) -> bool:
        """False when it is dead."""
        return self.state is not ProcessState.DEAD


PROCESS: ContextVar[Process | None] = ContextVar("holdfast_simulated_process", default=None)
"""The process that the running callback belongs to; None for the scenario itself."""
