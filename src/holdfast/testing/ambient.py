"""The sources of time, chance and files that programs reach without asking: answered by the simulation.

``time.time``, ``time.monotonic``, ``random``, ``secrets``, ``uuid.uuid4`` and ``os.urandom`` give virtual time and
seeded chance while a simulation runs, so that programs written without one in mind repeat as well. Not
reached: ``datetime.now()`` and clocks inside of compiled libraries.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import io
import os
import random
import sqlite3
import time
from typing import TYPE_CHECKING, Any
from unittest import mock

from holdfast.testing.process import PROCESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.testing.chance import Chance
    from holdfast.testing.files import OpenFiles
    from holdfast.testing.loop import SimLoop

WALL_START = 1_790_000_000.0
"""Seconds since 1970 at which every run begins."""


class Clock:
    """Wall time of the host that asks."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._began = loop.time()

    def true_now(self) -> float:
        """Return seconds since 1970, as a clock shows them that is right."""
        return WALL_START + self._loop.time() - self._began

    def wall_now(self) -> float:
        """Return them as the clock of the asking host shows them."""
        process = PROCESS.get()
        return self.true_now() + (0.0 if process is None else process.host.clock_skew)


@contextlib.contextmanager
def ambient(loop: SimLoop, clock: Clock, chance: Chance) -> Iterator[None]:
    """Let ambient sources answer from a simulation, and hold garbage collection back."""
    entropy = chance.stream("entropy").randbytes
    real_open, real_os_open, real_close = io.open, os.open, os.close
    real_connect = sqlite3.connect

    def files_for(path: object) -> OpenFiles | None:
        process = PROCESS.get()
        if process is None or not process.open_files.holds(path):
            return None
        return process.open_files

    def opened(file: Any, *args: Any, **more: Any) -> Any:
        found = real_open(file, *args, **more)
        owner = files_for(file)
        if owner is not None:
            owner.object_opened(found)
        return found

    def os_opened(path: Any, *args: Any, **more: Any) -> int:
        descriptor = real_os_open(path, *args, **more)
        owner = files_for(path)
        if owner is not None:
            owner.descriptor_opened(descriptor)
        return descriptor

    def closed(descriptor: int) -> None:
        process = PROCESS.get()
        if process is not None:
            process.open_files.descriptor_closed(descriptor)
        real_close(descriptor)

    def synced(file: Any) -> None:
        descriptor = file if isinstance(file, int) else file.fileno()
        process = PROCESS.get()
        if process is not None:
            process.open_files.flushed(descriptor)  # what is simulated needs no real disk

    def connected(database: Any, *args: Any, **more: Any) -> sqlite3.Connection:
        owner = files_for(database)
        connection: sqlite3.Connection = real_connect(database, *args, **more)
        if owner is not None:
            owner.database_opened(connection)
        return connection

    state = random.getstate()
    was_collecting = gc.isenabled()
    with contextlib.ExitStack() as stack:
        for target, name, value in (
            (time, "time", clock.wall_now),
            (time, "time_ns", lambda: round(clock.wall_now() * 1e9)),
            (time, "monotonic", loop.time),
            (time, "monotonic_ns", lambda: loop.now_ns),
            (os, "urandom", entropy),
            (random, "_urandom", entropy),
            (builtins, "open", opened),
            (io, "open", opened),
            (os, "open", os_opened),
            (os, "close", closed),
            (os, "fsync", synced),
            (os, "fdatasync", synced),
            (sqlite3, "connect", connected),
        ):
            stack.enter_context(mock.patch.object(target, name, value))
        random.seed(chance.stream("random").getrandbits(64))
        gc.disable()  # finalisers would run at moments that nobody has drawn
        gc.freeze()
        try:
            yield
        finally:
            gc.unfreeze()
            random.setstate(state)
            if was_collecting:
                gc.enable()
