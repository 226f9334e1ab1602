"""What a hostile or broken peer sends over an Intermud-3 socket, by chance, so that a seed repeats it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.apps.i3 import packets as p
from holdfast.apps.i3.lpc import LpcError, encode
from tests.unit.apps.i3.packet_examples import BODIES, FRAMES

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

EXAMPLES = [
    p.write(each) for each in [f[0] for f in FRAMES.values()] + [each for each, _ in BODIES]
]
ODD = [
    b'({"chanlist-reply",5,"*hub",0,"Harbour",0,1,(["ale":({"Harbour",0,}),]),})\x0d({"chan-ack",5,"*hub",0,"Harbour",'
    b'"ann","made",})\x0d',
    b'({"channel-m",5,"Old Keep","bo",0,0,"ale","Bo","he said "no" to me",})\x00',
    b'({"tell",5,"Old Keep",,"Harbour",,"Bo","hi",})\x00', b"({,})", b"([,])", b"({" * 5000, b"([" * 5000,
    b'"' + b"\\" * 9999, b"9" * 5000, b"({" + b"1," * 20_000 + b"})", b"({" + b'"a":' * 100, b"\xff" * 200, b"\0" * 50,
    b"({" * 99 + b'"x",' + b"})," * 98 + b"})", b"1e999", b"(/" * 60 + b"/)" * 60,
]  # fmt: skip
TOKENS = [
    b"({",
    b"})",
    b"([",
    b"])",
    b"(/",
    b"/)",
    b",",
    b":",
    b'"',
    b"\\",
    b"\0",
    b"\r",
    b"-",
    b"1e+3",
    b"0",
    b"\xe9",
]


class Noise:
    """Makes streams of bytes.

    Args:
        chance: decides everything.
        names: of muds, users, channels and routers that there are, so that some of it means something.
    """

    def __init__(self, chance: random.Random, names: Sequence[str]) -> None:
        self._chance = chance
        self._names = names
        self._kinds: list[Callable[[], bytes]] = [
            self._changed, self._changed, self._changed, self._bitten, self._shuffled, self._odd, self._garbage,
            self._several, self._length,
        ]  # fmt: skip

    def stream(self) -> bytes:
        """Return some frames, or what looks like some."""
        return b"".join(
            self._chance.choice(self._kinds)() for _ in range(self._chance.randint(1, 30))
        )

    def pieces(self, data: bytes) -> list[bytes]:
        """Cut a stream as a network might."""
        if self._chance.random() < 0.5:
            return [data]
        places = sorted(self._chance.randrange(len(data) + 1) for _ in range(self._chance.randint(1, 9)))  # fmt: skip
        return [data[x:y] for x, y in zip([0, *places], [*places, len(data)], strict=True)]

    def value(self, sender: str | None = None) -> list[Any]:
        """Return a packet with some fields that are not its own."""
        value = list(self._chance.choice(EXAMPLES))
        if len(value) > 2 and self._chance.random() < 0.8:
            value[2] = sender or self._chance.choice(self._names)
        for _ in range(self._chance.choice([0, 1, 1, 2, 5])):
            value[self._chance.randrange(len(value))] = self._field()
        if self._chance.random() < 0.1:
            value = value[: self._chance.randrange(len(value) + 1)]
        if self._chance.random() < 0.1:
            value += [self._field()] * self._chance.randint(1, 3)
        return value

    def _field(self) -> Any:
        kind = self._chance.randrange(12)
        if kind < 5:
            return self._chance.choice(self._names)
        return [
            0,
            self._chance.choice([-1, 1, 5, 2**31, 2**63 - 1, -(2**63)]),
            1.5,
            "x" * self._chance.choice([0, 1, 81, 5000, 60_000]),
            [],
            {self._chance.choice(self._names): [self._chance.choice(self._names), 0]},
            list(self._chance.choice(EXAMPLES)),
        ][kind - 5]

    def _framed(self, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + body

    def _written(self) -> bytes:
        try:
            return encode(self.value()) + b"\0"
        except LpcError:
            return b"({})\0"  # fields in fields were too deep

    def _changed(self) -> bytes:
        return self._framed(self._written())

    def _bitten(self) -> bytes:
        body = bytearray(self._written())
        for _ in range(self._chance.randint(1, 6)):
            at = self._chance.randrange(len(body))
            change = self._chance.choice([*TOKENS, b""])
            body[at : at + self._chance.randint(0, 3)] = change
            body = body or bytearray(b"0")
        return self._framed(bytes(body))

    def _shuffled(self) -> bytes:
        return self._framed(
            b"".join(self._chance.choice(TOKENS) for _ in range(self._chance.randint(1, 200)))
        )

    def _odd(self) -> bytes:
        return self._framed(self._chance.choice(ODD))

    def _several(self) -> bytes:
        end = self._chance.choice([b"\r", b"\0", b"", b"\n"])
        return self._framed(end.join(self._written() for _ in range(self._chance.randint(2, 40))))

    def _garbage(self) -> bytes:
        return self._framed(self._chance.randbytes(self._chance.randint(1, 300)))

    def _length(self) -> bytes:
        """Break the stream itself, seldom: after it nothing is read any more."""
        if self._chance.random() < 0.95:
            return b"\0\0\0\0"
        length = self._chance.choice([2**21, 2**21 + 1, 2**31, 2**32 - 1, 100])
        return length.to_bytes(4, "big") + self._chance.randbytes(50)
