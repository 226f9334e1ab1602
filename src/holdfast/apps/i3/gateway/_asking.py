"""Questions to other muds: one at a time is asked, its answer waited for, and a mud that is deaf is left in peace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway._sender import away
from holdfast.apps.i3.gateway.events import ErrorOccurred
from holdfast.apps.i3.gateway.pacing import Priority
from holdfast.apps.i3.gateway.requests import Kind, Request
from holdfast.errors import CircuitBreakerOpenError, NetworkError, NetworkTimeoutError
from holdfast.resilience import CircuitBreakerConfig, CircuitBreakerManager

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._sender import Sender
    from holdfast.apps.i3.packets import Packet

EVERYBODY: Final = "*"
LOCATE_LASTS: Final = 4
"""Times the time for an answer that answers of many muds are taken."""

BREAKER: Final = CircuitBreakerConfig(
    failure_threshold=5, timeout=60.0, expected_exception=(NetworkError,)
)


class Asking:
    """Asks, and waits.

    Args:
        desk: what all share.
        sender: the way out.

    Attributes:
        breakers: of the muds that were asked.
    """

    def __init__(self, desk: Desk, sender: Sender) -> None:
        self._desk = desk
        self._sender = sender
        self._requests = desk.machine.requests
        self._tasks: set[asyncio.Task[None]] = set()
        self.breakers = CircuitBreakerManager(BREAKER, breakers_max=limits.MUDS_MAX)

    async def stop(self) -> None:
        """Wait for no answers any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def ask(self, kind: Kind, mud: str, about: str, packet: Packet) -> None:
        """Ask, and return when the router was handed the question; an event brings the answer.

        Raises:
            I3Error: 11010, 11011 with ``retry_after``.
            CircuitBreakerOpenError: 3001; the mud has not answered for a while.
        """
        handed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.get_running_loop().create_task(
            self._see_to(kind, mud, about, packet, handed), name=f"holdfast-i3-{kind.value}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(handed)

    async def answer(self, kind: Kind, mud: str, about: str, packet: Packet) -> object:
        """Ask, and return the answer.

        Raises:
            I3Error: 11015 it did not come, or was a refusal; 11010, 11011.
            CircuitBreakerOpenError: 3001; as above.
        """
        handed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            return await self._under_breaker(kind, mud, about, packet, handed)
        except NetworkError as error:
            raise I3Error(I3Code.NO_REPLY, error.message, retry_after=30.0) from error

    async def _see_to(
        self, kind: Kind, mud: str, about: str, packet: Packet, handed: asyncio.Future[None]
    ) -> None:
        try:
            await self._under_breaker(kind, mud, about, packet, handed)
        except (I3Error, NetworkError, CircuitBreakerOpenError) as error:
            if not handed.done():
                handed.set_exception(error)
            elif self._is_news(error):
                self._desk.tell(
                    ErrorOccurred(
                        error="no-answer",
                        message=error.message,
                        to_user=packet.from_user,
                        packet_type=kind.value,
                        target_mud="" if mud == EVERYBODY else mud,
                    )
                )
        finally:
            if not handed.done():
                handed.cancel()

    @staticmethod
    def _is_news(error: Exception) -> bool:
        """An error that came as a packet has been told already."""
        return isinstance(error, NetworkTimeoutError) or (
            isinstance(error, I3Error) and error.code == I3Code.ROUTER_AWAY
        )

    async def _under_breaker(
        self, kind: Kind, mud: str, about: str, packet: Packet, handed: asyncio.Future[None]
    ) -> object:
        if mud == EVERYBODY:
            return await self._answered(kind, mud, about, packet, handed)
        return await self.breakers.get(mud).call_async(
            self._answered, kind, mud, about, packet, handed
        )

    async def _answered(
        self, kind: Kind, mud: str, about: str, packet: Packet, handed: asyncio.Future[None]
    ) -> object:
        reply: asyncio.Future[object] = asyncio.get_running_loop().create_future()

        def settle(answer: object) -> None:
            if reply.done():
                return
            if isinstance(answer, Exception):
                reply.set_exception(answer)
            else:
                reply.set_result(answer)

        request = Request(kind, mud, about, settle)
        self._requests.open(request)
        try:
            await self._hand(packet)
            if not handed.done():
                handed.set_result(None)
            return await self._in_time(kind, mud, reply)
        finally:
            self._requests.close(request)
            if reply.done() and not reply.cancelled():
                reply.exception()  # it may have come while nobody waited any more

    async def _hand(self, packet: Packet) -> None:
        settings, sender = self._desk.settings, self._sender
        if not self._desk.machine.is_ready:
            raise away(settings.retry_delay, "A question")
        parcel = sender.parcel(packet)
        if sender.hand_now(parcel) or await sender.in_turn(parcel, Priority.ANSWER):
            return
        raise away(settings.retry_delay, "A question")

    async def _in_time(self, kind: Kind, mud: str, reply: asyncio.Future[object]) -> object:
        patience = self._desk.settings.request_timeout
        if kind is Kind.LOCATE:
            await asyncio.wait({reply}, timeout=patience * LOCATE_LASTS)
            return reply.result() if reply.done() else None
        try:
            async with asyncio.timeout(patience):
                return await reply
        except TimeoutError as error:
            raise NetworkTimeoutError(
                f"{mud} has not answered a {kind.value} within {patience:g} s."
            ) from error
