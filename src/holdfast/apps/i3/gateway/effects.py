"""What the gateway's machine wants done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.apps.i3.gateway.events import Event
from holdfast.apps.i3.gateway.pacing import Priority

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway.model import Channel, Mud
    from holdfast.apps.i3.gateway.unconfirmed import Handed
    from holdfast.apps.i3.packets import Packet, RouterRow


@dataclass(frozen=True, slots=True)
class Send:
    """Send a packet when it is its turn."""

    packet: Packet
    priority: Priority = Priority.ANSWER


@dataclass(frozen=True, slots=True)
class Replied:
    """The router we are on let us in, or sends us elsewhere."""

    rows: tuple[RouterRow, ...]
    password: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The router does not let us in."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class KeepMuds:
    """These muds are different now (None: gone); keep them with the id of the list, together."""

    changed: dict[str, Mud | None]


@dataclass(frozen=True, slots=True)
class KeepChannels:
    """These channels are different now, as above."""

    changed: dict[str, Channel | None]


@dataclass(frozen=True, slots=True)
class Leave:
    """The connection is of no use any more."""

    message: str


@dataclass(frozen=True, slots=True)
class WaitAgain:
    """The router says that this went nowhere, and it had waited before: let it wait again."""

    handed: Handed
    message: str


@dataclass(frozen=True, slots=True)
class Rest:
    """The router throws away what we send: send nothing for so many seconds."""

    seconds: float


Effect = Event | WaitAgain | Rest | Send | Replied | Refused | KeepMuds | KeepChannels | Leave
"""An event is told to all who listen."""
