"""Requests that wait for their answers, over one connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.errors import (
    CryptoError,
    DeliveryError,
    DeliveryRefusedError,
    ErrorCode,
    LocalProtocolError,
    MailboxFullError,
    MailboxUnknownError,
    NetworkError,
    OutboxFullError,
    RateLimitError,
    ResilienceError,
    StorageError,
)
from holdfast.mailbox.wire import readable

if TYPE_CHECKING:
    from holdfast.mailbox.wire import Done, Refused, Welcome
    from holdfast.world import World

NUMBER_MAX: Final = 2**32 - 1

_CLASSES: Final[dict[int, type[ResilienceError]]] = {
    ErrorCode.MAILBOX_UNKNOWN: MailboxUnknownError,
    ErrorCode.MAILBOX_FULL: MailboxFullError,
    ErrorCode.GATEWAY_FULL: MailboxFullError,
    ErrorCode.MAILBOX_PROOF_REJECTED: DeliveryRefusedError,
    ErrorCode.DEPOSIT_REFUSED: DeliveryRefusedError,
    ErrorCode.RATE_LIMIT_EXCEEDED: RateLimitError,
    ErrorCode.SERVER_OVERLOADED: RateLimitError,
    ErrorCode.STORAGE_UNAVAILABLE: StorageError,
    ErrorCode.CRYPTO_FAILED: CryptoError,
    ErrorCode.UNEXPECTED_FRAME: LocalProtocolError,
    ErrorCode.MALFORMED_FRAME: LocalProtocolError,
}


class Calls:
    """The requests of one connection after the other, in numbers that do not come again.

    So an answer that is late finds nobody. Each connection begins at a number of its own: one that went on where
    another one ended would tell the gateway that both are the same client's.

    Args:
        world: secrets.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._last = self._anywhere()
        self._waiting: dict[int, asyncio.Future[Done | Welcome]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self) -> tuple[int, asyncio.Future[Done | Welcome]]:
        """Return a number and what its answer will be.

        Raises:
            OutboxFullError: 5101; too many wait already.
        """
        if len(self._waiting) >= limits.MAILBOX_CALLS_MAX:
            raise OutboxFullError(
                f"{len(self._waiting)} requests wait for this gateway already.", retry_after=1.0
            )
        self._last = self._last % NUMBER_MAX + 1
        answer: asyncio.Future[Done | Welcome] = asyncio.get_running_loop().create_future()
        self._waiting[self._last] = answer
        return self._last, answer

    def end(self, number: int) -> None:
        """Wait no more; harmless when it was answered."""
        self._waiting.pop(number, None)

    def answered(self, answer: Done | Welcome) -> None:
        """Hand an answer to whom it is for."""
        waiting = self._waiting.pop(answer.n, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def refused(self, answer: Refused) -> None:
        """Likewise, as the error that it is."""
        waiting = self._waiting.pop(answer.n, None)
        if waiting is not None and not waiting.done():
            waiting.set_exception(error_of(answer))

    def lost(self, reason: str) -> None:
        """The connection is gone: nobody knows what became of these."""
        waiting, self._waiting = self._waiting, {}
        self._last = self._anywhere()
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(
                    NetworkError(
                        f"The connection to the gateway broke before it answered: {reason}. "
                        "The same request can be made again."
                    )
                )
                answer.exception()  # whoever asked may have gone meanwhile

    def _anywhere(self) -> int:
        return int.from_bytes(self._world.secret_bytes(4)) % NUMBER_MAX


def error_of(answer: Refused) -> ResilienceError:
    """Make the error that a refusal means."""
    kind = _CLASSES.get(answer.code, DeliveryError)
    code = ErrorCode(answer.code) if answer.code in set(ErrorCode) else ErrorCode.DELIVERY_FAILED
    retry_after = min(answer.retry_ms / 1000, limits.MAILBOX_RETRY_MAX) or None
    return kind(readable(answer.text), code=code, retry_after=retry_after)
