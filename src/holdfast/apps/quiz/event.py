"""An event: a game, the people in it, and what was published of it last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.apps.quiz.machine import Game
    from holdfast.session import Timer


@dataclass(slots=True)
class Event:
    """One event with what is known of its people and what was published of it."""

    id: str
    code: str
    author: bytes
    host_key: bytes
    title: str
    created_ms: int
    game: Game
    seat_keys: dict[bytes, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    hosts: set[str] = field(default_factory=set)
    host_state: str = "disconnected"
    shown: dict[str, object] = field(default_factory=dict)
    shown_own: dict[str, dict[str, object]] = field(default_factory=dict)
    shown_roster: dict[str, object] = field(default_factory=dict)
    touched: dict[str, None] = field(default_factory=dict)
    clock: Timer | None = None
    counting: Timer | None = None
    alive: Timer | None = None

    @property
    def channel(self) -> str:
        """The stage, the same for all."""
        return f"quiz/{self.id}"

    @property
    def host_channel(self) -> str:
        """The roster, for the host."""
        return f"quiz/{self.id}/host"
