"""Fallback: what to answer when the real answer cannot be had."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.resilience._decorating import Decorating
from holdfast.resilience.events import emit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Fallback(Decorating):
    """Answers in the place of a failed call.

    Args:
        value: what to answer.
        handler: called with the error for an answer, in the place of ``value``; a coroutine function for
            coroutines.
        on: errors that it stands in for.
        name: in events.
    """

    def __init__(
        self,
        value: Any = None,
        *,
        handler: Callable[[Exception], Any] | None = None,
        on: type[Exception] | tuple[type[Exception], ...] = Exception,
        name: str = "fallback",
    ) -> None:
        self.value = value
        self.handler = handler
        self.on = on
        self.name = name

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a function, or answer for it."""
        try:
            return func(*args, **kwargs)
        except self.on as error:
            return self._answer(error)  # type: ignore[no-any-return]

    async def call_async(self, func: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Await a coroutine function, or answer for it."""
        try:
            return await func(*args, **kwargs)
        except self.on as error:
            answer = self._answer(error)
            if inspect.isawaitable(answer):
                return await answer  # type: ignore[no-any-return]
            return answer  # type: ignore[no-any-return]

    def _answer(self, error: Exception) -> Any:
        emit("fallback", self.name, "used", error=repr(error))
        return self.value if self.handler is None else self.handler(error)
