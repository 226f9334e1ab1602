"""LPC values as text, as Intermud-3 sends them: strict in what is written, tolerant in what is read.

::

    encode({"tell": 1}) == b'(["tell":1,])'
    decode(b'({"a",1,})') == ["a", 1]

There is no null and no boolean: "nothing" is 0. A newline is the bare byte CR, so ``decode(encode(text)) == text``
for every text without a zero. Reading takes time and memory linear in the size, whatever comes, and ends in a
value or in an ``LpcError``.
"""

from __future__ import annotations

import math
import re
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.apps.i3 import _as_json
from holdfast.errors import ErrorCode, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

Value = int | float | str | list["Value"] | dict["Key", "Value"]
Key = int | float | str | tuple["Key", ...]

DEPTH_MAX: Final = 100
"""Containers in each other: what common drivers carry; deeper ones are refused."""

ELEMENTS_MAX: Final = 500_000
"""Elements of all containers of a value; a list of all muds there ever were has a tenth of it."""

SIZE_MAX: Final = 2 * 1024 * 1024
"""Bytes of a value."""

SHORT: Final = 200
"""Bytes up to which a value is read as quickly piece by piece."""

WIDE: Final = 6
"""Elements from which the short way is worth its look at all of them; every packet with containers in it has them."""

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class LpcError(ProtocolError):
    """What came is no LPC value, or what was given cannot be one; ``details["at"]`` is the place in bytes."""

    default_code = ErrorCode.MALFORMED_FRAME


class Charset(StrEnum):
    """How texts are written."""

    UTF8 = "utf-8"
    LATIN1 = "latin-1"
    ASCII = "ascii"


class Written(str):
    """A value that is written already, so that what goes to a thousand muds is written once."""

    __slots__ = ()


# --- writing --------------------------------------------------------------------------------------

_SPECIAL: Final = re.compile('["\\\\\r\n\0]')
_SCALARS: Final = frozenset({str, int})
_TEXT: Final = frozenset({str})
_LONG: Final = re.compile(rb"\d{19}")
_ESCAPES: Final = str.maketrans({'"': '\\"', "\\": "\\\\", "\r": "\\\r", "\n": "\r"})


def encode(value: object, charset: Charset = Charset.UTF8) -> bytes:
    """Write a value.

    Args:
        value: of ints, floats, texts, lists (or tuples) and dicts; None is written as 0.
        charset: of texts; what it cannot say is folded to what looks alike, or to ``?``.

    Raises:
        LpcError: 7002; a value of another kind, a number that others would read wrongly, a text with a
            zero in it, or containers that are too deep.
    """
    text = None
    if type(value) is list and len(value) >= WIDE and not _SCALARS.issuperset(map(type, value)):
        text = _as_json.write(value, DEPTH_MAX)
    if text is None:
        parts: list[str] = []
        _write(value, parts.append, DEPTH_MAX)
        text = "".join(parts)
    if charset is Charset.UTF8:
        try:
            return text.encode()
        except UnicodeEncodeError as error:  # half of a pair of surrogates
            raise LpcError(f"A text cannot be written: {error.reason}.") from error
    try:
        return text.encode(charset.value)
    except UnicodeEncodeError:
        return _folded(text).encode(charset.value, "replace")


def _folded(text: str) -> str:
    """Replace letters with accents that a charset may not have by those without."""
    return "".join(
        character if ord(character) < 256  # noqa: PLR2004 - Latin-1 has it
        else unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"
        for character in text
    )  # fmt: skip


def _plain(value: object) -> str | None:
    """Write the inside of a container of texts and ints by a JSON encoder in C, if that is the same."""
    try:
        written = msgspec.json.encode(value)
    except (msgspec.MsgspecError, OverflowError, UnicodeEncodeError):
        return None  # it is written with more care, or refused by name
    if b"\\" in written or _LONG.search(written):
        return None
    return written[1:-1].decode()


