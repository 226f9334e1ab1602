"""Where a peer can be reached: endpoints as URLs, and the order in which their addresses are tried.

Theory. Names are resolved for each round, for they change. Families take turns, IPv6 first (RFC 8305, "Happy
Eyeballs"), one attempt at a time; what worked comes first, the nearest of these before the others, and what
failed goes to the end.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Callable, Iterable, Mapping, Sequence

T = TypeVar("T", bound="asyncio.Protocol")

PORTS: Final = {"ws": 80, "wss": 443, "tcp": 0, "tls": 0}


class Via(Protocol):
    """A way to an endpoint that is neither direct nor a proxy, such as through another gateway."""

    async def connect(self, endpoint: Endpoint, build: Callable[[], T]) -> T:
        """Open a connection, with TLS where the endpoint has it, and return the protocol that was built for it.

        Raises:
            NetworkError: 1002; the way does not lead there.
            OSError: TCP or TLS failed.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """A place where a peer listens.

    Args:
        url: ``tcp://host:port``, ``tls://host:port``, ``ws://…`` or ``wss://…``.
        tls: for ``tls`` and ``wss``; the system's default when None.
        proxy: ``socks5://[user:password@]host:port``, through which all goes; it resolves the name.
        headers: of the WebSocket's handshake.
        subprotocols: offered with it.
        via: the way to it, which knows its name; None for the direct one.

    Raises:
        ValueError: the URL has no such scheme, no host or no port.
    """

    url: str
    tls: ssl.SSLContext | None = None
    proxy: str | None = None
    headers: Mapping[str, str] | None = None
    subprotocols: Sequence[str] = ()
    via: Via | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in PORTS or not parts.hostname or not self.port:
            known = ", ".join(f"{scheme}://" for scheme in PORTS)
            raise ValueError(f"{self.url!r} is no endpoint: give {known} with host and port.")

    @property
    def scheme(self) -> str:
        """``tcp``, ``tls``, ``ws`` or ``wss``."""
        return urlsplit(self.url).scheme

    @property
    def host(self) -> str:
        """A name or an address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Of TCP."""
        parts = urlsplit(self.url)
        return parts.port or PORTS.get(parts.scheme, 0)

    @property
    def is_tls(self) -> bool:
        """Whether it is encrypted."""
        return self.scheme in {"tls", "wss"}

    @property
    def is_websocket(self) -> bool:
        """Whether it speaks WebSocket."""
        return self.scheme in {"ws", "wss"}


class Candidate(NamedTuple):
    """One address of an endpoint; an empty one is left to the proxy, or to the way there."""

    endpoint: Endpoint
    address: str

    def __str__(self) -> str:
        host = self.address or self.endpoint.host
        return f"[{host}]:{self.endpoint.port}" if ":" in host else f"{host}:{self.endpoint.port}"


def interleaved(found: Iterable[tuple[int, str]]) -> list[str]:
    """Order addresses of both families alternately, IPv6 first; each once.

    Args:
        found: family and address, in the resolver's order.
    """
    pairs = list(dict.fromkeys(found))
    sixes = [address for family, address in pairs if family == socket.AF_INET6]
    fours = [address for family, address in pairs if family != socket.AF_INET6]
    both = min(len(sixes), len(fours))
    taking_turns = [each for pair in zip(sixes, fours, strict=False) for each in pair]
    return [*taking_turns, *sixes[both:], *fours[both:]]


class Choice:
    """Remembers how candidates did, and says which is next.

    Args:
        kept_max: addresses that are remembered; the oldest is forgotten.
    """

    def __init__(self, kept_max: int = 256) -> None:
        self._kept_max = kept_max
        self._failures: dict[Candidate, int] = {}
        self._rtt: dict[Candidate, float] = {}
        self._round: set[Candidate] = set()

    def next(self, candidates: Sequence[Candidate]) -> Candidate:
        """Return the one to try, of at least one: what failed least, then what was nearest, then the first."""
        places = {candidate: place for place, candidate in enumerate(candidates)}

        def rank(candidate: Candidate) -> tuple[bool, int, float, int]:
            return (
                candidate in self._round,
                self._failures.get(candidate, 0),
                self._rtt.get(candidate, float("inf")),
                places[candidate],
            )

        return min(candidates, key=rank)

    def failed(self, candidate: Candidate, candidates: Sequence[Candidate]) -> bool:
        """Note a failure; return whether another one has not been tried in this round."""
        self._failures[candidate] = self._failures.pop(candidate, 0) + 1
        self._round.add(candidate)
        has_other = any(each not in self._round for each in candidates)
        if not has_other:
            self._round.clear()
        if len(self._failures) > self._kept_max:
            del self._failures[next(iter(self._failures))]
        return has_other

    def worked(self, candidate: Candidate) -> None:
        """Note a success."""
        self._failures.pop(candidate, None)
        self._round.clear()

    def measured(self, candidate: Candidate, rtt: float) -> None:
        """Note a round trip, in seconds."""
        self._rtt[candidate] = self._rtt.pop(candidate, rtt) * 0.75 + rtt * 0.25
        if len(self._rtt) > self._kept_max:
            del self._rtt[next(iter(self._rtt))]
