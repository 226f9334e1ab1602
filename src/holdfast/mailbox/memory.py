"""What thousands of connections cost: the buffers of TLS, each mapped by itself.

Theory. The event loop gives each TLS connection a buffer of 256 KiB, and reads into another one of that size for a
moment. Somebody who subscribes and waits uses a page or two of his; the rest costs nothing as long as it was never
touched. But once the C library has freed a block of that size it takes the next ones from its heap, from places that
were touched before, and then most of a buffer is real memory. With a fixed threshold each buffer is mapped by itself:
half the memory for each idle subscriber (``benchmarks/chat.py memory``).
"""

from __future__ import annotations

import ctypes
from typing import Final

from holdfast import limits

_M_MMAP_THRESHOLD: Final = -3
"""As in glibc's ``malloc.h``."""

MAPPED: Final = 128 * limits.KIB
"""Bytes from which on a block is mapped by itself: glibc's default, which stays when it was set."""


def map_buffers() -> bool:
    """Map large buffers by themselves, in this process, from now on; False where the C library is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False  # not glibc: it does as it likes
    return bool(mallopt(_M_MMAP_THRESHOLD, MAPPED))