def _write(value: object, add: object, left: int) -> None:  # noqa: C901, PLR0912, PLR0915 - one for each kind
    assert callable(add)
    kind = type(value)
    if kind is str:
        assert isinstance(value, str)
        if _SPECIAL.search(value):
            if "\0" in value:
                raise LpcError("A text with a zero byte cannot be sent.")
            value = value.translate(_ESCAPES)
        add(f'"{value}"')
    elif kind is int:
        assert isinstance(value, int)
        if not INT_MIN <= value <= INT_MAX:
            raise LpcError("An int of more than 64 bits would arrive as another one.")
        add(str(value))
    elif value is None:
        add("0")
    elif isinstance(value, list | tuple):
        if left <= 0:
            raise LpcError(f"More than {DEPTH_MAX} containers in each other.")
        if value and _SCALARS.issuperset(map(type, value)):
            plain = _plain(value)
            if plain is not None:
                add(f"({{{plain},}})")
                return
        add("({")
        for each in value:
            _write(each, add, left - 1)
            add(",")
        add("})")
    elif isinstance(value, dict):
        if left <= 0:
            raise LpcError(f"More than {DEPTH_MAX} containers in each other.")
        if (
            value
            and _TEXT.issuperset(map(type, value))
            and _SCALARS.issuperset(map(type, value.values()))
        ):
            plain = _plain(value)
            if plain is not None:
                add(f"([{plain},])")
                return
        add("([")
        for key, each in value.items():
            _write(key, add, left - 1)
            add(":")
            _write(each, add, left - 1)
            add(",")
        add("])")
    elif kind is float:
        assert isinstance(value, float)
        if not math.isfinite(value):
            raise LpcError(f"{value} cannot be sent.")
        add(f"{value:.6f}")
    elif kind is Written:
        assert isinstance(value, str)
        add(str(value))
    elif isinstance(value, str | int) and kind is not bool:  # of an enum
        _write(str(value) if isinstance(value, str) else int(value), add, left)
    else:
        raise LpcError(f"A {kind.__name__} is no LPC value.")


# --- reading --------------------------------------------------------------------------------------

_TOKEN: Final = re.compile(
    rb"""[ \t\r\n]*+(?:
      "([^"\\]*+(?:\\.[^"\\]*+)*+)"[ \t\r\n]*+(,?+)            # 1 text, 2 its comma
    | (-?+\d++(?:\.\d*+(?:[eE][+-]?+\d++)?+|[eE][+-]?+\d++)?+)[ \t\r\n]*+(,?+)   # 3 number, 4 its comma
    | (\(\{|\(\[|\(/)                                     # 5 a container begins
    | (\}\)|\]\)|/\))[ \t\r\n]*+(,?+)                         # 6 a container ends, 7 its comma
    | (,|:)                                               # 8
    )""",
    re.VERBOSE | re.DOTALL,
)
# What most packets are made of, plain texts and short ints with a comma behind each, is JSON but for the brackets:
# runs of it are given to a JSON decoder in C, ten times as quick as token by token. Anything else in a run ends it.
_PLAIN: Final = rb'"[^"\\\x00-\x1f\x7f-\xff]*+"|0|-?+[1-9]\d{0,17}+'
_ELEMENTS: Final = re.compile(rb"(?:(?:%b),)++" % _PLAIN)
_PAIRS: Final = re.compile(rb'(?:"[^"\\\x00-\x1f\x7f-\xff]*+":(?:%b),)++' % _PLAIN)
_json: Final = msgspec.json.Decoder()
_UNESCAPED: Final = re.compile(rb"\\(.)|\r", re.DOTALL)
_CLOSING: Final = {b"({": b"})", b"([": b"])", b"(/": b"/)"}
_TRAILING: Final = b"\0\r\n \t"
_NOTHING: Final = object()


class _Open:
    """A container that is being read."""

    __slots__ = ("closing", "key", "mapping", "sequence")

    def __init__(self, opening: bytes) -> None:
        self.closing = _CLOSING[opening]
        self.sequence: list[Value] = []
        self.mapping: dict[Key, Value] | None = {} if opening == b"([" else None
        self.key: object = _NOTHING


def decode(data: bytes) -> Value:
    """Read one value; bytes that end a packet (zero, CR, LF, blanks) may follow it.

    Raises:
        LpcError: 7002; it is none.
    """
    value, end = decode_from(data, 0)
    if data[end:].strip(_TRAILING):
        raise _refusal("something follows the value", end)
    return value


