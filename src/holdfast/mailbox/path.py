"""The ways to a gateway: straight, through another gateway, or through a SOCKS5 proxy such as Tor's.

::

    Direct()                                    # the gateway sees where we are
    TwoHop(other)                               # TLS to the other, and within it TLS to the gateway
    Socks("socks5://127.0.0.1:9050")            # the proxy, its network, the gateway or its onion service

A path makes the endpoint that a ``ReliableConnection`` connects to. TLS with the gateway's pinned key is always the
innermost layer, so whoever is in between sees its bytes and nothing in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol
from urllib.parse import urlsplit

from holdfast.connection import Endpoint
from holdfast.mailbox.pipe import PipeVia
from holdfast.mailbox.tls import pinned_context

if TYPE_CHECKING:
    from holdfast.mailbox.address import GatewayAddress
    from holdfast.world import World


class GatewayPath(Protocol):
    """A way to gateways.

    Attributes:
        has_lanes: another lane is another way, which may work where this one does not.
    """

    has_lanes: ClassVar[bool]

    def endpoint(
        self, gateway: GatewayAddress, world: World, *, lane: str, is_plain: bool = False
    ) -> Endpoint:
        """Return where to connect to.

        Args:
            gateway: the other end.
            world: wall time, for certificates.
            lane: connections with the same lane may be known to belong together, others not.
            is_plain: without TLS: only where the network is a simulated one.

        Raises:
            ValueError: this path cannot lead there.
        """
        ...


@dataclass(frozen=True, slots=True)
class Direct:
    """Straight to the gateway, which sees our address."""

    has_lanes: ClassVar[bool] = False

    def endpoint(
        self,
        gateway: GatewayAddress,
        world: World,
        *,
        lane: str,  # noqa: ARG002 - all come from one address
        is_plain: bool = False,
    ) -> Endpoint:
        """Return where to connect to; see ``GatewayPath``."""
        if is_plain:
            return Endpoint(_url(gateway.host, gateway.port, is_plain=True))
        context = pinned_context(gateway.pin, world)
        return Endpoint(_url(gateway.host, gateway.port), tls=context)


@dataclass(frozen=True, slots=True)
class TwoHop:
    """Through another gateway that pipes: it sees our address, the gateway sees its.

    Args:
        piping: the other gateway; it must have the one we want on its list.
    """

    has_lanes: ClassVar[bool] = False
    piping: GatewayAddress

    def endpoint(
        self, gateway: GatewayAddress, world: World, *, lane: str, is_plain: bool = False
    ) -> Endpoint:
        """Return where to connect to; see ``GatewayPath``."""
        if gateway.pin == self.piping.pin:
            raise ValueError("A gateway pipes to others, not to itself: that would hide nothing.")
        first = Direct().endpoint(self.piping, world, lane=lane, is_plain=is_plain)
        inner = None if is_plain else pinned_context(gateway.pin, world)
        url = _url(gateway.host, gateway.port, is_plain=is_plain)
        return Endpoint(url, tls=inner, via=PipeVia(first, gateway.pin))


@dataclass(frozen=True, slots=True)
class Socks:
    """Through a SOCKS5 proxy, which looks names up itself; the gateway's onion service if it has one.

    Args:
        proxy: ``socks5://host:port``, without user and password: they are made of the lane, so that Tor builds
            a circuit of its own for each (``IsolateSOCKSAuth``).
    """

    has_lanes: ClassVar[bool] = True
    proxy: str

    def __post_init__(self) -> None:
        problem = f"{self.proxy!r} is no proxy: socks5://host:port."
        parts = urlsplit(self.proxy)
        try:
            port = parts.port
        except ValueError as error:
            raise ValueError(problem) from error
        is_more = parts.username is not None or parts.path or parts.query or parts.fragment
        if parts.scheme != "socks5" or not parts.hostname or not port or is_more:
            raise ValueError(problem)

    def endpoint(
        self,
        gateway: GatewayAddress,
        world: World,
        *,
        lane: str,
        is_plain: bool = False,
    ) -> Endpoint:
        """Return where to connect to; see ``GatewayPath``."""
        through = f"socks5://{lane}:holdfast@{urlsplit(self.proxy).netloc}"
        url = _url(gateway.onion or gateway.host, gateway.port, is_plain=is_plain)
        context = None if is_plain else pinned_context(gateway.pin, world)
        return Endpoint(url, tls=context, proxy=through)


def _url(host: str, port: int, *, is_plain: bool = False) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{'tcp' if is_plain else 'tls'}://{shown}:{port}"
