"""What all packets have: a type, six fields of header, and fields that may say nothing.

A packet is a struct whose fields stand in the order of the wire, so that one call in C checks a list of values and
makes a struct of it. "Nothing" is 0 on the wire and the empty text here.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

OrNothing = Annotated[str, msgspec.Meta(extra={"or_nothing": True})]
"""A text; the empty one travels as 0, and 0 is read as the empty one."""

HEADER: Final = 6
"""Fields of the header, the type included."""

TTL: Final = 5
"""Hops that a packet may make; what everybody sends."""


class Packet(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """The header of every packet in band.

    Attributes:
        ttl: hops that are left.
        from_mud: who sends; a router's name begins with ``*``.
        from_user: in lower case; empty for the mud itself.
        to_mud: who is meant; empty for everybody.
        to_user: in lower case; empty for the mud itself.
    """

    ttl: int = TTL
    from_mud: str
    from_user: OrNothing = ""
    to_mud: OrNothing = ""
    to_user: OrNothing = ""

    @property
    def type(self) -> str:
        """The name on the wire, such as ``channel-m``."""
        return type_of(self.__class__)


class OobPacket(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A packet out of band: a type and no header."""

    @property
    def type(self) -> str:
        """The name on the wire, such as ``oob-begin``."""
        return type_of(self.__class__)


def type_of(kind: type[msgspec.Struct]) -> str:
    """Return the name of a packet on the wire."""
    tag = kind.__struct_config__.tag
    assert isinstance(tag, str), "every packet has a name"
    return tag
