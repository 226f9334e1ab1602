"""What is left of a socket in a simulation: its addresses, and the errors of the system."""

from __future__ import annotations

import errno
import os
import socket


class SimSocket:
    """What a program may ask of a socket; options are taken and have no effect."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, address: tuple[str, int], peer: tuple[str, int] | None = None) -> None:
        self._address = address
        self._peer = peer

    def getsockname(self) -> tuple[str, int]:
        """Return address and port of this end."""
        return self._address

    def getpeername(self) -> tuple[str, int]:
        """Return address and port of the other end; raises OSError when there is none."""
        if self._peer is None:
            raise error_of(errno.ENOTCONN)
        return self._peer

    def setsockopt(self, *_: object) -> None:
        """Do nothing."""

    def getsockopt(self, *_: object) -> int:
        """Return 0."""
        return 0

    def listen(self, _: int = 0) -> None:
        """Do nothing: the loop is told to serve by other means."""

    def fileno(self) -> int:
        """Return -1: it is no file."""
        return -1

    def close(self) -> None:
        """Do nothing."""


def error_of(number: int) -> OSError:
    """Make the error that the system would raise for this errno."""
    return OSError(number, os.strerror(number))
