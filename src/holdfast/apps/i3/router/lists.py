"""The lists of muds and channels on their way: all at the startup, then what has changed, collected for a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.apps.i3 import limits
from holdfast.apps.i3.packets import TTL
from holdfast.apps.i3.router.effects import Send
from holdfast.apps.i3.router.muds import TODAY, mapping, write_old
from holdfast.apps.i3.router.versions import pages

if TYPE_CHECKING:
    from holdfast.apps.i3.lpc import Written
    from holdfast.apps.i3.router.network import Link, Network


class Lists:
    """Tells links what they have not been told.

    Attributes:
        due: seconds when all are told what has changed, None while nothing has.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self.due: float | None = None

    def changed(self, now: float) -> None:
        """A list has changed: all are told soon."""
        if self.due is None:
            self.due = now + self._network.settings.list_delay

    def flush(self) -> None:
        """Tell all what has changed; what goes to many is written once."""
        self.due = None
        muds: dict[tuple[int, int], list[tuple[int, Written]]] = {}
        channels: dict[int, list[tuple[int, Written]]] = {}
        for link in self._network.up.values():
            key = (link.mudlist, link.version)
            if key not in muds:
                muds[key] = self._mud_pages(*key)
            self._send_muds(link, muds[key])
            if "channel" in link.services:
                if link.chanlist not in channels:
                    channels[link.chanlist] = self._channel_pages(link.chanlist)
                self._send_channels(link, channels[link.chanlist])

    def tell_muds(self, link: Link, held: int) -> None:
        """Send a link the list of muds, as far as it has changed since the one that it holds."""
        self._send_muds(link, self._mud_pages(held, link.version))

    def tell_channels(self, link: Link, held: int) -> None:
        """Send a link the list of channels, likewise."""
        self._send_channels(link, self._channel_pages(held))

    def _mud_pages(self, held: int, version: int) -> list[tuple[int, Written]]:
        changes = self._network.muds.versions.since(held)
        return [
            (
                page[-1].number,
                mapping(
                    change.written if version >= TODAY else write_old(change, version)
                    for change in page
                ),
            )
            for page in pages(changes, limits.ROUTER_LIST_BYTES_MAX)
        ]

    def _channel_pages(self, held: int) -> list[tuple[int, Written]]:
        changes = self._network.channels.versions.since(held)
        return [
            (page[-1].number, mapping(change.written for change in page))
            for page in pages(changes, limits.ROUTER_LIST_BYTES_MAX)
        ]

    def _send_muds(self, link: Link, found: list[tuple[int, Written]]) -> None:
        for number, written in found:
            self._send(link, "mudlist", number, written)
        link.mudlist = self._network.muds.versions.last

    def _send_channels(self, link: Link, found: list[tuple[int, Written]]) -> None:
        for number, written in found:
            self._send(link, "chanlist-reply", number, written)
        link.chanlist = self._network.channels.versions.last

    def _send(self, link: Link, kind: str, number: int, written: Written) -> None:
        value = [kind, TTL, self._network.name, 0, link.mud, 0, number, written]
        self._network.effects.append(Send((link.id,), value))
