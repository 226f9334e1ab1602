"""Frames as they are sent, and as they arrive in practice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.i3.lpc import LpcError
from holdfast.apps.i3.mudmode import ACCEPTED_MAX, SENT_MAX, Mudmode, packet, packets
from holdfast.errors import RemoteProtocolError

TELL = ["tell", 5, "Harbour", "ann", "Old Keep", "bo", "Ann", "hi"]
BODY = b'({"tell",5,"Harbour","ann","Old Keep","bo","Ann","hi",})'


def test_golden_frame() -> None:
    assert Mudmode().encode(packet(TELL)) == b"\x00\x00\x00\x39" + BODY + b"\0"


@given(st.lists(st.integers(0, 400)))
def test_frames_come_out_however_the_stream_is_cut(places: list[int]) -> None:
    framing = Mudmode()
    stream = b"".join(framing.encode(packet([number, "x" * number])) for number in range(8))
    marks = sorted({place % (len(stream) + 1) for place in places} | {0, len(stream)})
    bodies = [b for x, y in zip(marks, marks[1:], strict=False) for b in framing.feed(stream[x:y])]
    assert [packets(body).values for body in bodies if isinstance(body, bytes)] == [
        [[number, "x" * number]] for number in range(8)
    ]


@pytest.mark.parametrize("end", [b"\0", b"\r", b"", b"\r\n", b"\0\0", b" \n"])
def test_every_end_that_was_seen_is_read(end: bytes) -> None:
    assert packets(BODY + end) == ([TELL], None)


def test_two_packets_in_one_frame() -> None:
    assert packets(BODY + b"\r" + BODY + b"\r") == ([TELL, TELL], None)


def test_what_cannot_be_read_costs_what_was_read_before_nothing() -> None:
    found = packets(BODY + b'\r({"he said "no" to me",})\0')
    assert found.values == [TELL]
    assert isinstance(found.error, LpcError)


def test_nothing_is_no_packet() -> None:
    assert Mudmode().feed(b"\0\0\0\0" * 3 + b"\0\0\0\x03({}") == [b"({}"]
    assert packets(b"") == packets(b"\0\r\n") == ([], None)


def test_a_length_past_the_limit_ends_the_stream_at_once() -> None:
    with pytest.raises(RemoteProtocolError, match="announced"):
        Mudmode().feed((ACCEPTED_MAX + 1).to_bytes(4, "big"))
    with pytest.raises(RemoteProtocolError):
        Mudmode().feed(b"GET / HTTP/1.1\r\n")


def test_a_packet_that_others_would_not_take_is_not_sent() -> None:
    with pytest.raises(LpcError, match="bytes"):
        packet(["x" * SENT_MAX])
    assert len(Mudmode().encode(packet(["x" * (SENT_MAX - 20)]))) <= SENT_MAX


@given(st.binary(max_size=300))
def test_noise_in_a_frame_is_packets_and_at_most_one_error(noise: bytes) -> None:
    found = packets(noise)
    assert found.error is None or isinstance(found.error, LpcError)
