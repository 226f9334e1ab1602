"""LPC values as text: what is written is read again, what is odd is read, what is hostile is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.i3.lpc import (
    DEPTH_MAX,
    ELEMENTS_MAX,
    INT_MAX,
    INT_MIN,
    Charset,
    LpcError,
    Value,
    decode,
    encode,
)

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
INTS = st.integers(INT_MIN, INT_MAX)
FLOATS = st.integers(-(10**9), 10**9).map(lambda number: number / 64)  # exact in six decimals
KEYS = TEXTS | INTS | FLOATS
VALUES: st.SearchStrategy[Value] = st.recursive(
    TEXTS | INTS | FLOATS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),  # type: ignore[arg-type]
    max_leaves=30,
)


@given(VALUES)
def test_what_is_written_is_read_again(value: Value) -> None:
    written = encode(value)
    assert decode(written) == value
    assert decode(written + b"\0") == value


@given(VALUES)
def test_what_is_written_is_plain(value: Value) -> None:
    written = encode(value)
    assert b"\0" not in written
    assert b"\n" not in written


GOLDEN: list[tuple[object, bytes]] = [
    (0, b"0"),
    (None, b"0"),
    ([], b"({})"),
    ({}, b"([])"),
    ([1, "a", []], b'({1,"a",({}),})'),
    ({"a": 1, 2: ["b"]}, b'(["a":1,2:({"b",}),])'),
    ('say "hi" \\o/', b'"say \\"hi\\" \\\\o/"'),
    ("one\ntwo\rthree\ttab\x1b", b'"one\rtwo\\\rthree\ttab\x1b"'),
    (1.5, b"1.500000"),
    (-2, b"-2"),
    ((1, 2), b"({1,2,})"),
    ({(1, "a"): 2}, b'([({1,"a",}):2,])'),
    ("h\u00e4", b'"h\xc3\xa4"'),
]


@pytest.mark.parametrize(("value", "written"), GOLDEN)
def test_golden_bytes(value: object, written: bytes) -> None:
    assert encode(value) == written


ODD: list[tuple[bytes, object]] = [
    (
        b'({"tell",5,"Old Keep",,"Harbour",,"Bo","hi",})',
        ["tell", 5, "Old Keep", 0, "Harbour", 0, "Bo", "hi"],
    ),
    (b"({,})", [0]),
    (b"([,])", {}),
    (b"([:1,])", {0: 1}),
    (b'(["a":,])', {"a": 0}),
    (b'(["a":1,"a":2,])', {"a": 2}),
    (b"({1,2})", [1, 2]),
    (b'(["a":1])', {"a": 1}),
    (b"(/1,2,/)", [1, 2]),
    (b"({007,-0,1.500000,1e+3,-2,9223372036854775807,})", [7, 0, 1.5, 1000.0, -2, INT_MAX]),
    (b"99999999999999999999999999", INT_MAX),
    (b"-9223372036854775809", INT_MIN),
    (b"1e999", 0),
    (b'"caf\xe9"', "caf\u00e9"),
    (b'({"caf\xe9","caf\xc3\xa9","\x81",})', ["caf\u00e9", "caf\u00e9", "\x81"]),
    (b'"a\\nb"', "anb"),
    (b'"a\nb\rc"', "a\nb\nc"),
    (b" ( { } ) ".replace(b" ( { ", b" ({ ").replace(b" } ) ", b" }) "), []),
    (b'({ 1 ,\t"a" , })\r', [1, "a"]),
    (b"([({1,}):2,])", {(1,): 2}),
]


@pytest.mark.parametrize(("data", "value"), ODD)
def test_odd_input_is_read(data: bytes, value: object) -> None:
    assert decode(data) == value


REFUSED = [
    b"", b"   ", b"x", b"({", b"({1,", b'"abc', b'"abc\\"', b"})", b"({])", b"([})", b"({1 2})", b"({1:2,})",
    b'({"he said "no" to me",})', b"([1:2:3,])", b"([1,])", b"([([]):1,])", b"({}){}", b"+7", b".5", b"--1",
    b"({-,})", b"1,2", b",", b":", b"nan",
]  # fmt: skip


@pytest.mark.parametrize("data", REFUSED)
def test_what_is_no_value_is_refused_with_its_place(data: bytes) -> None:
    with pytest.raises(LpcError) as caught:
        decode(data)
    assert 0 <= int(str(caught.value.details["at"])) <= len(data)


@given(st.binary(max_size=300))
def test_noise_is_a_value_or_one_clear_error(noise: bytes) -> None:
    try:
        value = decode(noise)
    except LpcError:
        return
    assert (
        decode(encode(value)) == value
        or "\0" in repr(value)
        or b"." in noise
        or b"e" in noise.lower()
    )


@given(
    st.lists(
        st.sampled_from([b"({", b"})", b"([", b"])", b"(/", b"/)", b",", b":", b"1", b'"a"', b" "])
    )
)
def test_every_order_of_tokens_is_a_value_or_one_clear_error(tokens: list[bytes]) -> None:
    try:
        value = decode(b"".join(tokens))
    except LpcError:
        return
    assert decode(encode(value)) == value


def nested(depth: int) -> bytes:
    return (
        b"({" * depth + b"})" * depth
        if depth == 1
        else b"({" * depth + b"})" + b",})" * (depth - 1)
    )


def test_a_hundred_levels_are_carried_and_no_more() -> None:
    value = decode(nested(DEPTH_MAX))
    assert encode(value) == nested(DEPTH_MAX)
    with pytest.raises(LpcError, match="containers"):
        decode(nested(DEPTH_MAX + 1))
    with pytest.raises(LpcError, match="containers"):
        encode([value])
    with pytest.raises(LpcError, match="containers"):
        decode(b"({" * 1_000_000)


def test_elements_and_size_are_bounded() -> None:
    with pytest.raises(LpcError, match="elements"):
        decode(b"({" + b"," * (ELEMENTS_MAX + 1) + b"})")
    with pytest.raises(LpcError, match="bytes"):
        decode(b'"' + b"x" * 3_000_000 + b'"')


@pytest.mark.parametrize(
    "value", [2**63, -(2**63) - 1, math.inf, math.nan, True, b"bytes", {1, 2}, object(), "a\0b"]
)
def test_what_others_would_read_wrongly_is_not_sent(value: object) -> None:
    with pytest.raises(LpcError):
        encode(value)


def test_texts_for_old_worlds() -> None:
    text = "caf\u00e9 \u2013 na\u00efve \u0160koda"
    assert encode(text, Charset.LATIN1) == '"caf\u00e9 ? na\u00efve Skoda"'.encode("latin-1")
    assert encode("caf\u00e9", Charset.ASCII) == b'"caf?"'
    with pytest.raises(LpcError, match="surrogates"):
        encode("\ud800")
