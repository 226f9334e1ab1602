"""The block form of retry: iterate over attempts, each a context manager that swallows what is retried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.resilience import _ambient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType
    from typing import Self

    from holdfast.resilience.retry import RetryPolicy


class Attempt:
    """One attempt; its block ends well, or there is another one, or the error is raised."""

    def __init__(self, attempts: Attempts, number: int) -> None:
        self._attempts = attempts
        self.number = number

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        return self._attempts._ended(error)


class Attempts:
    """The attempts of one block; use each in a ``with``."""

    def __init__(self, policy: RetryPolicy, operation: str) -> None:
        self._policy = policy
        self._operation = operation
        self._delay: float | None = 0.0

    def _begin(self) -> None:
        self._state = self._policy.begin(self._policy.statistics(self._operation))

    def _ended(self, error: BaseException | None) -> bool:
        if error is None:
            next(self._state.statistics._calls)
            self._delay = None
            return False
        if not isinstance(error, Exception):
            return False
        self._delay = self._policy.next_delay(self._state, error, self._operation)
        return True

    def __iter__(self) -> Iterator[Attempt]:
        self._begin()
        while self._delay is not None:
            if self._delay:
                _ambient.sleep(self._delay)
            self._delay = None  # a block that is left by break or return is over
            yield Attempt(self, self._state.number)

    async def __aiter__(self) -> AsyncIterator[Attempt]:
        self._begin()
        while self._delay is not None:
            if self._delay:
                await _ambient.sleep_async(self._delay)
            self._delay = None
            yield Attempt(self, self._state.number)
