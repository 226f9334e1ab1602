"""Between routers that are linked. Their rows are mappings by name of field, and are passed on as they are."""

from __future__ import annotations

from holdfast.apps.i3.packets._shape import Packet


class IrnStartupReq(Packet, tag="irn-startup-req", frozen=True, kw_only=True):
    """The first packet of a link; the mapping has ``client_password`` and ``server_password``."""

    passwords: dict[str, int]


class IrnMudlistDelta(Packet, tag="irn-mudlist-delta", frozen=True, kw_only=True):
    """Changes to the list of muds."""

    time: int
    muds: dict[str, object]


class IrnMudlistAltered(Packet, tag="irn-mudlist-altered", frozen=True, kw_only=True):
    """Changes to single fields of the list of muds."""

    time: int
    muds: dict[str, object]


class IrnChanlistDelta(Packet, tag="irn-chanlist-delta", frozen=True, kw_only=True):
    """Changes to the list of channels."""

    time: int
    channels: dict[str, object]


class IrnChanlistAltered(Packet, tag="irn-chanlist-altered", frozen=True, kw_only=True):
    """Changes to single fields of the list of channels."""

    time: int
    channels: dict[str, object]


class IrnMudlistReq(Packet, tag="irn-mudlist-req", frozen=True, kw_only=True):
    """Send the list of muds."""


class IrnChanlistReq(Packet, tag="irn-chanlist-req", frozen=True, kw_only=True):
    """Send the list of channels."""


class IrnData(Packet, tag="irn-data", frozen=True, kw_only=True):
    """A packet on its way through both routers."""

    packet: list[object]


class IrnPing(Packet, tag="irn-ping", frozen=True, kw_only=True):
    """A sign of life."""

    first: object = 0
    second: object = 0


class IrnShutdown(Packet, tag="irn-shutdown", frozen=True, kw_only=True):
    """The link ends."""
