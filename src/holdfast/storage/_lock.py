"""One process for one data directory."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from holdfast.errors import StorageError, StorageLockedError

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: SQLite's own locks remain, which notice a second writer later
    fcntl = None  # type: ignore[assignment]


class DirectoryLock:
    """A lock that the system takes back when its process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the folder, making it if need be.

        Raises:
            StorageLockedError: 8003; another process has it; its number is in ``details``.
            StorageError: 8001; the folder cannot be made or written.
        """
        path = self._folder / "holdfast.lock"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError(
                f"The data directory {self._folder} cannot be used: {error.strerror}.",
                original=error,
            ) from error
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise StorageLockedError(
                f"The data directory {self._folder} is used by another process ({owner}). "
                "Stop it, or give this one another --data.",
                details={"process": owner},
                original=error,
            ) from error
        self._handle = handle
        with contextlib.suppress(
            OSError
        ):  # who it is helps a person only; a full disk is told elsewhere
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Give the folder back; harmless when it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
