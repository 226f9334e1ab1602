"""The short way through a JSON codec gives what reading and writing piece by piece gives, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.apps.i3 import _as_json, lpc
from holdfast.apps.i3.lpc import DEPTH_MAX, ELEMENTS_MAX, INT_MAX, LpcError, decode, encode
from tests.unit.apps.i3.packet_examples import BODIES, FRAMES
from tests.unit.apps.i3.test_lpc import VALUES

if TYPE_CHECKING:
    from collections.abc import Iterator

BYTES = [body for _, _, body in FRAMES.values()] + [body for _, body in BODIES]
PIECES = [b"({", b"})", b"([", b"])", b"(/", b"/)", b",", b",", b":", b'"', b'"a"', b"1", b"-", b"0", b" ", b"\1", b"[", b"}",
          b"({1,})", b"({})", b'"a":1,', b"\0", b"\r", b"\xff", b".5", b"null"]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def short_things_go_the_short_way_too() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lpc, "SHORT", 0)
        patch.setattr(lpc, "WIDE", 0)
        yield


def outcome(data: bytes) -> object:
    try:
        return repr(decode(data))  # so that 0, 0.0 and -0.0 differ
    except LpcError:
        return LpcError


def outcome_of(value: object) -> object:
    try:
        return encode(value)
    except LpcError:
        return LpcError


def the_long_way(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_as_json, "read", lambda *_: None)
    patch.setattr(_as_json, "write", lambda *_: None)


def both_ways(of: Any, what: object) -> None:
    short = of(what)
    with pytest.MonkeyPatch.context() as patch:
        the_long_way(patch)
        assert short == of(what)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_whatever_is_read_is_read_alike(inside: bytes) -> None:
    for data in (b"({" + inside + b",})", b"([" + inside + b",])", b"(" + inside, inside):
        both_ways(outcome, data)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(BYTES), st.data())
def test_a_packet_with_a_bite_out_of_it_is_read_alike(body: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(start + 4, len(body))))
    both_ways(outcome, body[:start] + data.draw(st.sampled_from([b"", *PIECES])) + body[end:])


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_whatever_is_written_is_written_alike(value: Any) -> None:
    both_ways(outcome_of, value)
    both_ways(outcome, encode(value))


@pytest.mark.parametrize(
    "value",
    [[b"bytes"], [{1, 2}], [None], [True], [{True: 1}], [{1: 2}], [{None: 1}], [{(1, 2): 3}], [1.5], [2**63], [INT_MAX],
     [{"a": [object()]}], ["\ud800"], ["a\0b"], ["[{}],:"], [[], {}, [[]], [{}]], (1, ("a",)), {"a": {"b": []}}, [-5, 0]],
)  # fmt: skip
def test_what_a_json_codec_would_write_in_its_own_way_is_written_in_ours(value: object) -> None:
    both_ways(outcome_of, value)


@pytest.mark.parametrize("levels", [DEPTH_MAX - 1, DEPTH_MAX, DEPTH_MAX + 1])
def test_the_short_way_is_as_deep_as_the_long_one(levels: int) -> None:
    value: object = [1]
    for _ in range(levels - 1):
        value = [value, []]
    both_ways(outcome_of, value)
    text = b"({" * levels + b"1," + b"}),({})," * (levels - 1) + b"})"
    both_ways(outcome, text)
    assert (outcome(text) is LpcError) == (levels > DEPTH_MAX)


def test_the_short_way_has_as_many_elements_as_the_long_one() -> None:
    for number in (ELEMENTS_MAX - 3, ELEMENTS_MAX + 1):
        both_ways(outcome, b"({" + b"1," * number + b"})")


@pytest.mark.parametrize("body", BYTES)
def test_packets_without_escapes_go_the_short_way(body: bytes) -> None:
    is_plain = b"\\" not in body and b"\r" not in body and b"([7:" not in body
    assert (_as_json.read(body, DEPTH_MAX, ELEMENTS_MAX) is not None) == is_plain
