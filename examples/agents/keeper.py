"""The keeper: keeps results, each once, in ``results.db`` beside this file."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.apps.agents import AgentRequest

FILE = Path(__file__).with_name("results.db")


async def keep(request: AgentRequest) -> object:
    """Keep ``{"job": id, "words": {...}}``; again is harmless, so it may run again."""
    result: Any = request.body
    return _keep(result["job"], json.dumps(result["words"]))


def _keep(job: str, words: str) -> int:
    with closing(sqlite3.connect(FILE)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS result (job TEXT PRIMARY KEY, words TEXT)")
        connection.execute("INSERT OR IGNORE INTO result VALUES (?, ?)", (job, words))
        return int(connection.execute("SELECT count(*) FROM result").fetchone()[0])
