"""What is a name of a mud or a channel, and what is made of words that a mud says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.apps.i3 import limits
from holdfast.apps.i3.lpc import LpcError, encode
from holdfast.apps.i3.packets import MudRow, Startup, StartupReq3

if TYPE_CHECKING:
    from holdfast.apps.i3.packets import StartupReq1, StartupReq2

PORT_MAX: Final = 65535
UP: Final = -1


def is_name(text: str) -> bool:
    """Say whether a text may name a mud, or a channel: visible, not too long, no blanks at its ends."""
    return (
        0 < len(text) <= limits.NAME_LENGTH_MAX
        and text.isprintable()
        and text == text.strip()
        and not text.startswith("*")
    )


def row_of(startup: StartupReq1 | StartupReq2 | StartupReq3, ip: str) -> MudRow:
    """Make the row of a mud that has come up, with bounds for what everybody will be sent."""
    email, other = (startup.email, startup.other) if isinstance(startup, StartupReq3) else ("", 0)
    return MudRow(
        UP,
        ip,
        _port(startup.player_port),
        _port(startup.oob_tcp_port),
        _port(startup.oob_udp_port),
        _line(startup.mudlib),
        _line(startup.base_mudlib),
        _line(startup.driver),
        _line(startup.mud_type),
        _line(startup.open_status),
        _line(email),
        _services(startup.services),
        _other(other),
    )


def with_state(row: MudRow, state: int) -> MudRow:
    """Return the row in another state."""
    return msgspec.structs.replace(row, state=state)


def version_of(startup: Startup) -> int:
    """Return which of the three versions a mud speaks."""
    return int(startup.type[-1])


def _port(number: int) -> int:
    return number if 0 <= number <= PORT_MAX else 0


def _line(text: str) -> str:
    """Make one line of visible characters of a text."""
    shown = "".join(each if each.isprintable() else " " for each in text)
    return shown[: limits.DESCRIPTION_LENGTH_MAX].strip()


def _services(services: dict[str, int]) -> dict[str, int]:
    named = [(name, value) for name, value in services.items() if is_name(name)]
    return dict(named[: limits.SERVICES_MAX])


def _other(other: object) -> object:
    """Keep other data, a mapping, if it is small and can be passed on as deep as it stands in a list."""
    if not isinstance(other, dict):
        return 0
    try:
        size = len(encode([[[other]]]))  # a packet, its mapping, a row
    except LpcError:
        return 0  # it has something in it that cannot be sent
    return other if size <= limits.OTHER_DATA_BYTES_MAX else 0
