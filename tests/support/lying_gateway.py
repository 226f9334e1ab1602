"""Gateways that do not keep their word, and one that writes down every byte: real ones, on real sockets, with TLS."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.connection import Framed, Peer
from holdfast.connection.framing import Control
from holdfast.errors import ErrorCode
from holdfast.mailbox.gateway import Gateway
from holdfast.mailbox.wire import (
    Deposit,
    Done,
    Envelope,
    Refused,
    encode,
    read_answer,
    read_request,
)
from tests.support.nodes import GatewayHere

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from holdfast.mailbox.wire import Answer, Request

import pytest


class Heard(NamedTuple):
    """Bytes of one connection after TLS, as the gateway handles them.

    Attributes:
        port: of the gateway.
        host: of the gateway.
        remote: the address that it sees.
        connection: which one.
        is_in: they came from there.
        data: the bytes.
    """

    port: int
    host: str
    remote: str
    connection: int
    is_in: bool
    data: bytes


class Ledger:
    """Everything that gateways of this process handled, in order."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []

    def of(self, gateway: GatewayHere) -> list[Heard]:
        """What one gateway handled."""
        where = gateway.host, gateway.port
        return [each for each in self.heard if (each.host, each.port) == where]

    def said_by_clients(self, gateway: GatewayHere) -> dict[int, list[Request]]:
        """The requests of each connection to a gateway; a pipe's are those before it became one."""
        return {
            number: [read_request(message) for message in messages]
            for number, messages in self._messages(gateway, is_in=True).items()
        }

    def said_by(self, gateway: GatewayHere) -> list[Answer]:
        """What a gateway said itself."""
        found = self._messages(gateway, is_in=False).values()
        return [read_answer(message) for messages in found for message in messages]

    def piped(self, gateway: GatewayHere) -> dict[int, bytes]:
        """The bytes that clients sent through pipes of a gateway, by connection."""
        found: dict[int, bytes] = {}
        for number, heard in self._connections(gateway, is_in=True).items():
            first = Framed(2**20).feed(heard[0].data)[0]
            if isinstance(first, bytes) and _is_pipe(first):  # nothing follows it before its answer
                found[number] = b"".join(each.data for each in heard[1:])
        return found

    def remotes(self, gateway: GatewayHere) -> dict[int, str]:
        """The address that a gateway sees at the other end of each connection."""
        return {each.connection: each.remote for each in self.of(gateway)}

    def _connections(self, gateway: GatewayHere, *, is_in: bool) -> dict[int, list[Heard]]:
        found: dict[int, list[Heard]] = {}
        for each in self.of(gateway):
            if each.is_in is is_in:
                found.setdefault(each.connection, []).append(each)
        return found

    def _messages(self, gateway: GatewayHere, *, is_in: bool) -> dict[int, list[bytes]]:
        pipes = self.piped(gateway)
        found: dict[int, list[bytes]] = {}
        for number, heard in self._connections(gateway, is_in=is_in).items():
            if number in pipes:
                continue  # bytes of others
            read = Framed(2**20).feed(b"".join(each.data for each in heard))
            found[number] = [each for each in read if not isinstance(each, Control)]
        return found


def _is_pipe(message: bytes) -> bool:
    return message[:2] == b"\x93\x07"  # an array of three with the tag of ``wire.Pipe``


@contextmanager
def every_byte_written_down() -> Iterator[Ledger]:
    """All gateways of this process write down what passes through them, within their TLS."""
    ledger = Ledger()
    numbers: dict[Peer, int] = {}
    came, goes = Peer.data_received, Peer.write

    def note(peer: Peer, data: bytes, *, is_in: bool) -> None:
        number = numbers.setdefault(peer, len(numbers))
        host, port = peer.local
        ledger.heard.append(Heard(port, host, peer.remote, number, is_in, bytes(data)))

    def data_received(self: Peer, data: bytes) -> None:
        note(self, data, is_in=True)
        came(self, data)

    def write(self: Peer, data: bytes) -> None:
        note(self, data, is_in=False)
        goes(self, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Peer, "data_received", data_received)
        patch.setattr(Peer, "write", write)
        yield ledger


