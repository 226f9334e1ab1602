"""The planner: cuts a text into pieces, lets a worker count their words, has the sum kept.

It may be killed at any moment and runs again. Whatever it asks has an id that is made of the job's, so a worker that
has counted a piece answers again without counting it again, and the keeper keeps one result.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.apps.agents import AgentRequest

WORKER = "worker@worker"
KEEPER = "keeper@keeper"


async def plan(request: AgentRequest) -> object:
    """Do a job: ``{"texts": [...], "pause": seconds that a worker takes for each}``."""
    job: Any = request.body

    async def count(number: int, text: str) -> Any:
        piece = {"text": text, "pause": job.get("pause", 0), "piece": number}
        return await request.host.call(WORKER, piece, id=f"{request.id}/{number}")

    counted = await asyncio.gather(*(count(n, text) for n, text in enumerate(job["texts"])))
    total: Counter[str] = Counter()
    for words in counted:
        total.update(words)
    result = {"job": request.id, "words": dict(total)}
    await request.host.call(KEEPER, result, id=f"{request.id}/keep")
    return result
