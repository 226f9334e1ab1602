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
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

WAL_HEADER = 32
FRAME_HEADER = 24
SYNCHRONOUS_NORMAL, SYNCHRONOUS_FULL = 1, 2

_close = os.close


class OpenFiles:
    """What one process has open below its folder, and what of it was flushed.

    Args:
        folder: of the process.
        before: what the life before it had open, None for the first one.
        is_all_flushed: what the folder holds now has survived a loss of power.
    """

    def __init__(
        self, folder: Path, before: OpenFiles | None = None, *, is_all_flushed: bool = True
    ) -> None:
        self._folder = folder
        self._prefix = str(folder) + os.sep
        self._databases: list[sqlite3.Connection] = []
        self._descriptors: set[int] = set()
        self._objects: list[io.IOBase] = []
        self._flushed: dict[int, bytes] = {}
        self._names: dict[str, int] = {}
        self._levels: dict[str, int] = {}
        self._last_flushed: dict[str, bytes] = {}
        if before is not None:
            self._inherit(before, is_all_flushed=is_all_flushed)

    def _inherit(self, before: OpenFiles, *, is_all_flushed: bool) -> None:
        """Know what the disk holds of the files that were found."""
        for path in _files(self._folder):
            name = str(path.relative_to(self._folder))
            content = path.read_bytes() if is_all_flushed else before._last_flushed.get(name)
            if content is not None and not _is_of_database(path):
                inode = path.stat().st_ino
                self._flushed[inode] = content
                self._names[name] = inode
        if not is_all_flushed:
            self._levels = dict(before._levels)

    def holds(self, path: object) -> bool:
        """Say whether a path is below the folder."""
        try:
            text = os.fspath(path)  # type: ignore[call-overload]
        except TypeError:
            return False  # a descriptor
        return isinstance(text, str) and str(Path.cwd() / text).startswith(self._prefix)

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
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
        except OSError:
            return  # a system without /proc: nothing is known of this file, so nothing is kept
        if self.holds(path) and path.is_file():
            inode = path.stat().st_ino
            with io.open_code(str(path)) as file:
                self._flushed[inode] = file.read()
            self._names[str(path.relative_to(self._folder))] = inode

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

    def copy(self, target: Path) -> None:
        """Copy all as it is now: what another process would find."""
        self._levels = self._synchronous()
        self._last_flushed = {
            str(path.relative_to(self._folder)): content
            for path in _files(self._folder)
            if (content := self._on_disk(path)) is not None
        }
        shutil.copytree(self._folder, target)

    def copy_after_power_loss(self, target: Path, source: random.Random) -> None:
        """Copy what a disk may hold after the power went.

        Args:
            target: folder to make.
            source: chance for what was lost of all that may be.
        """
        levels = self._synchronous()
        shutil.copytree(self._folder, target)
        for path in _files(self._folder):
            name = str(path.relative_to(self._folder))
            copied = target / name
            if _is_of_database(path):
                base = name.removesuffix("-wal")
                if base != name and levels.get(base, SYNCHRONOUS_FULL) <= SYNCHRONOUS_NORMAL:
                    _tear(copied, source)
                continue
            kept = self._on_disk(path)
            if kept is None:
                copied.unlink()
            else:
                copied.write_bytes(kept)

    def _on_disk(self, path: Path) -> bytes | None:
        """Return what a file was when it was flushed last, None when it never was.

        A name that was given to another file without flushing that one still means the first.
        """
        found = self._flushed.get(path.stat().st_ino)
        if found is None:
            found = self._flushed.get(self._names.get(str(path.relative_to(self._folder)), -1))
        return found

    def _synchronous(self) -> dict[str, int]:
        """Return the weakest ``PRAGMA synchronous`` of each database, by its name."""
        found = dict(self._levels)
        for connection in self._databases:
            with contextlib.suppress(sqlite3.Error):  # closed by its program
                if connection.execute("PRAGMA query_only").fetchone()[0]:
                    continue  # a reader writes nothing
                level = int(connection.execute("PRAGMA synchronous").fetchone()[0])
                path = str(connection.execute("PRAGMA database_list").fetchone()[2])
                name = os.path.relpath(path, self._folder)
                found[name] = min(level, found.get(name, level))
        return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _is_of_database(path: Path) -> bool:
    """Say whether SQLite takes care of this file: a database, or what lies beside one."""
    base = path
    for suffix in ("-wal", "-shm", "-journal"):
        base = base.with_name(base.name.removesuffix(suffix))
    return base.is_file() and _is_database(base)


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
