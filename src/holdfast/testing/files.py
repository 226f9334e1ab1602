"""The files of simulated hosts: what survives a killed process, and what a machine that lost its power.

Theory. Each life of a host has a folder of its own. When a process is killed, what it had written is in the
operating system's hands: the next life gets a copy of the folder as it is. When the machine loses its power,
what was not flushed to the disk may be gone: a file goes back to its last ``fsync``, and an SQLite database
to what its own settings promise (`PRAGMA synchronous <https://sqlite.org/pragma.html#pragma_synchronous>`_):
with FULL all that was committed, with NORMAL any part of what was committed since the last checkpoint.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from pathlib import Path

WAL_HEADER = 32
FRAME_HEADER = 24
SYNCHRONOUS_NORMAL = 1

_close = os.close


class OpenFiles:
    """What one process has open below its folder, and what of it was flushed.

    Args:
        folder: of the process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prefix = str(folder) + os.sep
        self._databases: list[sqlite3.Connection] = []
        self._descriptors: set[int] = set()
        self._objects: list[io.IOBase] = []
        self._flushed: dict[int, bytes] = {}
        self._names: dict[str, int] = {}

    def holds(self, path: object) -> bool:
        """Say whether a path is below the folder."""
        try:
            text = os.fspath(path)  # type: ignore[call-overload]
        except TypeError:
            return False  # a descriptor
        return isinstance(text, str) and os.path.abspath(text).startswith(self._prefix)

    # --- what the process does --------------------------------------------------------------

    def database_opened(self, connection: sqlite3.Connection) -> None:
        """Note an SQLite connection."""
        self._databases.append(connection)

    def descriptor_opened(self, descriptor: int) -> None:
        """Note a file descriptor."""
        self._descriptors.add(descriptor)

    def descriptor_closed(self, descriptor: int) -> None:
        """Forget a file descriptor."""
        self._descriptors.discard(descriptor)

    def object_opened(self, file: io.IOBase) -> None:
        """Note a file object."""
        self._objects.append(file)

    def flushed(self, descriptor: int) -> None:
        """Note that a file was flushed to the disk: it will survive as it is now."""
        try:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            return  # a system without /proc: nothing is known of this file, so nothing is kept
        if self.holds(path) and os.path.isfile(path):  # noqa: PTH113 - a string is at hand
            inode = os.stat(path).st_ino  # noqa: PTH116
            with io.open_code(path) as file:
                self._flushed[inode] = file.read()
            self._names[path] = inode

    # --- what becomes of it -----------------------------------------------------------------

    def left_open(self) -> list[str]:
        """Name what is still open."""
        found = [f"a database below {self._folder.name}" for c in self._databases if _is_open(c)]
        found += [str(getattr(file, "name", file)) for file in self._objects if not file.closed]
        return found + [f"descriptor {number}" for number in sorted(self._descriptors)]

    def release(self) -> None:
        """Close everything as the operating system does: nothing is flushed, locks are gone."""
        for connection in self._databases:
            with contextlib.suppress(sqlite3.Error):  # it may be closed, or in use: it is dead
                connection.close()
        for file in self._objects:
            raw: Any = file
            raw = getattr(raw, "buffer", raw)
            raw = getattr(raw, "raw", raw)
            with contextlib.suppress(OSError, ValueError):  # closed before
                raw.close()
        for descriptor in self._descriptors:
            with contextlib.suppress(OSError):  # closed before
                _close(descriptor)
        self._databases.clear()
        self._objects.clear()
        self._descriptors.clear()

    def synchronous(self) -> dict[str, int]:
        """Return the weakest ``PRAGMA synchronous`` of each open database, by its path."""
        found: dict[str, int] = {}
        for connection in self._databases:
            with contextlib.suppress(sqlite3.Error):  # closed by its program
                if connection.execute("PRAGMA query_only").fetchone()[0]:
                    continue  # a reader writes nothing
                level = int(connection.execute("PRAGMA synchronous").fetchone()[0])
                path = str(connection.execute("PRAGMA database_list").fetchone()[2])
                found[path] = min(level, found.get(path, level))
        return found

    def copy(self, target: Path) -> None:
        """Copy all as it is now: what another process would find."""
        shutil.copytree(self._folder, target)

    def copy_after_power_loss(self, target: Path, source: random.Random) -> None:
        """Copy what a disk may hold after the power went.

        Args:
            target: folder to make.
            source: chance for what was lost of all that may be.
        """
        synchronous = self.synchronous()
        shutil.copytree(self._folder, target)
        # Relative names: the same file below another folder.
        for path in sorted(item for item in self._folder.rglob("*") if item.is_file()):
            copied = target / path.relative_to(self._folder)
            name = str(path)
            base = name.removesuffix("-wal").removesuffix("-shm").removesuffix("-journal")
            if base in synchronous or _is_database(path):
                if name.endswith("-wal") and synchronous.get(base, 2) <= SYNCHRONOUS_NORMAL:
                    _tear(copied, source)
                continue
            inode = path.stat().st_ino
            kept = self._flushed.get(inode, self._flushed.get(self._names.get(name, -1)))
            if kept is None:
                copied.unlink()
            else:
                copied.write_bytes(kept)


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(15) == b"SQLite format 3"


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        _ = connection.total_changes
    except sqlite3.ProgrammingError:
        return False
    return True


def _tear(wal: Path, source: random.Random) -> None:
    """Cut a write-ahead log at a frame: what was not flushed may be lost from any point on."""
    content = wal.read_bytes()
    if len(content) < WAL_HEADER:
        return
    frame = FRAME_HEADER + int.from_bytes(content[8:12], "big")
    frames = (len(content) - WAL_HEADER) // frame
    kept = source.randint(0, frames)
    wal.write_bytes(content[: WAL_HEADER + kept * frame])