class Liar(Gateway):
    """A gateway that can be told to lie.

    Attributes:
        drops: it says that it kept an envelope, and throws it away.
        delays: it says so, and keeps it in its hand until ``let_go``.
        mixes: what it hands out waits until ``mix``, and comes in the opposite order, each twice.
        refuses: kinds of requests that it refuses, with the longest time that can be said.
        refused: how often it did.
        dropped: how often it lied.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.drops = False
        self.delays = False
        self.mixes = False
        self.dropped = 0
        self.refuses: tuple[type, ...] = ()
        self.refused = 0
        self.in_hand: list[tuple[Any, bytes]] = []
        self.to_mix: list[tuple[Any, bytes]] = []

    def received(self, visitor: Any, message: bytes) -> None:
        """Take a message, or only say so."""
        request = read_request(message)
        if isinstance(request, self.refuses):
            self.refused += 1
            visitor.is_new = False
            text = "\x1b[2JWait for some weeks."
            visitor.peer.send(encode(Refused(request.n, ErrorCode.MAILBOX_FULL, text, 2**32 - 1)))
            return
        if (self.drops or self.delays) and isinstance(request, Deposit):
            visitor.is_new = False
            visitor.peer.proved()
            visitor.peer.send(encode(Done(request.n)))
            self.dropped += 1
            if self.delays:
                self.in_hand.append((visitor, message))
            return
        super().received(visitor, message)

    def cut_all(self) -> None:
        """Cut all connections, of clients and of pipes."""
        for peer in tuple(self._listener.peers):
            peer.abort()

    def let_go(self) -> int:
        """Put into their mailboxes what was delayed; return how many."""
        late, self.in_hand = self.in_hand, []
        self.drops = self.delays = False
        for visitor, message in late:
            super().received(visitor, message)
        return len(late)

    def flood(self, mailbox: bytes, bodies: Sequence[bytes]) -> None:
        """Hand out what nobody put in, to whoever reads a mailbox."""
        for visitor in self._visitors.values():
            if any(box.address == mailbox for box in visitor.client.reads):
                for number, body in enumerate(bodies):
                    super()._send(visitor, encode(Envelope(mailbox, number.to_bytes(16), body)))

    def nonsense(self, messages: Sequence[bytes]) -> None:
        """Say to everybody what is no message."""
        for visitor in self._visitors.values():
            for message in messages:
                visitor.peer.send(message)

    def _send(self, visitor: Any, message: bytes) -> None:
        if self.mixes and isinstance(read_answer(message), Envelope):
            self.to_mix.append((visitor, message))
            return
        super()._send(visitor, message)

    def mix(self) -> int:
        """Hand out what waited, the newest first and each twice; return how many waited."""
        waited, self.to_mix = self.to_mix, []
        for visitor, message in reversed(waited):
            for _ in range(2):
                super()._send(visitor, message)
        return len(waited)


class LiarHere(GatewayHere):
    """A gateway of this process that may lie, and whose folder may be set back to an older state."""

    kind = Liar

    @property
    def liar(self) -> Liar:
        """The one that runs."""
        assert isinstance(self.gateway, Liar), "it is of this kind"
        return self.gateway

    def back_up(self, to: Path) -> None:
        """Copy what is on its disk now, while it runs."""
        source = sqlite3.connect(self.folder / "gateway.db")
        target = sqlite3.connect(to)
        source.backup(target)
        source.close()
        target.close()

    def restore(self, backup: Path) -> None:
        """Put an older state in the place of the present one, while it does not run."""
        for old in self.folder.glob("gateway.db*"):
            old.unlink()
        (self.folder / "gateway.db").write_bytes(backup.read_bytes())
