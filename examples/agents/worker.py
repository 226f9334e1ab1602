"""The worker, a process of its own: counts words. It may run again, since it changes nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from holdfast.apps.agents.child import ChildRequest, run


async def count(request: ChildRequest) -> object:
    """Count the words of ``{"text": ...}``."""
    piece: Any = request.body
    print(f"counting {request.id}")  # into the log of its node
    await asyncio.sleep(piece["pause"])
    return Counter(piece["text"].split())


if __name__ == "__main__":
    run(count)
