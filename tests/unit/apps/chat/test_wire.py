"""What comes from outside is read, or refused with a code; texts of contacts keep nothing that acts."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.apps.chat import limits
from holdfast.apps.chat.errors import ChatError
from holdfast.apps.chat.wire import (
    BENDING,
    FileNote,
    Piece,
    packed,
    read_auth,
    read_note,
    read_page_message,
    read_piece,
    read_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@given(st.binary(max_size=200))
@example(
    b"\x93\xa6\x00\x00\x00\x00\x00\x80"
)  # a text that is none: the codec raises an error of its own for it
def test_no_bytes_do_more_than_be_refused(raw: bytes) -> None:
    """Threat model P15: whatever a contact or a page sends is read or refused, and nothing else."""
    readers: list[Callable[[bytes], object]] = [read_auth, read_page_message, read_note, read_piece]
    for read in readers:
        with suppress(ChatError):
            read(raw)
    read_text(raw)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ChatError):
        read_page_message(b"[" * 100_000)
    with pytest.raises(ChatError):
        read_note(b"\x91" * 100_000)


@given(st.text(max_size=300))
def test_a_text_keeps_its_letters_and_loses_what_acts(text: str) -> None:
    """Threat model P19: control characters and bent directions of a contact's text are left out."""
    read = read_text(text.encode("utf-8", "surrogatepass"))
    assert not BENDING & set(read)
    assert all(c in "\n\t" or unicodedata.category(c) != "Cc" for c in read)
    if all(c.isalnum() for c in text):
        assert read == text


def test_a_terminal_is_told_nothing_by_a_text() -> None:
    """Threat model P19: an escape sequence arrives as the letters that are left of it."""
    assert (
        read_text(b"\x1b]0;owned\x07\x1b[31mred\x9b0m")
        == "]0;owned[31mred\N{REPLACEMENT CHARACTER}0m"
    )


def test_a_text_is_cut_at_the_bound() -> None:
    assert len(read_text(b"x" * (limits.TEXT_MAX + 1))) == limits.TEXT_MAX


@given(
    st.text(min_size=1, max_size=100),
    st.integers(1, limits.FILE_BYTES_MAX),
    st.binary(min_size=32, max_size=32),
)
def test_an_announcement_comes_back_as_it_was(name: str, size: int, digest: bytes) -> None:
    with suppress(UnicodeEncodeError):
        note = FileNote("file-00000001", name, "x/y", size, digest)
        assert read_note(packed(note)) == note
        assert (note.pieces - 1) * limits.PIECE_BYTES < size <= note.pieces * limits.PIECE_BYTES


def test_the_last_piece_of_the_largest_attachment_can_be_read() -> None:
    count = FileNote("file-00000001", "a", "", limits.FILE_BYTES_MAX, bytes(32)).pieces
    piece = Piece("file-00000001", count - 1, b"x")
    assert read_piece(packed(piece)) == piece
