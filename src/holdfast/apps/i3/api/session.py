"""One client of the API: who it is, what it was sent, what of its calls is being done."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

from holdfast.apps.i3 import limits
from holdfast.apps.i3.api.methods import Permission
from holdfast.resilience import TokenBucket

if TYPE_CHECKING:
    from holdfast.apps.i3.api.events import Entry
    from holdfast.apps.i3.api.keys import Account
    from holdfast.apps.i3.api.methods import Method
    from holdfast.apps.i3.api.rpc import Call
    from holdfast.session import Packet


class ApiLink(Protocol):
    """A transport as the API sees it."""

    def send(self, packet: Packet) -> None:
        """Send a message with what else is owed in this loop turn; harmless when it is closed."""

    def proved(self) -> None:
        """Take note that the client has said who it is."""

    @property
    def is_slow(self) -> bool:
        """Whether so much waits for the client that it should read first."""

    async def room(self) -> None:
        """Wait until the client has read, or is gone."""

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, then close; harmless when it is closed."""


class ApiSession:
    """One connection of a client.

    Args:
        id: told to the client.
        link: its transport.
        remote: its address.
        now: monotonic seconds.

    Attributes:
        account: whose it is; None until it has said so.
        position: number of the last event that it was sent, or that it need not be sent.
        is_live: whether it has been sent all there is, and gets what comes at once.
        is_expired: whether its key was revoked; what it still asks for while the connection closes is refused.
        messages: calls that are done one after the other, in the order in which they came.
        pending: calls that are being done.
        refused: messages in a row that were none.
    """

    def __init__(self, id: str, link: ApiLink, remote: str, now: float) -> None:  # noqa: A002 - the word of the field
        self.id = id
        self.link = link
        self.remote = remote
        self.opened_at = now
        self.account: Account | None = None
        self.position = 0
        self.is_live = False
        self.is_open = True
        self.is_expired = False
        self.messages: deque[tuple[Method, Call, object]] = deque()
        self.work = asyncio.Event()
        self.pending = 0
        self.refused = 0
        self.warned_at = float("-inf")
        self._readings = 0
        self._bytes = TokenBucket(limits.API_BYTE_RATE, limits.API_BYTE_BURST)

    def send(self, packet: Packet) -> None:
        """Send a message, if anybody is there."""
        if self.is_open:
            self.link.send(packet)

    def takes(self, size: int, now: float) -> float:
        """Return 0.0 when a message of that size may come, else the seconds until it may."""
        return self._bytes.take(now, size)

    def begin_reading(self) -> int:
        """Say that the client is read to from the log from now on; whoever did so before has to end."""
        self._readings += 1
        return self._readings

    def is_reading(self, number: int) -> bool:
        """Whether whoever began with that number is to go on."""
        return (
            self.is_open and not self.is_live and not self.is_expired and number == self._readings
        )

    def offer(self, entry: Entry) -> bool:
        """Send an event, if everything before it was sent.

        Returns:
            False when the client has to read first; it gets this and what follows from the log then.
        """
        if not self.is_live:
            return True  # it is being read to from the log already
        if self.link.is_slow:
            self.is_live = False
            return False
        self.give(entry)
        return True

    def give(self, entry: Entry) -> None:
        """Send an event."""
        account = self.account
        assert account is not None, "events are for those who are known"
        if entry.permission is Permission.NOBODY or account.sees(entry.permission):
            self.link.send(entry.packet)
        self.position = entry.id
        account.sent = max(account.sent, entry.id)
