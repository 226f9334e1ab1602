"""The decorator form that all policies have."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

P = ParamSpec("P")
T = TypeVar("T")


class Decorating:
    """A policy that is its own decorator, of functions and of coroutine functions alike."""

    __slots__ = ()

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ARG002
        """Call a function in the policy's way."""
        raise TypeError(f"{type(self).__name__} needs coroutines.")

    async def call_async(
        self,
        func: Callable[..., Awaitable[T]],  # noqa: ARG002
        *args: Any,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> T:
        """Await a coroutine function in the policy's way."""
        raise TypeError(f"{type(self).__name__} needs plain functions.")

    def __call__(self, func: Callable[P, T]) -> Callable[P, T]:
        """Decorate a function or a coroutine function."""
        if inspect.iscoroutinefunction(func):
            call_async = self.call_async

            @functools.wraps(func)
            async def guarded_async(*args: Any, **kwargs: Any) -> Any:
                return await call_async(func, *args, **kwargs)

            return cast("Callable[P, T]", guarded_async)
        call = self.call

        @functools.wraps(func)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            return call(func, *args, **kwargs)

        return guarded
