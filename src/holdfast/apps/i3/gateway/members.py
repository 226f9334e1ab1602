"""Who was heard on channels lately; the network itself does not say who listens. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits
from holdfast.apps.i3.gateway.events import UserJoinedChannel, UserLeftChannel
from holdfast.apps.i3.gateway.model import Member

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway.events import Event

SWEEP: Final = 60.0
"""Seconds between two looks for who fell silent."""


class Members:
    """Who speaks on each channel, the one heard last at the end."""

    def __init__(self) -> None:
        self._heard: dict[str, OrderedDict[tuple[str, str], tuple[float, str]]] = {}
        self.next_at = float("inf")

    def of(self, channel: str) -> list[Member]:
        """Return who was heard on a channel, the last one first."""
        heard = self._heard.get(channel, OrderedDict())
        return [
            Member(mud=mud, user=user, visname=heard[mud, user][1]) for mud, user in reversed(heard)
        ]

    def heard(self, channel: str, member: Member, now: float) -> list[Event]:
        """Somebody said something; return that this one joined, if so."""
        known = self._heard.setdefault(channel, OrderedDict())
        key = (member.mud, member.user)
        is_new = key not in known
        known[key] = (now, member.visname)
        known.move_to_end(key)
        self.next_at = min(self.next_at, now + SWEEP)
        news: list[Event] = []
        if is_new:
            news.append(
                UserJoinedChannel(
                    channel=channel,
                    mud_name=member.mud,
                    user_name=member.user,
                    visname=member.visname,
                )
            )
            if len(known) > limits.MEMBERS_MAX:
                news.append(self._left(channel, next(iter(known))))
        return news

    def left_with(self, mud: str) -> list[Event]:
        """A mud went down, and its players with it."""
        return [
            self._left(channel, key)
            for channel, known in self._heard.items()
            for key in [key for key in known if key[0] == mud]
        ]

    def forget(self, channel: str) -> None:
        """Nobody here listens any more."""
        self._heard.pop(channel, None)

    def silent(self, now: float) -> list[Event]:
        """Return who counts as gone by now."""
        if now < self.next_at:
            return []
        news: list[Event] = []
        for channel, known in self._heard.items():
            while known:
                key, (at, _) = next(iter(known.items()))
                if now < at + limits.MEMBER_SILENCE:
                    break
                news.append(self._left(channel, key))
        is_empty = not any(self._heard.values())
        self.next_at = float("inf") if is_empty else now + SWEEP
        return news

    def _left(self, channel: str, key: tuple[str, str]) -> Event:
        _, visname = self._heard[channel].pop(key)
        return UserLeftChannel(channel=channel, mud_name=key[0], user_name=key[1], visname=visname)
