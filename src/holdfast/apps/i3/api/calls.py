"""Judges the calls of clients, and has them done.

Theory. Before anything is done for a call it is asked: is there such a method, is its client known, may it, how often,
are its params right. Messages of one client are done one after the other, so that they leave in the order in which
they came, and also when the client has gone meanwhile; questions are done side by side; the rest at once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits
from holdfast.apps.i3.api import results, rpc
from holdfast.apps.i3.api.handlers import translated
from holdfast.apps.i3.api.methods import METHODS
from holdfast.apps.i3.api.rpc import RpcCode, RpcError
from holdfast.apps.i3.gateway.events import RateLimitWarning
from holdfast.errors import ResilienceError
from holdfast.session import Packet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from holdfast.apps.i3.api.handlers import Handlers
    from holdfast.apps.i3.api.keys import Account
    from holdfast.apps.i3.api.methods import Method
    from holdfast.apps.i3.api.session import ApiSession

    AtOnce = Callable[[ApiSession, object], object]

log = logging.getLogger("holdfast.i3")

STRANGERS: Final = frozenset({"authenticate", "ping", "heartbeat", "rpc.discover"})
"""Methods for those who have not said yet who they are."""

WARN_EVERY: Final = 10.0
"""Seconds between two warnings that a client comes near its limit."""


class Calls:
    """Does what clients ask for.

    Args:
        handlers: of the methods that go to the gateway.
        at_once: those of the API itself, with the session and the params.
        source: of warnings.

    Attributes:
        done: how many were answered, by method.
        failed: how many were answered with an error, by code.
    """

    def __init__(self, handlers: Handlers, at_once: dict[str, AtOnce], source: str) -> None:
        self._handlers = handlers
        self._at_once = at_once
        self._source = source
        self._tasks: set[asyncio.Task[None]] = set()
        self.done: dict[str, int] = {}
        self.failed: dict[str, int] = {}

    async def close(self) -> None:
        """End what is being done."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def take(self, session: ApiSession, call: rpc.Call, now: float) -> None:
        """Judge a call and do it, or have it done; it is answered in any case."""
        try:
            self._begin(session, call, now)
        except Exception as error:  # noqa: BLE001 - it is the answer
            self._fail(session, call, error)

    def spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        """Have something done until ``close``."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- judging ----------------------------------------------------------------------------

    def _begin(self, session: ApiSession, call: rpc.Call, now: float) -> None:
        method = METHODS.get(call.method)
        account = session.account
        if method is None:
            raise RpcError(RpcCode.METHOD_NOT_FOUND, f"There is no method {call.method[:100]!r}.")
        if session.is_expired:
            raise RpcError(RpcCode.SESSION_EXPIRED, "The key of this session was revoked.")
        if account is not None:
            self._check(session, account, method, now)
        elif method.name not in STRANGERS:
            raise RpcError(RpcCode.NOT_AUTHENTICATED, "Say who you are first: authenticate.")
        params = method.reader.read(call.params)
        if method.name in self._handlers.messages:
            assert account is not None, "strangers send nothing"
            known = account.answers.get((method.name, params.resend)) if params.resend else None
            if known is not None:
                self._answer(session, call, known)
                return
            self._queue(session)
            session.messages.append((method, call, params))
            session.work.set()
        elif method.name in self._handlers.questions:
            self._queue(session)
            work = self._handlers.questions[method.name](params)
            self.spawn(self._question(session, call, work), f"i3-{method.name}")
        elif method.name in self._handlers.at_once:
            self._answer(session, call, self._handlers.at_once[method.name](params))
        else:
            self._answer(session, call, self._at_once[method.name](session, params))

    def _check(self, session: ApiSession, account: Account, method: Method, now: float) -> None:
        if not account.may(method):
            wanted = method.permission.value
            text = f"This key may not use {method.name}: it lacks the permission {wanted!r}."
            raise RpcError(RpcCode.PERMISSION_DENIED, text, {"permission": wanted})
        wait, is_near = account.take(method, now)
        if is_near and now - session.warned_at >= WARN_EVERY:
            session.warned_at = now
            text = f"{method.name} is called nearly as often as this key may."
            warning = RateLimitWarning(source=self._source, message=text, queued=0)
            session.send(Packet(rpc.notification(RateLimitWarning.method, warning)))
        if wait > 0:
            raise too_fast(f"Too many calls of {method.name}.", wait, method.name)

    def _queue(self, session: ApiSession) -> None:
        if session.pending >= limits.API_CALLS_PENDING_MAX:
            raise too_fast(f"{session.pending} calls are being done already.", 1.0)
        session.pending += 1

    # --- doing ------------------------------------------------------------------------------

    async def messages_of(self, session: ApiSession) -> None:
        """Send what a client wants sent, in its order, until it is gone and all is done."""
        while session.is_open or session.messages:
            if not session.messages:
                session.work.clear()
                await session.work.wait()
                continue
            method, call, params = session.messages.popleft()
            try:
                sent = await self._handlers.messages[method.name](params)
                answer = (
                    sent
                    if isinstance(sent, results.MailSent)
                    else results.MessageSent("queued" if sent.is_queued else "sent", sent.id)
                )
                resend = getattr(params, "resend", "")
                if resend and session.account is not None:
                    session.account.remember(method.name, resend, answer)
                self._answer(session, call, answer)
            except Exception as error:  # noqa: BLE001 - it is the answer
                self._fail(session, call, error)
            finally:
                session.pending -= 1

    async def _question(self, session: ApiSession, call: rpc.Call, work: Awaitable[object]) -> None:
        try:
            self._answer(session, call, await work)
        except Exception as error:  # noqa: BLE001 - it is the answer
            self._fail(session, call, error)
        finally:
            session.pending -= 1

    # --- answering --------------------------------------------------------------------------

    def _answer(self, session: ApiSession, call: rpc.Call, result: object) -> None:
        self.done[call.method] = self.done.get(call.method, 0) + 1
        answer = call.result(result)
        if answer is not None:
            session.send(Packet(answer))

    def _fail(self, session: ApiSession, call: rpc.Call, error: Exception) -> None:
        if isinstance(error, ResilienceError):
            error = translated(error)
        elif not isinstance(error, RpcError):
            log.error("%s failed", call.method, exc_info=error)
            text = "The gateway failed at this; it was written to its log."
            error = RpcError(RpcCode.INTERNAL_ERROR, text)
        assert isinstance(error, RpcError), error
        self.count(error.code)
        answer = call.error(error)
        if answer is not None:
            session.send(Packet(answer))

    def count(self, code: RpcCode) -> None:
        """Count an error."""
        name = code.name.lower()
        self.failed[name] = self.failed.get(name, 0) + 1


def too_fast(text: str, wait: float, method: str = "") -> RpcError:
    """Say that something comes too often, and when it may again."""
    data: dict[str, object] = {"retry_after": round(wait, 3)}
    if method:
        data["method"] = method
    return RpcError(RpcCode.RATE_LIMIT_EXCEEDED, text, data)
