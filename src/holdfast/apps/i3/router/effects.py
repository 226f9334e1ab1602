"""What the machine of a router wants done, in the order in which it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from holdfast.apps.i3.router.channels import Channel
    from holdfast.apps.i3.router.muds import Mud


class Send(NamedTuple):
    """Send one value to some links."""

    links: tuple[int, ...]
    value: list[object]


class SendWritten(NamedTuple):
    """The same, written already as the body of a frame."""

    links: tuple[int, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close a link, after what was sent on it."""

    link: int


@dataclass(frozen=True, slots=True)
class Admit:
    """A link has said who it is: it may stay."""

    link: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Read nothing from a link for some seconds."""

    link: int
    seconds: float


@dataclass(frozen=True, slots=True)
class KeepMud:
    """Keep what a mud is, None when it is gone; everything that follows in the same list waits for it."""

    name: str
    number: int
    mud: Mud | None


@dataclass(frozen=True, slots=True)
class KeepChannel:
    """Keep what a channel is, None when it is gone; likewise."""

    name: str
    number: int
    channel: Channel | None


Effect = Send | SendWritten | Close | Admit | Pause | KeepMud | KeepChannel
