"""How a gateway appears on the network, where its routers are, and how it behaves towards them."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a file of settings is read by these types
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - as above
from typing import Final

from holdfast.apps.i3 import limits
from holdfast.apps.i3.lpc import Charset

SERVICES: Final = {
    "tell": 1,
    "emoteto": 1,
    "beep": 1,
    "who": 1,
    "finger": 1,
    "locate": 1,
    "channel": 1,
    "auth": 1,
    "ucache": 1,
}
"""What a gateway answers by itself; ``file``, ``mail`` and ``news`` are added where its settings offer them."""

MAIL_TTL_MAX: Final = 7 * 86_400.0
"""Seconds that a letter may wait at most: the other side remembers a day longer which ones it has."""


@dataclass(frozen=True, slots=True)
class RouterAddress:
    """Where a router listens.

    Attributes:
        name: its name on the network, beginning with ``*``.
        host: a name or an address.
        port: of TCP.

    Raises:
        ValueError: the name does not begin with ``*``, or there is no host or port.
    """

    name: str
    host: str
    port: int

    def __post_init__(self) -> None:
        if not self.name.startswith("*") or len(self.name) < 2:  # noqa: PLR2004 - the star and a letter
            raise ValueError(f"A router's name begins with a star, {self.name!r} does not.")
        if not self.host or not 0 < self.port < 65536:  # noqa: PLR2004 - ports
            raise ValueError(f"{self.host!r} port {self.port} is no address of a router.")

    @classmethod
    def parse(cls, text: str) -> RouterAddress:
        """Read ``*name=host:port``.

        Raises:
            ValueError: it is written otherwise.
        """
        name, _, place = text.partition("=")
        host, _, port = place.rpartition(":")
        if not port.isdigit():
            raise ValueError(f"{text!r} is no router: write *name=host:port.")
        return cls(name, host.strip("[]"), int(port))

    @property
    def url(self) -> str:
        """As an endpoint of a connection."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """The knobs of a gateway; all times in seconds.

    Attributes:
        mud_name: under which it is known; it is the routing key and cannot begin with ``*``.
        routers: to connect to, the preferred one first; a router's own list comes after these.
        player_port: where players connect, 0 for none.
        mudlib: told to others, as are ``base_mudlib``, ``driver``, ``mud_type``, ``open_status``.
        admin_email: told to others; empty where it is nobody's business.
        services: what it advertises, see ``SERVICES``.
        charset: of texts that are sent.
        pace_rate: packets a second that the router allows in the long run; None where it sets no limit.
        pace_burst: packets at once.
        pace_queue_max: packets that wait for their turn (I3Error QUEUE_FULL with ``retry_after``).
        ttl: that a message waits for a router before it expires and its sender is told.
        queued_max: messages that wait for a router (I3Error QUEUE_FULL).
        startup_timeout: for the startup-reply; then the next router is tried.
        connect_timeout: for TCP.
        retry_delay: before the second attempt at most, doubling up to ``retry_delay_max``.
        attempt_interval: between two attempts at least, whatever was drawn.
        probe_interval: between two probes while nothing waits to be confirmed.
        confirm_interval: between two probes while messages wait to be confirmed.
        probe_timeout: for the return of a probe, once a router was seen to return them.
        silence_max: without any packet before a router that returns no probes is left.
        request_timeout: for the answer to who, finger and questions about channels.
        presence_ttl: that a list of players stays current.
        forget_muds_after: after the start on another router, muds that it did not name are dropped.
        history_lines: of each channel that are kept.
        files: the public folder for other muds, None for no files.
        files_writable: whether other muds may put files there.
        mail: whether users here have letter boxes, and may write to others.
        mail_users: those who have one, in any case; empty: whoever is written to.
        mail_ttl: that a letter waits for its mud before it expires and its sender is told; at most a week.
        news_groups: groups of news that this mud hosts; empty: none.
        oob_host: the address to listen on for other muds, when there is something of these.
        oob_port: the port for them; 0 picks a free one.
        keeps_colours: whether colour codes of others reach the clients.
        restart_delay: told to the router at the end: seconds until it is back, 0 for not known.
    """

    mud_name: str
    routers: tuple[RouterAddress, ...]
    player_port: int = 0
    mudlib: str = "holdfast"
    base_mudlib: str = "holdfast"
    driver: str = "holdfast"
    mud_type: str = "gateway"
    open_status: str = "open for public"
    admin_email: str = ""
    services: Mapping[str, int] = field(default_factory=lambda: dict(SERVICES))
    charset: Charset = Charset.UTF8
    pace_rate: float | None = 8.0
    pace_burst: int = 8
    pace_queue_max: int = limits.PACED_MAX
    ttl: float = 600.0
    queued_max: int = limits.QUEUED_MAX
    startup_timeout: float = 20.0
    connect_timeout: float = 10.0
    retry_delay: float = 2.0
    retry_delay_max: float = 60.0
    attempt_interval: float = 1.5
    probe_interval: float = 30.0
    confirm_interval: float = 2.0
    probe_timeout: float = 30.0
    silence_max: float = 900.0
    request_timeout: float = 15.0
    presence_ttl: float = 30.0
    forget_muds_after: float = 180.0
    history_lines: int = limits.HISTORY_LINES_MAX
    files: Path | None = None
    files_writable: bool = False
    mail: bool = False
    mail_users: tuple[str, ...] = ()
    mail_ttl: float = 3 * 86_400.0
    news_groups: tuple[str, ...] = ()
    oob_host: str = "127.0.0.1"
    oob_port: int = 0
    keeps_colours: bool = False
    restart_delay: int = 0

    def __post_init__(self) -> None:
        if not self.mud_name or self.mud_name.startswith("*") or "\0" in self.mud_name:
            raise ValueError(f"{self.mud_name!r} cannot be the name of a mud.")
        if len(self.mud_name) > limits.NAME_LENGTH_MAX:
            raise ValueError(
                f"A mud's name has at most {limits.NAME_LENGTH_MAX} characters, not {len(self.mud_name)}."
            )
        if not self.routers:
            raise ValueError("A gateway needs a router.")
        if len({router.name for router in self.routers}) < len(self.routers):
            raise ValueError("Two routers have the same name.")
        if not 0 < self.mail_ttl <= MAIL_TTL_MAX:
            raise ValueError(f"A letter waits for up to {MAIL_TTL_MAX:g} s, not {self.mail_ttl:g}.")
        if len(self.news_groups) > limits.NEWS_GROUPS_MAX:
            raise ValueError(f"A mud hosts at most {limits.NEWS_GROUPS_MAX} groups of news.")
        for group in self.news_groups:
            if not 0 < len(group) <= limits.NAME_LENGTH_MAX or not group.isprintable():
                raise ValueError(f"{group!r} cannot be the name of a group of news.")
