"""From values to packets and back: the table of all types.

::

    read(["tell", 5, "Harbour", "ann", "Old Keep", "bo", "Ann", "hi"])
    write(Tell(from_mud="Harbour", from_user="ann", to_mud="Old Keep", to_user="bo", visname="Ann", text="hi"))

More elements than a packet has are passed over, fewer are an error, as the protocol has it.
"""

from __future__ import annotations

from typing import Final, NamedTuple, get_type_hints

import msgspec

from holdfast.apps.i3.errors import Fault, PacketError
from holdfast.apps.i3.packets import _mending, asking, between, channel, oob, session, talk
from holdfast.apps.i3.packets._shape import HEADER, OobPacket, OrNothing, Packet, type_of

_SHOWN: Final = 40
_PLACE_OF_EMAIL: Final = 17
_LENGTH_3: Final = 20


class _Shape(NamedTuple):
    """How the values of a type become a packet.

    Attributes:
        kind: the struct.
        texts: places where 0 is the empty text, and the empty text is written as 0.
        nothings: places where 0 is None.
        rows: places of mappings in which 0 is None.
        mends: places with what mends them.
    """

    kind: type[Packet | OobPacket]
    texts: tuple[int, ...]
    nothings: tuple[int, ...]
    rows: tuple[int, ...]
    mends: tuple[tuple[int, _mending.Mend], ...]


def _shape(kind: type[Packet | OobPacket]) -> _Shape:
    hints = get_type_hints(kind, include_extras=True)
    fields = [(at, hints[name]) for at, name in enumerate(kind.__struct_fields__, start=1)]
    first = HEADER if issubclass(kind, Packet) else 1  # a header is not mended
    rows = (
        dict[str, session.MudRow | None],
        dict[str, channel.ChannelRow | None],
    )
    return _Shape(
        kind,
        tuple(at for at, hint in fields if hint == OrNothing),
        tuple(at for at, hint in fields if hint == list[object] | None),
        tuple(at for at, hint in fields if hint in rows),
        tuple(
            (at, _mending.BY_KIND[hint])
            for at, hint in fields
            if at >= first and hint in _mending.BY_KIND
        ),
    )


PACKETS: Final[tuple[type[Packet], ...]] = (
    talk.Tell,
    talk.EmoteTo,
    talk.Beep,
    asking.WhoReq,
    asking.WhoReply,
    asking.FingerReq,
    asking.FingerReply,
    asking.LocateReq,
    asking.LocateReply,
    asking.ChanUserReq,
    asking.ChanUserReply,
    asking.UcacheUpdate,
    asking.AuthMudReq,
    asking.AuthMudReply,
    asking.OobReq,
    asking.PingReq,
    asking.PingReply,
    channel.ChannelMessage,
    channel.ChannelEmote,
    channel.ChannelTarget,
    channel.ChannelListen,
    channel.ChannelAdd,
    channel.ChannelRemove,
    channel.ChannelAdmin,
    channel.ChanFilterReq,
    channel.ChanFilterReply,
    channel.ChanWhoReq,
    channel.ChanWhoReply,
    channel.ChanlistReq,
    channel.ChanlistReply,
    channel.ChanAck,
    channel.ChanAdminlist,
    channel.ChanAdminlistReply,
    session.StartupReq1,
    session.StartupReq2,
    session.StartupReq3,
    session.StartupReply,
    session.Mudlist,
    session.Shutdown,
    session.RouterShutdown,
    session.ErrorPacket,
    between.IrnStartupReq,
    between.IrnMudlistDelta,
    between.IrnMudlistAltered,
    between.IrnChanlistDelta,
    between.IrnChanlistAltered,
    between.IrnMudlistReq,
    between.IrnChanlistReq,
    between.IrnData,
    between.IrnPing,
    between.IrnShutdown,
    oob.NewsReadReq,
)
"""All types with a header."""

OOB_PACKETS: Final[tuple[type[OobPacket], ...]] = (
    oob.OobBegin,
    oob.OobEnd,
    oob.OobError,
    oob.Mail,
    oob.MailAck,
    oob.FileListReq,
    oob.FileListReply,
    oob.FilePut,
    oob.FilePutAck,
    oob.FileGetReq,
    oob.FileGetReply,
    oob.NewsPostReq,
    oob.NewsGrplistReq,
)
"""All types without."""

_IN_BAND: Final = {type_of(kind): _shape(kind) for kind in PACKETS}
_OUT_OF_BAND: Final = {type_of(kind): _shape(kind) for kind in OOB_PACKETS}
_BY_KIND: Final = {
    shape.kind: shape for table in (_IN_BAND, _OUT_OF_BAND) for shape in table.values()
}


def read(value: object) -> Packet:
    """Make a packet of a value that came.

    Raises:
        PacketError: 11001 it has not the shape of its type, or no header; 11002 there is no such type.
    """
    if type(value) is not list or len(value) < HEADER or type(value[0]) is not str:
        raise PacketError("What came is no packet: it has no header of six fields.")
    if value[0] in _OLD:
        value = _old_startup(value)
    packet = _read(_IN_BAND.get(str(value[0])), value)
    assert isinstance(packet, Packet)
    return packet


def read_oob(value: object) -> OobPacket | Packet:
    """Make a packet of a value that came out of band; ``news-read-req`` and ``error`` have a header there too.

    Raises:
        PacketError: as above.
    """
    if type(value) is not list or not value or type(value[0]) is not str:
        raise PacketError("What came is no packet: it has no type.")
    shape = _OUT_OF_BAND.get(value[0])
    return read(value) if shape is None else _read(shape, value)


def write(packet: Packet | OobPacket) -> list[object]:
    """Make the value of a packet."""
    value: list[object] = msgspec.to_builtins(packet)
    for at in _BY_KIND[packet.__class__].texts:
        if not value[at]:
            value[at] = 0
    return value


def _read(shape: _Shape | None, value: list[object]) -> Packet | OobPacket:
    if shape is None:
        raise PacketError(
            f"There is no packet of type {str(value[0])[:_SHOWN]!r}.", fault=Fault.UNKNOWN_TYPE
        )
    fields = value.copy()
    _say_nothing(shape, fields)
    try:
        return msgspec.convert(fields, shape.kind)
    except msgspec.ValidationError:
        pass  # not quite; perhaps it can be understood
    for at, mend in shape.mends:
        if at < len(fields):
            fields[at] = mend(fields[at])
    try:
        return msgspec.convert(fields, shape.kind)
    except msgspec.ValidationError as error:
        raise PacketError(f"A {value[0]} cannot be read: {error}.") from error


def _say_nothing(shape: _Shape, fields: list[object]) -> None:
    """Put what is meant where 0 stands for nothing."""
    length = len(fields)
    for at in shape.texts:
        if at < length and fields[at] == 0:
            fields[at] = ""
    for at in shape.nothings:
        if at < length and fields[at] == 0:
            fields[at] = None
    for at in shape.rows:
        rows = fields[at] if at < length else None
        if isinstance(rows, dict):
            fields[at] = {name: row or None for name, row in rows.items()}


_OLD: Final = frozenset({"startup-req-1", "startup-req-2"})


def _old_startup(value: list[object]) -> list[object]:
    """Bring an older startup into one form: some have 20 elements and are of today, some have an e-mail at 17."""
    if len(value) >= _LENGTH_3:
        return ["startup-req-3", *value[1:]]
    if len(value) > _PLACE_OF_EMAIL + 1 and not isinstance(value[_PLACE_OF_EMAIL], dict):
        return [*value[:_PLACE_OF_EMAIL], value[_PLACE_OF_EMAIL + 1]]
    return value
