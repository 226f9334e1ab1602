"""Out of band, from mud to mud: mail, files, news."""

from __future__ import annotations

from enum import IntEnum

import msgspec

from holdfast.apps.i3.packets._shape import OobPacket, OrNothing, Packet


class FileResult(IntEnum):
    """What became of a file."""

    DONE = 1
    FAILED = 0
    PATH = -1
    NOT_READABLE = -2
    NOT_WRITABLE = -3


class OobBegin(OobPacket, tag="oob-begin", frozen=True, kw_only=True):
    """The first packet of both sides.

    Attributes:
        mud: who speaks.
        auth: 0 without a token, 1 with one.
        token: from an ``AuthMudReply``.
    """

    mud: str
    auth: int
    token: int


class OobEnd(OobPacket, tag="oob-end", frozen=True, kw_only=True):
    """I have said everything; now you."""

    mud: str


class OobError(OobPacket, tag="oob-error", frozen=True, kw_only=True):
    """Something could not be done."""

    code: str
    message: OrNothing
    packet: list[object] | None = None


class Mail(OobPacket, tag="mail", frozen=True, kw_only=True):
    """A letter.

    Attributes:
        id: by which it is acknowledged.
        from_user: who writes.
        to: for each mud its users.
        cc: for each mud its users.
        bcc: users here whom the others do not see.
        time: seconds since 1970.
        subject: one line.
        body: many.
    """

    id: int | str
    from_user: str
    to: dict[str, tuple[str, ...]]
    cc: dict[str, tuple[str, ...]]
    bcc: tuple[str, ...]
    time: int
    subject: OrNothing
    body: OrNothing


class MailAck(OobPacket, tag="mail-ack", frozen=True, kw_only=True):
    """Letters came; for each id the users who could not be found."""

    failed: dict[int | str, tuple[str, ...]]


class FileListReq(OobPacket, tag="file-list-req", frozen=True, kw_only=True):
    """What is in that folder?"""

    mud: str
    user: str
    directory: OrNothing


class FileRow(msgspec.Struct, array_like=True, frozen=True):
    """A file in a folder: name, bytes (negative for a folder), seconds since 1970."""

    name: str
    size: int
    mtime: int


class FileListReply(OobPacket, tag="file-list-reply", frozen=True, kw_only=True):
    """This is."""

    user: str
    files: tuple[FileRow, ...]


class FilePut(OobPacket, tag="file-put", frozen=True, kw_only=True):
    """Keep that file."""

    id: int | str
    mud: str
    user: str
    name: str
    contents: OrNothing


class FilePutAck(OobPacket, tag="file-put-ack", frozen=True, kw_only=True):
    """Kept, or not; see ``FileResult``."""

    id: int | str
    result: int


class FileGetReq(OobPacket, tag="file-get-req", frozen=True, kw_only=True):
    """Give me that file."""

    id: int | str
    mud: str
    user: str
    name: str


class FileGetReply(OobPacket, tag="file-get-reply", frozen=True, kw_only=True):
    """Here it is, or not; see ``FileResult``."""

    id: int | str
    result: int
    contents: OrNothing


class NewsReadReq(Packet, tag="news-read-req", frozen=True, kw_only=True):
    """Give me that post; the only one here with a header. The answer is a ``NewsPost``."""

    group: str
    id: int


class NewsPost(msgspec.Struct, array_like=True, frozen=True):
    """A post: a bare array on the wire."""

    time: int
    thread: int
    subject: OrNothing
    poster: OrNothing
    text: OrNothing


class NewsPostReq(OobPacket, tag="news-post-req", frozen=True, kw_only=True):
    """Post that; the answer is its number, or an error."""

    mud: str
    port: int
    group: str
    thread: int
    subject: OrNothing
    poster: OrNothing
    text: OrNothing


class NewsGrplistReq(OobPacket, tag="news-grplist-req", frozen=True, kw_only=True):
    """Which groups are there? The answer is an array of ``NewsGroup``."""


class NewsGroup(msgspec.Struct, array_like=True, frozen=True):
    """A group of posts, with the numbers of its first and its last."""

    group: str
    first: int
    last: int
