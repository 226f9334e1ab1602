"""The way past the router: a token through it, then a connection from mud to mud. One at a time for each mud.

A mud remembers the last token that it gave, so two questions at once would take each other's way.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway._sender import away
from holdfast.apps.i3.gateway.oob import OobClient
from holdfast.apps.i3.gateway.pacing import Priority
from holdfast.apps.i3.gateway.requests import Kind
from holdfast.resilience import RateLimitConfig, RateLimiter

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway._asking import Asking
    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._sender import Sender
    from holdfast.apps.i3.gateway.model import Mud
    from holdfast.apps.i3.gateway.oob.client import Reply
    from holdfast.apps.i3.packets import OobPacket, Packet

ANNOUNCED_BEFORE: Final = 2.0
"""Seconds that a mud without tokens has to hear that we come."""


class Past:
    """Asks muds out of band.

    Args:
        desk: what all share.
        sender: the way to the router.
        asking: for tokens.
    """

    def __init__(self, desk: Desk, sender: Sender, asking: Asking) -> None:
        self._desk = desk
        self._sender = sender
        self._asking = asking
        self._rate = RateLimiter(
            RateLimitConfig(
                limits.OOB_ASKED_BURST,
                limits.OOB_ASKED_BURST / limits.OOB_ASKED_RATE,
                limits.OOB_ASKED_BURST,
            ),
            keys_max=limits.MUDS_MAX,
            name="questions out of band",
        )
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def ask(self, mud: Mud, request: OobPacket | Packet, what: str) -> Reply:
        """Ask a mud, and return its answer.

        Args:
            mud: that is asked.
            request: the question.
            what: that is, for an error.

        Raises:
            I3Error: 11041 it could not be reached, or refused (``fault``); 11022 it has no port; 11010, 11011, 11015.
            CircuitBreakerOpenError: 3001; it has not answered for a while.
        """
        if not mud.tcp_port:
            raise I3Error(I3Code.SERVICE_MISSING, f"{mud.name} has no out-of-band port.")
        own, settings = self._desk.settings.mud_name, self._desk.settings
        turn = self._turns.setdefault(mud.name, asyncio.Lock())
        async with turn:
            if wait := self._rate.check(mud.name, now=self._desk.now()):
                await asyncio.sleep(wait)  # it answers so many and no more
                self._rate.check(mud.name, now=self._desk.now())
            token = await self._token(mud, own, what)
            client = OobClient(own, mud.name, mud.host, mud.tcp_port, token)
            return await client.ask(request, settings.request_timeout)

    async def _token(self, mud: Mud, own: str, what: str) -> int | None:
        if "auth" in mud.services:
            wanted = packets.AuthMudReq(from_mud=own, to_mud=mud.name)
            given = await self._asking.answer(Kind.AUTH, mud.name, "", wanted)
            assert isinstance(given, int), "it is a token"
            return given
        if not self._desk.machine.is_ready:
            raise away(self._desk.settings.retry_delay, what)
        self._sender.send(packets.OobReq(from_mud=own, to_mud=mud.name), Priority.ANSWER)
        await asyncio.sleep(ANNOUNCED_BEFORE)
        return None


def unfit(mud: Mud) -> I3Error:
    """Say that a mud answered something else."""
    return I3Error(I3Code.OOB_FAILED, f"{mud.name} answered with something else.", fault="")
