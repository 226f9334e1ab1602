"""Between a mud and its router: how it begins, who is there, what went wrong, how it ends."""

from __future__ import annotations

import msgspec

from holdfast.apps.i3.packets._shape import OrNothing, Packet


class Startup(Packet, frozen=True, kw_only=True):
    """What the first packet of a connection says in all its versions.

    Attributes:
        password: the last one that this router gave; 0 for a new mud.
        mudlist_id: of the list of muds that is still held; 0 for none.
        chanlist_id: of the list of channels.
        player_port: for people; 0 for none, here and below.
        oob_tcp_port: out of band.
        oob_udp_port: not used by any service.
        mudlib: what it runs.
        base_mudlib: what that is made from.
        driver: what runs it.
        mud_type: such as ``LP``.
        open_status: such as ``open for public``.
    """

    password: int
    mudlist_id: int
    chanlist_id: int
    player_port: int
    oob_tcp_port: int
    oob_udp_port: int
    mudlib: OrNothing
    base_mudlib: OrNothing
    driver: OrNothing
    mud_type: OrNothing
    open_status: OrNothing


class StartupReq3(Startup, tag="startup-req-3", frozen=True, kw_only=True):
    """The startup of today.

    Attributes:
        email: of the administrator.
        services: name → 1, or a port.
        other: a mapping, or 0.
    """

    email: OrNothing
    services: dict[str, int]
    other: object


class StartupReq2(Startup, tag="startup-req-2", frozen=True, kw_only=True):
    """An older startup, without e-mail and other data."""

    services: dict[str, int]


class StartupReq1(Startup, tag="startup-req-1", frozen=True, kw_only=True):
    """The oldest startup."""

    services: dict[str, int]


class RouterRow(msgspec.Struct, array_like=True, frozen=True):
    """A router in the list of a startup reply.

    Attributes:
        name: with its ``*``.
        address: IP and port, with a blank between.
    """

    name: str
    address: str

    @property
    def host(self) -> str:
        """The IP."""
        return self.address.split(" ", 1)[0]

    @property
    def port(self) -> int:
        """The port; 0 when there is none that could be."""
        port = self.address.rpartition(" ")[2]
        is_port = port.isascii() and port.isdigit() and len(port) <= 5  # noqa: PLR2004 - digits
        return int(port) if is_port and int(port) < 65536 else 0  # noqa: PLR2004 - ports end there


class StartupReply(Packet, tag="startup-reply", frozen=True, kw_only=True):
    """The router lets a mud in.

    Attributes:
        routers: best first; if the first is not this one, go there.
        password: for the next time.
    """

    routers: tuple[RouterRow, ...]
    password: int


class MudRow(msgspec.Struct, array_like=True, frozen=True):
    """A mud in the list of the router.

    Attributes:
        state: -1 up, 0 down, more: down for about so many seconds.
        ip: as the router sees it.
        player_port: for people; 0 for none, here and below.
        oob_tcp_port: out of band.
        oob_udp_port: not used by any service.
        mudlib: what it runs.
        base_mudlib: what that is made from.
        driver: what runs it.
        mud_type: such as ``LP``.
        open_status: such as ``open for public``.
        email: of the administrator.
        services: name → 1, or a port.
        other: a mapping, or 0.
    """

    state: int
    ip: OrNothing = ""
    player_port: int = 0
    oob_tcp_port: int = 0
    oob_udp_port: int = 0
    mudlib: OrNothing = ""
    base_mudlib: OrNothing = ""
    driver: OrNothing = ""
    mud_type: OrNothing = ""
    open_status: OrNothing = ""
    email: OrNothing = ""
    services: dict[str, int] = {}
    other: object = 0

    @property
    def is_up(self) -> bool:
        """Whether it can be reached."""
        return self.state < 0


class Mudlist(Packet, tag="mudlist", frozen=True, kw_only=True):
    """Changes to the list of muds.

    Attributes:
        id: of the list that they make; opaque.
        muds: for each name what it is now; None: it is gone.
    """

    id: int
    muds: dict[str, MudRow | None]


class Shutdown(Packet, tag="shutdown", frozen=True, kw_only=True):
    """A mud goes; to the router.

    Attributes:
        restart_delay: seconds until it is back: 0 unknown, 1 at once.
    """

    restart_delay: int


class RouterShutdown(Packet, tag="router-shutdown", frozen=True, kw_only=True):
    """A router goes; not in the specification.

    Attributes:
        restart_delay: seconds until it is back: 0 for good.
    """

    restart_delay: int


class ErrorPacket(Packet, tag="error", frozen=True, kw_only=True):
    """Something could not be done.

    Attributes:
        code: see ``Fault``.
        message: for a person.
        packet: what it is about, None when it is not returned.
    """

    code: str
    message: OrNothing
    packet: list[object] | None
