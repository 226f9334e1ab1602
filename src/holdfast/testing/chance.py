"""All chance of a simulation, from one seed, in independent streams.

Each stream is named after what it is for. Drawing more from one does not change what another gives, so a run
whose plan has lost one fault keeps its latencies and its workload: that is what makes shrinking work.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass


class Chance:
    """Random streams by name.

    Args:
        seed: of everything.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, random.Random] = {}

    def stream(self, name: str) -> random.Random:
        """Return the stream of this name; the same object each time."""
        found = self._streams.get(name)
        if found is None:
            # Not hash(): it differs from process to process.
            digest = hashlib.blake2b(f"{self.seed}/{name}".encode(), digest_size=16).digest()
            found = random.Random(int.from_bytes(digest, "big"))  # noqa: S311 - to be repeatable
            self._streams[name] = found
        return found


@dataclass(frozen=True, slots=True)
class Mode:
    """How the loop orders what asyncio leaves open; code that takes no time needs it to race.

    Attributes:
        grid: seconds; all timers and arrivals fall on its multiples, so that they meet. 0 is off.
        shuffle: tasks that are ready in the same turn run in any order.
        hold_back: share of task steps that are postponed by up to ``HOLD_BACK_MAX`` seconds.
    """

    grid: float = 0.0
    shuffle: bool = False
    hold_back: float = 0.0

    @classmethod
    def drawn(cls, source: random.Random) -> Mode:
        """Draw a mode; a third of the runs is plain in each respect."""
        return cls(
            grid=source.choice((0.0, 0.001, 0.001)),
            shuffle=source.random() < 2 / 3,
            hold_back=source.choice((0.0, 0.02, 0.1)),
        )

    def __str__(self) -> str:
        parts = []
        if self.grid:
            parts.append(f"grid of {1000 * self.grid:g} ms")
        if self.shuffle:
            parts.append("shuffled tasks")
        if self.hold_back:
            parts.append(f"{100 * self.hold_back:g} % of steps held back")
        return ", ".join(parts) or "plain"


HOLD_BACK_MAX = 0.005
"""Seconds by which a task step is held back at most."""
