"""What clients and gateways say to each other, and what is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import limits
from holdfast.errors import RemoteProtocolError
from holdfast.mailbox import wire

NUMBERS = st.integers(min_value=0, max_value=2**32 - 1)
KEYS = st.binary(min_size=32, max_size=32)
SIGNATURES = st.binary(min_size=64, max_size=64)
IDS = st.binary(min_size=16, max_size=16)
BODIES = st.binary(min_size=1, max_size=300)
REQUESTS = st.one_of(
    st.builds(wire.Hello, NUMBERS, NUMBERS),
    st.builds(wire.Create, NUMBERS, KEYS, KEYS, SIGNATURES),
    st.builds(wire.Subscribe, NUMBERS, KEYS, SIGNATURES),
    st.builds(wire.Deposit, NUMBERS, IDS, KEYS, IDS, st.integers(1, 2**31), BODIES),
    st.builds(wire.Acknowledge, NUMBERS, IDS, st.lists(IDS, max_size=5).map(tuple)),
    st.builds(wire.Delete, NUMBERS, KEYS, SIGNATURES),
    st.builds(wire.Pipe, NUMBERS, KEYS),
)
ANSWERS = st.one_of(
    st.builds(wire.Welcome, NUMBERS, NUMBERS, KEYS),
    st.builds(wire.Done, NUMBERS),
    st.builds(wire.Refused, NUMBERS, NUMBERS, st.text(max_size=500), NUMBERS),
    st.builds(wire.Envelope, IDS, IDS, BODIES),
    st.builds(wire.TakenOver, IDS),
)


@given(REQUESTS)
def test_a_request_is_read_as_it_was_written(request: wire.Request) -> None:
    assert wire.read_request(wire.encode(request)) == request


@given(ANSWERS)
def test_an_answer_is_read_as_it_was_written(answer: wire.Answer) -> None:
    assert wire.read_answer(wire.encode(answer)) == answer


@given(st.one_of(REQUESTS, ANSWERS), st.data())
def test_a_message_that_is_cut_short_is_refused(
    message: wire.Request | wire.Answer, data: st.DataObject
) -> None:
    whole = wire.encode(message)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for read in (wire.read_request, wire.read_answer):
        with pytest.raises(RemoteProtocolError):
            read(cut)


@given(st.binary(max_size=200))
def test_noise_is_refused_or_is_a_message_and_never_anything_else(noise: bytes) -> None:
    try:
        message = wire.read_request(noise)
    except RemoteProtocolError as error:
        assert error.code == 7002
    else:
        assert wire.read_request(wire.encode(message)) == message


def test_a_request_is_no_answer() -> None:
    with pytest.raises(RemoteProtocolError):
        wire.read_answer(wire.encode(wire.Hello(1)))
    with pytest.raises(RemoteProtocolError):
        wire.read_request(wire.encode(wire.Done(1)))


@pytest.mark.parametrize("size", [0, limits.ENVELOPE_BYTES_MAX + 1])
def test_an_envelope_of_no_or_too_many_bytes_is_refused(size: int) -> None:
    request = wire.Deposit(1, bytes(16), bytes(32), bytes(16), 1, bytes(size))
    with pytest.raises(RemoteProtocolError):
        wire.read_request(wire.encode(request))


def test_the_largest_envelope_fits_into_a_frame() -> None:
    body = bytes(limits.ENVELOPE_BYTES_MAX)
    request = wire.Deposit(2**32 - 1, bytes(16), bytes(32), bytes(16), 2**31, body)
    written = wire.encode(request)
    assert wire.read_request(written) == request
    assert len(written) <= limits.MAILBOX_FRAME_BYTES_MAX


def test_too_many_acknowledgements_at_once_are_refused() -> None:
    ids = tuple(bytes(16) for _ in range(limits.MAILBOX_ACKNOWLEDGED_MAX + 1))
    with pytest.raises(RemoteProtocolError):
        wire.read_request(wire.encode(wire.Acknowledge(1, bytes(16), ids)))


@pytest.mark.parametrize("size", [0, 15, 17])
def test_a_mailbox_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(RemoteProtocolError):
        wire.read_request(wire.encode(wire.Acknowledge(1, bytes(size), ())))


def test_what_is_nested_without_end_is_refused() -> None:
    with pytest.raises(RemoteProtocolError):
        wire.read_request(b"\x91" * 60_000)
    with pytest.raises(RemoteProtocolError):
        wire.read_request(msgspec.msgpack.encode([5, 1]) + b"\x91" * 100)
