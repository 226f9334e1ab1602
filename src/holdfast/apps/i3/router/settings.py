"""What a router is told at its start."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.apps.i3 import limits
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.router.names import is_name


@dataclass(frozen=True, kw_only=True)
class RouterSettings:
    """One router.

    Attributes:
        name: begins with ``*``; muds call it so.
        host: to listen on.
        port: to listen on; 0 picks a free one.
        advertise: where muds reach it, told in each startup reply; empty: the address at which a mud did.
        others: further routers of the network as name and ``ip port``, told likewise; not linked by this one.
        packet_rate: packets a second that one mud may send in the long run; None: as many as it likes.
        packet_burst: packets at once after a rest.
        startup_timeout: seconds from the connection to the startup packet (cut).
        down_after: seconds that a mud may be gone before the others are told.
        forget_after: seconds after which a mud that is gone is deleted with its channels.
        list_delay: seconds for which changes of the lists are collected before all are told.
        filter_timeout: seconds that the host of a filtered channel has for a packet.
        connections_max: at once.
        per_address_max: connections at once from one address.
        accept_rate: connections a second from one address.
        accept_burst: connections at once from one address after a rest.

    Raises:
        I3Error: 11004; the name is none of a router.
    """

    name: str = "*holdfast"
    host: str = "127.0.0.1"
    port: int = 8787
    advertise: str = ""
    others: tuple[tuple[str, str], ...] = ()
    packet_rate: float | None = limits.ROUTER_PACKET_RATE
    packet_burst: int = limits.ROUTER_PACKET_BURST
    startup_timeout: float = limits.ROUTER_STARTUP_TIMEOUT
    down_after: float = limits.ROUTER_DOWN_AFTER
    forget_after: float = limits.ROUTER_FORGET_AFTER
    list_delay: float = limits.ROUTER_LIST_DELAY
    filter_timeout: float = limits.ROUTER_FILTER_TIMEOUT
    connections_max: int = limits.ROUTER_CONNECTIONS_MAX
    per_address_max: int = limits.ROUTER_PER_ADDRESS_MAX
    accept_rate: float = limits.ROUTER_ACCEPT_RATE
    accept_burst: int = limits.ROUTER_ACCEPT_BURST

    def __post_init__(self) -> None:
        if not self.name.startswith("*") or not is_name(self.name[1:]):
            raise I3Error(
                I3Code.NAME_INVALID,
                f"{self.name!r} is no name of a router: give * and up to "
                f"{limits.NAME_LENGTH_MAX} visible characters.",
            )
