"""The router's lists of muds and channels: deltas are applied to what is held, whatever their size. No I/O.

Theory. Ids are opaque and are kept with the list that they belong to. On another router the list begins anew without
being thrown away: what the new router does not name within a while is dropped. A mud is news when it came up or went
down; the first list of all is no news.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits
from holdfast.apps.i3.gateway.events import MudOffline, MudOnline
from holdfast.apps.i3.gateway.model import Channel, Mud
from holdfast.apps.i3.gateway.text import cleaned, folded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.apps.i3.gateway.events import Event
    from holdfast.apps.i3.packets import ChannelRow, MudRow

QUIET: Final = 15.0
"""Seconds after a startup in which a mud that was not known is no news: the list is still coming."""


class MudList:
    """The muds that a router told of.

    Args:
        own: the name of our mud; its row is kept and is no news.
        muds: as they were kept.
        router: whose list it is, empty when there is none.
        id_: of the list.
        forget_after: seconds after which another router has named all that it knows.
    """

    def __init__(
        self, own: str, muds: dict[str, Mud], *, router: str, id_: int, forget_after: float
    ) -> None:
        self._own = own
        self._forget_after = forget_after
        self._unnamed: set[str] = set()
        self._quiet_until = 0.0
        self._folded = {folded(name): name for name in muds}
        self.muds = muds
        self.router = router
        self.id = id_
        self.forget_at = float("inf")

    def begin(self, router: str, now: float) -> None:
        """A router let us in."""
        self._quiet_until = now + QUIET
        if router != self.router:
            self.router, self.id = router, 0
            self._unnamed = set(self.muds)
            self.forget_at = now + self._forget_after

    def find(self, name: str) -> Mud | None:
        """Look up a mud as people write it."""
        return self.muds.get(name) or self.muds.get(self._folded.get(folded(name), ""))

    def apply(
        self, id_: int, rows: Mapping[str, MudRow | None], now: float
    ) -> tuple[dict[str, Mud | None], list[Event]]:
        """Take a delta; return what is different now (None: gone), and the news."""
        self.id = id_
        changed: dict[str, Mud | None] = {}
        news: list[Event] = []
        for raw, row in rows.items():
            name = cleaned(raw)
            self._unnamed.discard(name)
            old = self.muds.get(name)
            new = None if row is None else _mud(name, row)
            if new == old or (old is None and len(self.muds) >= limits.MUDS_MAX):
                continue
            changed[name] = new
            self._put(name, new)
            news += self._news(name, old, new, now)
        return changed, news

    def forget(self, now: float) -> tuple[dict[str, Mud | None], list[Event]]:
        """Drop what the new router did not name, when it is time."""
        if now < self.forget_at:
            return {}, []
        self.forget_at = float("inf")
        gone: dict[str, Mud | None] = {}
        news: list[Event] = []
        for name in self._unnamed:
            old = self.muds[name]
            gone[name] = None
            self._put(name, None)
            news += self._news(name, old, None, now)
        self._unnamed.clear()
        return gone, news

    def _put(self, name: str, mud: Mud | None) -> None:
        if mud is not None:
            self.muds[name] = mud
            self._folded[folded(name)] = name
            return
        self.muds.pop(name, None)
        if self._folded.get(folded(name)) == name:
            del self._folded[folded(name)]

    def _news(self, name: str, old: Mud | None, new: Mud | None, now: float) -> list[Event]:
        was_up, is_up = old is not None and old.is_up, new is not None and new.is_up
        if was_up == is_up or name == self._own:
            return []
        if is_up:
            is_old_news = old is None and now < self._quiet_until
            return [] if is_old_news else [MudOnline(mud_name=name)]
        return [MudOffline(mud_name=name, returns_in=max(0, new.state) if new else 0)]


def _mud(name: str, row: MudRow) -> Mud:
    return Mud(
        name=name,
        state=row.state,
        host=cleaned(row.ip),
        player_port=row.player_port,
        tcp_port=row.oob_tcp_port,
        udp_port=row.oob_udp_port,
        mudlib=_short(row.mudlib),
        base_mudlib=_short(row.base_mudlib),
        driver=_short(row.driver),
        mud_type=_short(row.mud_type),
        open_status=_short(row.open_status),
        admin_email=_short(row.email),
        services=dict(list(row.services.items())[: limits.SERVICES_MAX]),
    )


def _short(text: str) -> str:
    return cleaned(text)[: limits.DESCRIPTION_LENGTH_MAX]


class ChannelList:
    """The channels that a router told of.

    Args:
        channels: as they were kept.
        router: whose list it is, empty when there is none.
        id_: of the list.
    """

    def __init__(self, channels: dict[str, Channel], *, router: str, id_: int) -> None:
        self.channels = channels
        self.router = router
        self.id = id_
        self.is_told = False

    def begin(self, router: str) -> None:
        """A router let us in."""
        self.is_told = False
        if router != self.router:
            self.router, self.id = router, 0

    def apply(self, id_: int, rows: Mapping[str, ChannelRow | None]) -> dict[str, Channel | None]:
        """Take a delta; return what is different now (None: gone)."""
        self.id, self.is_told = id_, True
        changed: dict[str, Channel | None] = {}
        for name, row in rows.items():
            old = self.channels.get(name)
            new = None if row is None else Channel(name=name, owner=row.host, type=row.kind)
            if new == old or (old is None and len(self.channels) >= limits.CHANNELS_MAX):
                continue
            changed[name] = new
            if new is None:
                del self.channels[name]
            else:
                self.channels[name] = new
        return changed
