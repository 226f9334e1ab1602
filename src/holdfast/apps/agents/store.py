"""Requests that have begun and answers that are kept, in SQLite: the memory that outlives ``kill -9``."""

from __future__ import annotations

import asyncio
import hashlib
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from holdfast.apps.agents import limits
from holdfast.delivery.clock import SteadyClock

if TYPE_CHECKING:
    import sqlite3

    from holdfast.apps.agents.wire import Request
    from holdfast.storage import Database
    from holdfast.world import World

MIGRATIONS: Final = (
    """
    CREATE TABLE agent_request (
        number INTEGER PRIMARY KEY,
        peer TEXT NOT NULL,
        id TEXT NOT NULL,
        digest BLOB NOT NULL,
        at_ms INTEGER NOT NULL,
        life TEXT NOT NULL,
        reply BLOB,
        UNIQUE (peer, id)
    );
    CREATE INDEX agent_request_peer ON agent_request (peer, number);
    """,
)

TRIM_EVERY: Final = 64
"""Requests between two looks at what can be forgotten; each look forgets more than came since."""

FIND: Final = "SELECT digest, reply FROM agent_request WHERE peer = ? AND id = ?"
ADD: Final = "INSERT INTO agent_request (peer, id, digest, at_ms, life) VALUES (:peer, :id, :digest, :at, :life)"
AGAIN: Final = "UPDATE agent_request SET life = :life WHERE peer = :peer AND id = :id"
FINISH: Final = "UPDATE agent_request SET reply = ? WHERE peer = ? AND id = ?"
FORGET: Final = "DELETE FROM agent_request WHERE peer = ? AND id = ? AND reply IS NULL"
NEWEST: Final = "SELECT ifnull(max(at_ms), 0) FROM agent_request"
# What runs now is never forgotten: an answer that finds no row could be asked for, and run, again.
TRIM_PEER: Final = (
    "DELETE FROM agent_request WHERE peer = :peer AND number <= (SELECT number FROM agent_request "
    "WHERE peer = :peer ORDER BY number DESC LIMIT 1 OFFSET :keep) AND (reply NOTNULL OR life <> :life)"
)
TRIM_ALL: Final = (
    "DELETE FROM agent_request WHERE number <= (SELECT max(number) FROM agent_request) - :keep "
    "AND (reply NOTNULL OR life <> :life)"
)
TRIM_OLD: Final = (
    "DELETE FROM agent_request WHERE number IN (SELECT number FROM agent_request ORDER BY number LIMIT :most) "
    "AND at_ms < :before AND (reply NOTNULL OR life <> :life)"
)


class Verdict(Enum):
    """What is known about a request."""

    NEW = "it never ran, and is noted as begun"
    AGAIN = "it began in an earlier life and may run again"
    ANSWERED = "it ran; here is its answer"
    INTERRUPTED = "it began in an earlier life and did not end"
    REUSED = "another request has this id"


class Found(NamedTuple):
    """A verdict, and the kept answer where there is one."""

    verdict: Verdict
    reply: bytes | None = None


class Answers:
    """Begun requests and kept answers, by peer and id; bounded by number for each peer, by number and age for all.

    Args:
        database: with ``MIGRATIONS`` among its own.
        life: of this node, another one at each start.
        ttl: seconds that an answer is kept.
        world: wall time.
    """

    def __init__(self, database: Database, life: str, ttl: float, world: World) -> None:
        self._database = database
        self._life = life
        self._ttl_ms = int(ttl * 1000)
        self._world = world
        self._clock: SteadyClock | None = None

    async def begin(self, peer: str, request: Request, *, may_run_again: bool) -> Found:
        """Note that a request begins, unless it is known; returns when that is durable.

        Raises:
            StorageError: 8xxx; nothing was noted.
        """
        digest = digest_of(request)
        at_ms = (self._clock or await self._started()).now_ms()
        row = {
            "peer": peer,
            "id": request.id,
            "digest": digest,
            "at": at_ms,
            "life": self._life,
        }

        def run(connection: sqlite3.Connection) -> Found:
            found = connection.execute(FIND, (peer, request.id)).fetchone()
            if found is None:
                added = connection.execute(ADD, row)
                if (added.lastrowid or 0) % TRIM_EVERY == 0:
                    self._trim(connection, peer, at_ms)
                return Found(Verdict.NEW)
            if found[0] != digest:
                return Found(Verdict.REUSED)
            if found[1] is not None:
                return Found(Verdict.ANSWERED, found[1])
            if not may_run_again:
                return Found(Verdict.INTERRUPTED)
            connection.execute(AGAIN, row)
            return Found(Verdict.AGAIN)

        return await self._database.write(run)

    async def finish(self, peer: str, id: str, reply: bytes) -> None:  # noqa: A002 - the word of the field
        """Keep the answer; returns when that is durable. Raises StorageError."""
        await self._database.execute(FINISH, (reply, peer, id))

    async def forget(self, peer: str, id: str) -> None:  # noqa: A002 - as above
        """It did not run after all, or may run again: the next one with this id is new. Raises StorageError."""
        await self._database.execute(FORGET, (peer, id))

    async def _started(self) -> SteadyClock:
        row = await self._database.fetch_one(NEWEST)
        newest = row[0] if row is not None else 0
        floor = newest if isinstance(newest, int) else 0
        loop = asyncio.get_running_loop()
        self._clock = SteadyClock(self._world.wall_now(), loop.time, floor_ms=floor)
        return self._clock

    def _trim(self, connection: sqlite3.Connection, peer: str, at_ms: int) -> None:
        mine = {"life": self._life}
        connection.execute(TRIM_PEER, {"peer": peer, "keep": limits.ANSWERS_PER_PEER, **mine})
        connection.execute(TRIM_ALL, {"keep": limits.ANSWERS_MAX, **mine})
        before = at_ms - self._ttl_ms
        connection.execute(TRIM_OLD, {"most": 2 * TRIM_EVERY, "before": before, **mine})


def digest_of(request: Request) -> bytes:
    """Return what tells two requests with one id apart."""
    return hashlib.sha256(request.agent.encode() + b"\0" + request.body).digest()[:16]
