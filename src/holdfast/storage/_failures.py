"""SQLite's failures, said in the words of the house."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from holdfast.errors import ErrorCode, StorageError

if TYPE_CHECKING:
    from pathlib import Path

_ADVICE: Final = {
    "SQLITE_FULL": (
        ErrorCode.STORAGE_FULL,
        "The disk is full: make room, the server goes on by itself.",
    ),
    "SQLITE_READONLY": (
        ErrorCode.STORAGE_READ_ONLY,
        "The file is read-only: check the owner and the mount.",
    ),
    "SQLITE_CORRUPT": (
        ErrorCode.STORAGE_CORRUPT,
        "The file is damaged: restore a backup (holdfast store restore).",
    ),
    "SQLITE_NOTADB": (ErrorCode.STORAGE_CORRUPT, "The file is not an SQLite database."),
    "SQLITE_CANTOPEN": (
        ErrorCode.STORAGE_UNAVAILABLE,
        "The file cannot be opened: check that the folder exists and is ours.",
    ),
    "SQLITE_IOERR": (
        ErrorCode.STORAGE_UNAVAILABLE,
        "The disk fails: look at the system's log.",
    ),
    "SQLITE_BUSY": (
        ErrorCode.STORAGE_BUSY,
        "Another program holds the file for too long.",
    ),
}
"""By primary code; an extended one (``SQLITE_READONLY_DBMOVED``) begins with it."""

BROKEN: Final = (
    "SQLITE_FULL",
    "SQLITE_READONLY",
    "SQLITE_CORRUPT",
    "SQLITE_NOTADB",
    "SQLITE_CANTOPEN",
    "SQLITE_IOERR",
)
"""Failures of the disk, not of a job: after a few of them it is left in peace for a while."""


def translated(error: Exception, path: Path) -> Exception:
    """Say a failure of SQLite as a ``StorageError``; leave other errors as they are."""
    if not isinstance(error, sqlite3.Error):
        return error
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    known = next((primary for primary in _ADVICE if name.startswith(primary)), "")
    code, advice = _ADVICE.get(known, (ErrorCode.STORAGE_UNAVAILABLE, str(error)))
    return StorageError(
        f"{path}: {advice}",
        code=code,
        details={"sqlite": name},
        original=error,
        retry_after=1.0,
    )


def is_busy(error: Exception) -> bool:
    """Say whether somebody else has the file for the moment."""
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(error, sqlite3.Error) and name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def is_broken(error: BaseException | None) -> bool:
    """Say whether a translated error is the disk's fault."""
    return isinstance(error, StorageError) and str(error.details.get("sqlite")).startswith(BROKEN)
