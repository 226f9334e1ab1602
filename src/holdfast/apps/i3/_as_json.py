"""LPC text and JSON text differ in their brackets: what is plain enough goes the short way, by a JSON codec in C.

Theory. Without escapes a text is cut at its quotes into what stands between strings and what stands in them, in turn.
In the first half the brackets are replaced, and when nothing else is in it than a few marks and digits, both languages
agree on all the rest. Whatever is not so, an escape, a float, a blank, an empty slot, a key that is no string, is left
to those who read and write it piece by piece; so is everything that is wrong, to be refused with its place.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection

_LPC_MARKS: Final = b'({[])}:,"-0123456789'
_JSON_MARKS: Final = b'\1\2\3\4:,"-0123456789'
_DIGITS: Final = bytes.maketrans(b"123456789", b"000000000")
_LONG: Final = b"0" * 19
_BRACKETS: Final = b"\1\2\3\4"
_TO_JSON: Final = bytes.maketrans(_BRACKETS, b"[]{}")
_FROM_JSON: Final = bytes.maketrans(b"[]{}", _BRACKETS)
_NO_BRACKETS: Final = bytes(each for each in range(256) if each not in _BRACKETS)
_STEPS: Final = (0, 1, -1, 1, -1)
_SCALARS: Final = frozenset({str, int})
_PLAIN: Final = frozenset({str, int, list, tuple, dict})
_TEXT: Final = frozenset({str})
_decoder: Final = msgspec.json.Decoder()


def read(data: bytes, depth_max: int, elements_max: int) -> object | None:
    """Read a plain container; None: it is not plain, or wrong.

    Args:
        data: the whole text, without what ends a packet.
        depth_max: containers in each other.
        elements_max: of all containers.
    """
    if b"\\" in data or b"\r" in data:
        return None
    parts = data.split(b'"')
    marks = b'"'.join(parts[::2])
    if marks.translate(None, _LPC_MARKS) or b"({,})" in marks or b"([,])" in marks:
        return None
    marks = (
        marks.replace(b"({", b"\1")
        .replace(b"([", b"\3")
        .replace(b",})", b"\2")
        .replace(b",])", b"\4")
        .replace(b"\1})", b"\1\2")
        .replace(b"\3])", b"\3\4")
    )
    if (
        marks.translate(None, _JSON_MARKS)
        or _has_odd_number(marks)
        or marks.count(b",") + 2 * _opened(marks) > elements_max
        or not _is_shallow(marks, depth_max)
    ):
        return None
    parts[::2] = marks.translate(_TO_JSON).split(b'"')
    try:
        found: object = _decoder.decode(b'"'.join(parts))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # an empty slot, a key that is no string, a text of the old world
    return found


def write(value: object, depth_max: int) -> str | None:
    """Write a plain container; None: it is not plain, or cannot be written."""
    if not _is_plain(value, depth_max):
        return None
    try:
        written = msgspec.json.encode(value)
    except (msgspec.MsgspecError, OverflowError, UnicodeEncodeError):
        return None  # a number too large, half of a pair of surrogates
    if b"\\" in written:
        return None
    parts = written.split(b'"')
    marks = b'"'.join(parts[::2])
    if _has_odd_number(marks):
        return None
    marks = (
        marks.translate(_FROM_JSON)
        .replace(b"\1\2", b"({})")
        .replace(b"\3\4", b"([])")
        .replace(b"\1", b"({")
        .replace(b"\2", b",})")
        .replace(b"\3", b"([")
        .replace(b"\4", b",])")
    )
    parts[::2] = marks.split(b'"')
    return b'"'.join(parts).decode()


def _is_plain(value: object, depth_max: int) -> bool:
    """Say whether all is texts, ints, lists, and mappings by texts, and not too deep."""
    waiting: list[tuple[object, int]] = [(value, depth_max)]
    while waiting:
        container, left = waiting.pop()
        if left <= 0:
            return False
        kind = type(container)
        if kind is dict:
            assert isinstance(container, dict)
            if not _TEXT.issuperset(map(type, container)):
                return False
            inside: Collection[object] = container.values()
        elif kind is list or kind is tuple:
            assert isinstance(container, list | tuple)
            inside = container
        else:
            return False
        if _SCALARS.issuperset(map(type, inside)):
            continue
        if not _PLAIN.issuperset(map(type, inside)):
            return False
        left -= 1
        waiting += [(each, left) for each in inside if type(each) not in _SCALARS]
    return True


def _has_odd_number(marks: bytes) -> bool:
    """Say whether a number may be too long for 64 bits, or is a nought with a sign."""
    return b"-0" in marks or _LONG in marks.translate(_DIGITS)


def _opened(marks: bytes) -> int:
    return marks.count(b"\1") + marks.count(b"\3")


def _is_shallow(marks: bytes, depth_max: int) -> bool:
    """Say whether no more containers are in each other than may be."""
    if _opened(marks) <= depth_max:
        return True
    steps = map(_STEPS.__getitem__, marks.translate(None, _NO_BRACKETS))
    return max(accumulate(steps)) <= depth_max
