"""Marks of a conversation: by which two nodes see whether they mean the same messages by the same numbers.

Theory. A folder that was set back to an older state (a restored backup) gives numbers again that it gave before, to
other messages. Whoever has the first ones would call the second ones duplicates and acknowledge them, and they would
be lost without a word. So each direction of a session has a mark that every message changes. An acknowledgement names
the mark at its number, and a sender who finds another one there knows that its memory is not what was said. A message
names its mark, too: one that does not follow what was handed over is not handed over.

A mark has four bytes: it is against accidents, one in four thousand million of which is not seen, not against the
contact, who may say what he likes.
"""

from __future__ import annotations

import hashlib
from typing import Final

SIZE: Final = 4
START: Final = bytes(SIZE)
"""The mark of a session in which nothing was said."""

UNKNOWN: Final = b""
"""Of a conversation with a hole; it agrees with every other."""


def told(payload: bytes) -> bytes:
    """Return what stands for a message in the mark, also when it has expired and only its number is sent."""
    return hashlib.sha256(payload).digest()[:SIZE]


def follow(mark: bytes, message: bytes) -> bytes:
    """Return the mark after one more message, given as ``told`` gives it; a hole makes it unknown."""
    if not mark or not message:
        return UNKNOWN
    return hashlib.sha256(mark + message).digest()[:SIZE]


def agree(one: bytes, other: bytes) -> bool:
    """Say whether two marks can be of the same conversation."""
    return not one or not other or one == other
