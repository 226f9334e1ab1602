"""Messages in streams of bytes, however the bytes are cut."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.connection.framing import Control, Framed, LengthPrefixed, Lines
from holdfast.errors import ErrorCode, RemoteProtocolError

MAX = 64
BODY = st.binary(max_size=MAX)
LINE = st.binary(min_size=1, max_size=MAX).filter(lambda b: b"\n" not in b and b.strip(b"\r") == b)
CONTROL = st.builds(Control, st.booleans(), st.integers(0, 2**32 - 1))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in zip(marks, marks[1:], strict=False)]


def fed(framing: Any, parts: list[bytes]) -> list[object]:
    return [found for part in parts for found in framing.feed(part)]


@given(st.lists(BODY | CONTROL, max_size=8), st.lists(st.integers(0, 10_000), max_size=8))
def test_framed_messages_and_pings_come_out_as_they_went_in(
    items: list[bytes | Control], places: list[int]
) -> None:
    framing = Framed(MAX)
    data = b"".join(
        framing.control(each) or b"" if isinstance(each, Control) else framing.encode(each)
        for each in items
    )
    assert fed(framing, cut(data, places)) == items


@given(st.lists(BODY, max_size=8), st.lists(st.integers(0, 10_000), max_size=8))
def test_lengths_without_pings(items: list[bytes], places: list[int]) -> None:
    framing = LengthPrefixed(MAX)
    assert fed(framing, cut(b"".join(map(framing.encode, items)), places)) == items
    assert framing.control(Control(is_answer=False, number=1)) is None


@given(st.lists(LINE, max_size=8), st.lists(st.integers(0, 10_000), max_size=8))
def test_lines(items: list[bytes], places: list[int]) -> None:
    framing = Lines(MAX)
    assert fed(framing, cut(b"".join(map(framing.encode, items)), places)) == items


def test_lines_of_other_systems_and_empty_ones() -> None:
    assert Lines(MAX).feed(b"a\r\n\r\n\nb\n") == [b"a", b"b"]


@pytest.mark.parametrize(
    ("framing", "data"),
    [
        (LengthPrefixed(MAX), b"\x00\x00\x00\x41"),
        (LengthPrefixed(MAX), b"GET / HTTP/1.1\r\n\r\n"),
        (Framed(MAX), b"\x00\x01\x00\x00"),
        (Lines(MAX), b"x" * (MAX + 2)),
        (Lines(MAX), b"x" * (MAX + 1) + b"\n"),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_there(framing: Any, data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        framing.feed(data)
    assert caught.value.code is ErrorCode.FRAME_TOO_LARGE


@pytest.mark.parametrize("data", [b"\x80\x00\x00\x04", b"\x80\x00\x00\x05\x09\x00\x00\x00\x00"])
def test_control_frames_that_do_not_exist_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="control"):
        Framed(MAX).feed(data)


@given(st.binary(max_size=200))
def test_noise_is_messages_or_one_clear_error(noise: bytes) -> None:
    for framing in (Framed(MAX), LengthPrefixed(MAX), Lines(MAX)):
        try:
            found = framing.feed(noise)
        except RemoteProtocolError:
            continue
        assert all(isinstance(each, (bytes, Control)) for each in found)