def decode_from(data: bytes, start: int) -> tuple[Value, int]:  # noqa: C901, PLR0912 - the hot path
    """Read the value at a place, and return it with the place after it.

    Raises:
        LpcError: 7002; there is none, or it is too large or too deep.
    """
    if len(data) - start > SIZE_MAX:
        raise _refusal(f"more than {SIZE_MAX} bytes", start)
    if not start and len(data) > SHORT:
        plain = data.rstrip(_TRAILING)
        read = _as_json.read(plain, DEPTH_MAX, ELEMENTS_MAX)
        if read is not None:
            return read, len(plain)  # type: ignore[return-value] # of lists, mappings, texts and ints
    match = _TOKEN.match
    stack: list[_Open] = []
    pending: object = _NOTHING  # a value whose comma or colon has not come
    elements, end = 0, start
    while True:
        if pending is _NOTHING and stack:
            found, end = _run(stack[-1], data, end)
            elements += found
        token = match(data, end)
        if token is None:
            raise _refusal("no value begins here" if end < len(data) else "it ends too early", end)
        group, end = token.lastindex, token.end()
        if group == 2:  # noqa: PLR2004 - the groups of the pattern, here and below
            value: Value = _text(token[1])
            has_comma = bool(token[2])
        elif group == 4:  # noqa: PLR2004
            value, has_comma = _number(token[3]), bool(token[4])
        elif group == 5:  # noqa: PLR2004
            if pending is not _NOTHING:
                raise _refusal("a comma is missing", token.start())
            if len(stack) >= DEPTH_MAX:
                raise _refusal(f"more than {DEPTH_MAX} containers in each other", end)
            stack.append(_Open(token[5]))
            continue
        elif group == 7:  # noqa: PLR2004
            value = _close(stack, token[6], pending, end)
            pending, has_comma = _NOTHING, bool(token[7])
        else:
            pending = _separate(stack, token[8], pending, end)
            elements += 1
            if elements > ELEMENTS_MAX:
                raise _refusal(f"more than {ELEMENTS_MAX} elements", end)
            continue
        if pending is not _NOTHING:
            raise _refusal("a comma is missing", token.start())
        if not stack:
            return value, end - has_comma
        elements += 1
        if elements > ELEMENTS_MAX:
            raise _refusal(f"more than {ELEMENTS_MAX} elements", end)
        if has_comma:
            _add(stack[-1], value, end)
        else:
            pending = value


def _run(top: _Open, data: bytes, start: int) -> tuple[int, int]:
    """Read plain elements while there are any; return how many, and the place after them."""
    if top.mapping is None:
        run = _ELEMENTS.match(data, start)
        if run is None:
            return 0, start
        elements = _json.decode(b"[%b]" % data[start : run.end() - 1])
        top.sequence += elements
        return len(elements), run.end()
    if top.key is not _NOTHING:
        return 0, start
    run = _PAIRS.match(data, start)
    if run is None:
        return 0, start
    pairs = _json.decode(b"{%b}" % data[start : run.end() - 1])
    top.mapping |= pairs
    return len(pairs), run.end()


def _add(top: _Open, value: object, at: int) -> None:
    """Put a value whose comma has come into its container; nothing counts as 0."""
    found: Value = 0 if value is _NOTHING else value  # type: ignore[assignment]
    if top.mapping is None:
        top.sequence.append(found)
    elif top.key is not _NOTHING:
        top.mapping[top.key] = found  # type: ignore[index] # a key was made of it
        top.key = _NOTHING
    elif value is not _NOTHING:
        raise _refusal("a mapping has a value without a key", at)


def _separate(stack: list[_Open], mark: bytes, pending: object, at: int) -> object:
    if not stack:
        raise _refusal("no value begins here", at)
    top = stack[-1]
    if mark == b",":
        _add(top, pending, at)
    elif top.mapping is None or top.key is not _NOTHING:
        raise _refusal("a colon has no key", at)
    else:
        top.key = 0 if pending is _NOTHING else _key(pending, at)
    return _NOTHING


def _close(stack: list[_Open], closing: bytes, pending: object, at: int) -> Value:
    if not stack or stack[-1].closing != closing:
        raise _refusal("a container ends that has not begun", at)
    top = stack.pop()
    if pending is not _NOTHING or top.key is not _NOTHING:
        _add(top, pending, at)
    return top.sequence if top.mapping is None else top.mapping


def _key(value: object, at: int) -> Key:
    if isinstance(value, int | float | str):
        return value
    if isinstance(value, list):
        return _frozen(value, at)
    raise _refusal("a mapping cannot be a key", at)


def _frozen(values: Sequence[object], at: int) -> tuple[Key, ...]:
    """Make a key of a list; it is at most as deep as was read."""
    return tuple(_key(each, at) for each in values)


def _text(body: bytes) -> str:
    if b"\\" in body or b"\r" in body:
        body = _UNESCAPED.sub(lambda found: found[1] or b"\n", body)
    try:
        return body.decode()
    except UnicodeDecodeError:
        pass  # from the old world; each text on its own, for one packet may carry both
    try:
        return body.decode("cp1252")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _number(text: bytes) -> int | float:
    if text.isdigit() or (text[:1] == b"-" and text[1:].isdigit()):
        if len(text) > 20:  # noqa: PLR2004 - digits of 64 bits and a sign; int() is not linear in them
            text = text.replace(b"0", b"", 1) if text.lstrip(b"-0") == b"" else text
            return INT_MIN if text[:1] == b"-" else INT_MAX
        return min(max(int(text), INT_MIN), INT_MAX)
    number = float(text[:400])
    return number if math.isfinite(number) else 0


def _refusal(why: str, at: int) -> LpcError:
    return LpcError(f"Not an LPC value: {why}, at byte {at}.", details={"at": at})
