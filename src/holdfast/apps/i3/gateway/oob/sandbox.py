"""A public folder that strangers name files in, and from which no name leads out.

Theory. A name is cut at its slashes and walked from the folder's own descriptor, part by part, each opened relative
to the one before and never through a link (``O_NOFOLLOW``). So there is no path that could be looked at first and be
another one when it is used; ``..`` and hidden names are refused before. Only ordinary files are read. What is put is
written under a hidden name and linked to its own when it is whole: nobody sees half a file, and none that is there
is replaced.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.packets import FileResult, FileRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
PART_MAX: Final = 255
"""Bytes of one part of a name, as on every disk."""


class FileRefusedError(Exception):
    """A file cannot be had or put.

    Attributes:
        result: the word for it on the wire.
    """

    def __init__(self, result: FileResult) -> None:
        super().__init__(result.name)
        self.result = result


class Sandbox:
    """The folder; its methods block, and are for threads.

    Args:
        folder: must exist.
        is_writable: whether strangers may put files.

    Raises:
        I3Error: 11040; there is no such folder.
    """

    def __init__(self, folder: Path, *, is_writable: bool = False) -> None:
        if not folder.is_dir():
            message = f"The public folder {folder} is not there; make it, or leave the setting out."
            raise I3Error(I3Code.FILE_REFUSED, message)
        self._folder = folder
        self._is_writable = is_writable

    def rows(self, directory: str) -> tuple[FileRow, ...]:
        """Return what is in a folder, in order; hidden names and what is neither file nor folder are left out.

        Raises:
            FileRefusedError: there is no such folder.
        """
        rows: list[FileRow] = []
        with self._opened(_parts(directory)) as folder, os.scandir(folder) as found:
            for entry in found:
                if entry.name.startswith(".") or len(rows) >= limits.OOB_LISTED_MAX:
                    continue
                about = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(about.st_mode):
                    rows.append(FileRow(entry.name, about.st_size, int(about.st_mtime)))
                elif stat.S_ISDIR(about.st_mode):
                    rows.append(FileRow(entry.name, -2, int(about.st_mtime)))
        return tuple(sorted(rows, key=lambda row: row.name))

    def read(self, name: str) -> str:
        """Return what is in a file: as UTF-8, or as Latin-1 where it is not that.

        Raises:
            FileRefusedError: there is none of that name, or it is too large, or no text.
        """
        *folders, last = _parts(name) or [""]
        with self._opened(folders) as folder:
            try:
                handle = os.open(last, _READ, dir_fd=folder)
            except PermissionError as error:
                raise FileRefusedError(FileResult.NOT_READABLE) from error
            except OSError as error:
                raise FileRefusedError(FileResult.PATH) from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise FileRefusedError(FileResult.NOT_READABLE)
        with os.fdopen(handle, "rb") as file:
            data = file.read(limits.OOB_FILE_BYTES_MAX + 1)
        if len(data) > limits.OOB_FILE_BYTES_MAX or b"\0" in data:
            raise FileRefusedError(FileResult.NOT_READABLE)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("latin-1")

    def write(self, name: str, contents: str, hidden: str) -> None:
        """Keep a file under a name that is free; returns when it would survive a power loss.

        Args:
            name: as strangers say it.
            contents: of the file.
            hidden: a part of a name that nobody else uses meanwhile.

        Raises:
            FileRefusedError: nothing may be put there, or the name is taken.
        """
        data = contents.encode("utf-8", "replace")
        if not self._is_writable or len(data) > limits.OOB_FILE_BYTES_MAX:
            raise FileRefusedError(FileResult.NOT_WRITABLE)
        *folders, last = _parts(name) or [""]
        if not last:
            raise FileRefusedError(FileResult.PATH)
        with self._opened(folders) as folder:
            with os.scandir(folder) as there:
                if sum(1 for _ in there) >= limits.OOB_FILES_MAX:
                    raise FileRefusedError(FileResult.NOT_WRITABLE)
            new = f".put-{hidden}"
            try:
                with os.fdopen(os.open(new, _NEW, 0o600, dir_fd=folder), "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(new, last, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            except OSError as error:
                raise FileRefusedError(FileResult.NOT_WRITABLE) from error
            finally:
                with suppress(FileNotFoundError):  # it could not even be made
                    os.unlink(new, dir_fd=folder)

    @contextmanager
    def _opened(self, parts: list[str]) -> Iterator[int]:
        """Walk to a folder and hold it open."""
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts:
                try:
                    inner = os.open(part, _FOLDER, dir_fd=handle)
                except OSError as error:
                    raise FileRefusedError(FileResult.PATH) from error
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)


def _parts(name: str) -> list[str]:
    """Cut a name into parts, none of which leads upwards or is hidden.

    Raises:
        FileRefusedError: one does, or the name is too long or not printable.
    """
    parts = [part for part in name.split("/") if part]
    is_good = len(parts) <= limits.OOB_DEPTH_MAX and all(
        not part.startswith(".") and part.isprintable() and _size(part) <= PART_MAX
        for part in parts
    )
    if not is_good:
        raise FileRefusedError(FileResult.PATH)
    return parts


def _size(part: str) -> int:
    return len(part.encode("utf-8", "replace"))
