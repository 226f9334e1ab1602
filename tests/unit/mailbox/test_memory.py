"""A gateway's buffers are mapped by themselves where the C library can."""

from __future__ import annotations

import platform

from holdfast.mailbox.memory import map_buffers


def test_buffers_are_mapped_by_themselves_where_that_is_possible() -> None:
    is_glibc = platform.libc_ver()[0] == "glibc"
    assert map_buffers() is is_glibc
