"""What all parts of the router's machine share: who is there, and what is to be done next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.apps.i3 import limits
from holdfast.apps.i3.packets import ErrorPacket, Packet, write
from holdfast.apps.i3.router.channels import Channels
from holdfast.apps.i3.router.effects import Close, KeepChannel, KeepMud, Send
from holdfast.apps.i3.router.muds import Muds

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.apps.i3.errors import Fault
    from holdfast.apps.i3.router.effects import Effect
    from holdfast.apps.i3.router.settings import RouterSettings


class Link:
    """One connection.

    Attributes:
        id: of the connection.
        remote: the IP from which it comes.
        local: the ``ip port`` to which it came.
        mud: who it is; empty until it has started up.
        version: of its startup.
        services: that its mud has.
        mudlist, chanlist: numbers up to which it has been told.
        paid_until: seconds up to which its packets are paid for.
        told_slow: seconds when it was last told that it is too quick.
        bad: packets in a row that could not be read.
        has_password: it has said something since its startup was answered, so the answer has arrived.
        is_over: nothing that comes on it counts any more.
    """

    __slots__ = (
        "bad",
        "chanlist",
        "has_password",
        "id",
        "is_over",
        "local",
        "mud",
        "mudlist",
        "paid_until",
        "remote",
        "services",
        "told_slow",
        "version",
    )

    def __init__(self, number: int, remote: str, local: str) -> None:
        self.id = number
        self.remote = remote
        self.local = local
        self.mud = ""
        self.version = 0
        self.services: frozenset[str] = frozenset()
        self.mudlist = 0
        self.chanlist = 0
        self.paid_until = 0.0
        self.told_slow = float("-inf")
        self.bad = 0
        self.has_password = False
        self.is_over = False


class Network:
    """The state of a router.

    Args:
        settings: of the router.
        secret_bytes: makes bytes that nobody can guess.

    Attributes:
        muds: all that are known.
        channels: all there are.
        links: all connections, by id.
        up: those that have started up, by mud.
        effects: what is to be done, in order.
        counts: what has happened: packets by what became of them, faults by their code.
    """

    def __init__(self, settings: RouterSettings, secret_bytes: Callable[[int], bytes]) -> None:
        self.settings = settings
        self.name = settings.name
        self.muds = Muds(secret_bytes)
        self.channels = Channels()
        self.links: dict[int, Link] = {}
        self.up: dict[str, Link] = {}
        self.effects: list[Effect] = []
        self.counts = {"relayed": 0, "dropped": 0, "garbled": 0, "refused": 0, "paused": 0}

    def taken(self) -> list[Effect]:
        """Hand over what is to be done."""
        effects, self.effects = self.effects, []
        return effects

    # --- saying -----------------------------------------------------------------------------

    def send(self, link: Link, packet: Packet) -> None:
        """Send a packet of the router's own."""
        self.effects.append(Send((link.id,), write(packet)))

    def pass_on(self, links: tuple[int, ...], value: list[object]) -> None:
        """Send a packet of somebody's to others, unchanged but for its hops."""
        assert isinstance(value[1], int), "the header was checked"
        self.counts["relayed"] += 1
        if links:
            self.effects.append(Send(links, [value[0], value[1] - 1, *value[2:]]))

    def fault(
        self,
        link: Link,
        code: Fault,
        message: str,
        value: list[object] | None = None,
        size: int = 0,
    ) -> None:
        """Tell a link that something could not be done; an error is never answered by another.

        Args:
            link: that is told.
            code: the word for it.
            message: for a person.
            value: the packet that it is about.
            size: bytes of that; a large one is not returned.
        """
        self.counts["refused"] += 1
        if value is not None and value and value[0] == "error":
            return
        user = value[3] if value is not None and len(value) > 3 else ""  # noqa: PLR2004 - of the header
        returned = value if value is not None and size <= limits.ERROR_PACKET_BYTES_MAX else None
        self.send(
            link,
            ErrorPacket(
                from_mud=self.name,
                to_mud=link.mud,
                to_user=user if isinstance(user, str) else "",
                code=code,
                message=message,
                packet=returned,
            ),
        )

    def close(self, link: Link) -> None:
        """Close a link after what was sent; nothing that comes on it counts any more."""
        link.is_over = True
        self.effects.append(Close(link.id))

    # --- keeping ----------------------------------------------------------------------------

    def keep_mud(self, name: str) -> None:
        """Keep what a mud is now."""
        versions = self.muds.versions
        self.effects.append(KeepMud(name, versions.last, versions.get(name)))

    def keep_channel(self, name: str) -> None:
        """Keep what a channel is now."""
        versions = self.channels.versions
        self.effects.append(KeepChannel(name, versions.last, versions.get(name)))
