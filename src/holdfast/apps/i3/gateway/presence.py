"""Who plays here, by the word of the mud, as long as that is current. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.apps.i3 import limits
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway.text import checked_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.apps.i3.gateway.model import Player


class Presence:
    """The players of one mud.

    Args:
        ttl: seconds that a list stays current.
    """

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._stale_at = float("-inf")
        self._players: dict[str, Player] = {}

    def told(self, players: Iterable[Player], now: float) -> int:
        """Take a list of all who are here; return how many.

        Raises:
            I3Error: 11004; a name is empty or not unique, or there are too many; nothing was changed.
        """
        found: dict[str, Player] = {}
        for player in players:
            name = checked_name(player.name, "player").lower()
            if name in found:
                raise I3Error(I3Code.NAME_INVALID, f"{player.name!r} is named twice.")
            if len(found) >= limits.PLAYERS_MAX:
                raise I3Error(I3Code.NAME_INVALID, f"More than {limits.PLAYERS_MAX} players.")
            found[name] = player
        self._players, self._stale_at = found, now + self._ttl
        return len(found)

    def players(self, now: float) -> dict[str, Player]:
        """Return who is here by lower-case name; empty when nobody said so lately."""
        return self._players if now < self._stale_at else {}

    def lacks(self, user: str, now: float) -> bool:
        """Say whether a user is known not to be here."""
        return now < self._stale_at and user not in self._players
