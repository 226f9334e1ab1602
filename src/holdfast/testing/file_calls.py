"""The file calls that programs make, noted for the process that makes them; nothing reaches a real disk."""

from __future__ import annotations

import builtins
import io
import os
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from holdfast.testing.process import PROCESS

if TYPE_CHECKING:
    from holdfast.testing.files import OpenFiles

_open, _os_open, _os_close, _connect = io.open, os.open, os.close, sqlite3.connect


def _owner_of(path: object) -> OpenFiles | None:
    """Return the files of the running process, if the path is one of them."""
    process = PROCESS.get()
    if process is None or not process.open_files.holds(path):
        return None
    return process.open_files


def _opened(file: Any, *args: Any, **more: Any) -> Any:
    found = _open(file, *args, **more)
    owner = _owner_of(file)
    if owner is not None:
        owner.object_opened(found)
    return found


def _os_opened(path: Any, *args: Any, **more: Any) -> int:
    descriptor = _os_open(path, *args, **more)
    owner = _owner_of(path)
    if owner is not None:
        owner.descriptor_opened(descriptor)
    return descriptor


def _os_closed(descriptor: int) -> None:
    process = PROCESS.get()
    if process is not None:
        process.open_files.descriptor_closed(descriptor)
    _os_close(descriptor)


def _synced(file: Any) -> None:
    process = PROCESS.get()
    if process is not None:
        process.open_files.flushed(file if isinstance(file, int) else file.fileno())


def _connected(database: Any, *args: Any, **more: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = _connect(database, *args, **more)
    owner = _owner_of(database)
    if owner is not None:
        owner.database_opened(connection)
    return connection


WATCHED: Final = (
    (builtins, "open", _opened),
    (io, "open", _opened),
    (os, "open", _os_opened),
    (os, "close", _os_closed),
    (os, "fsync", _synced),
    *(((os, "fdatasync", _synced),) if hasattr(os, "fdatasync") else ()),
    (sqlite3, "connect", _connected),
)
"""Where each is found, and what stands in for it while a simulation runs."""
