"""Requests that run here: admitted in turn, noted before they begin, answered after their answer is kept."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.apps.agents import limits, wire
from holdfast.apps.agents.agent import AgentRequest, Registered
from holdfast.apps.agents.errors import AgentCode, AgentError, described
from holdfast.apps.agents.flows import Reader, Writer
from holdfast.apps.agents.store import Verdict
from holdfast.apps.agents.wire import Reply, Request
from holdfast.errors import ResilienceError
from holdfast.resilience import BulkheadFullError, deadline

if TYPE_CHECKING:
    from holdfast.apps.agents.host import AgentHost
    from holdfast.apps.agents.link import Link

log = logging.getLogger("holdfast.agents")

AGAIN_AFTER: Final = 1.0
"""Seconds after which a caller may come again when the node cannot do it now."""

DETAIL_BYTES_MAX: Final = limits.BODY_BYTES_MAX // 2
"""Bytes of a described error; the details of a larger one are left out."""


class Run:
    """One request on its way through an agent.

    Args:
        host: whose agent it is.
        link: to the peer that asks.
        request: what it asks.
        agent: who answers.
    """

    def __init__(self, host: AgentHost, link: Link, request: Request, agent: Registered) -> None:
        self._host = host
        self._link = link
        self._request = request
        self._agent = agent
        self._stopped: AgentError | None = None
        self._work: asyncio.Task[object] | None = None
        self._queued: asyncio.Task[object] | None = None

    def stop(self, error: AgentError) -> None:
        """End it with an error, if it has not ended."""
        if self._stopped is None:
            self._stopped = error
            working = self._queued or self._work
            if working is not None:
                working.cancel()

    async def run(self) -> None:
        """Admit, note, run, keep, answer; without an answer the host drops it."""
        try:
            await self._admitted()
        except BulkheadFullError as error:
            self._refuse(
                AgentError(
                    AgentCode.AGENT_BUSY,
                    f"The agent {self._agent.name!r} is busy; the request was not run.",
                    retry_after=error.retry_after,
                )
            )
        except AgentError as error:
            self._refuse(error)
        except ResilienceError as error:
            # The store: what was not noted did not run, what was not kept was not answered. Its caller asks again.
            log.warning("the request %s of %r: %s", self._request.id, self._link.peer, error)
            self._refuse(
                AgentError(
                    AgentCode.AGENT_UNAVAILABLE,
                    "The node cannot write down what it does; the request may come again.",
                    retry_after=error.retry_after or AGAIN_AFTER,
                )
            )

    async def _admitted(self) -> None:
        """Wait for a place; who is stopped meanwhile leaves the queue."""
        task = asyncio.current_task()
        assert task is not None
        self._queued = task
        try:
            await self._agent.bulkhead.acquire_async()
        except asyncio.CancelledError:
            if self._stopped is None or task.uncancel() > 0:
                raise  # the node stops
            return  # nobody waits for it any more
        finally:
            self._queued = None
        try:
            await self._begin()
        finally:
            self._agent.bulkhead.release()

    def _refuse(self, error: AgentError) -> None:
        self._link.perform(self._link.conversation.answering.refused(self._request.id, error))

    async def _begin(self) -> None:
        request, link, answers = self._request, self._link, self._host.answers
        again = self._agent.settings.may_run_again and not request.is_stream
        if self._agent.state != "running" and not again:
            # It would begin and fail at once; so it is not begun.
            problem = self._agent.problem or self._agent.state
            raise AgentError(AgentCode.AGENT_UNAVAILABLE, problem, retry_after=AGAIN_AFTER)
        found = await answers.begin(link.peer, request, may_run_again=again)
        if found.verdict is Verdict.ANSWERED:
            assert found.reply is not None
            kept = msgspec.msgpack.decode(found.reply, type=Reply)
            link.perform(link.conversation.finished(kept, asyncio.get_running_loop().time()))
            return
        if found.verdict is Verdict.REUSED:
            raise AgentError(
                AgentCode.REQUEST_ID_REUSED,
                f"The id {request.id!r} belongs to another request; choose a new one.",
            )
        if found.verdict is Verdict.INTERRUPTED:
            error = AgentError(
                AgentCode.CALL_INTERRUPTED,
                f"The node of {self._agent.name!r} died while it answered; nobody knows how far it came. "
                "It is not run again under this id.",
            )
            await self._end(self._reply(None, error))
            return
        result, failure = None, None
        if self._stopped is None:
            link.perform(link.conversation.admitted(request, asyncio.get_running_loop().time()))
            result, failure = await self._work_on()
            is_undone = again and failure is self._stopped
        else:
            is_undone = True
        if self._stopped is not None and is_undone:
            # It did not run, or may run again: the same request is welcome later. This try was stopped because nobody
            # waits for it any more; an answer could only be taken for that of the next one.
            await answers.forget(link.peer, request.id)
            return
        await self._end(self._reply(result, failure))

    async def _work_on(self) -> tuple[bytes | None, BaseException | None]:
        """Let the agent work; return its answer or what it failed of."""
        self._work = asyncio.create_task(
            self._answer(), name=f"holdfast-agent {self._agent.name} {self._request.id}"
        )
        try:
            return wire.to_json(await self._work), None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                self._work.cancel()
                await asyncio.wait({self._work})
                raise  # the node stops
            return None, self._stopped or AgentError(
                AgentCode.CALL_CANCELLED, f"The agent {self._agent.name!r} cancelled itself."
            )
        except Exception as error:
            if not isinstance(error, ResilienceError):
                log.warning("the agent %s failed", self._agent.name, exc_info=error)
            return None, self._stopped or error

    async def _answer(self) -> object:
        request, link = self._request, self._link
        now = asyncio.get_running_loop().time()
        left = link.conversation.answering.within(request.id, now)
        asked = AgentRequest(
            self._host,
            self._agent.name,
            link.peer,
            request.id,
            wire.from_json(request.body),
            reader=Reader(link, request.id, is_up=True) if request.is_stream else None,
            writer=Writer(link, request.id, is_up=False) if request.is_stream else None,
        )
        with deadline(left):
            return await self._agent.handler(asked)

    def _reply(self, result: bytes | None, error: BaseException | None) -> Reply:
        out = self._link.conversation.outflow(self._request.id, is_up=False)
        chunks = 0 if out is None else out.sent
        if error is None:
            return Reply(self._request.id, result, None, chunks)
        return Reply(self._request.id, None, told(error, self._agent.name), chunks)

    async def _end(self, reply: Reply) -> None:
        await self._host.answers.finish(
            self._link.peer, self._request.id, msgspec.msgpack.encode(reply)
        )
        now = asyncio.get_running_loop().time()
        self._link.perform(self._link.conversation.finished(reply, now))


def told(error: BaseException, agent: str) -> bytes:
    """Write an error for the caller; details that are too long are left out."""
    description = described(error, agent)
    body = msgspec.json.encode(description)
    if len(body) > DETAIL_BYTES_MAX:
        description["details"] = {}
        body = msgspec.json.encode(description)
    return body
