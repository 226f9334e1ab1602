"""The sources of time, chance and files that programs reach without asking: answered by the simulation.

``time.time``, ``time.monotonic``, ``random``, ``secrets``, ``uuid.uuid4`` and ``os.urandom`` give virtual time and
seeded chance while a simulation runs, so that programs written without one in mind repeat as well. Not
reached: ``datetime.now()`` and clocks inside of compiled libraries.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import random
import time
import warnings
from typing import TYPE_CHECKING, Final
from unittest import mock

from holdfast.testing import file_calls
from holdfast.testing.process import PROCESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.testing.chance import Chance
    from holdfast.testing.loop import SimLoop

WALL_START = 1_790_000_000.0
"""Seconds since 1970 at which every run begins."""

COLLECT_EVERY: Final = 16
"""Runs between two collections of what is left of them: their tasks, which asyncio looks through again and again."""

_RUNS: Final = itertools.count()


class Clock:
    """Wall time of the host that asks."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._began = loop.time()

    def true_now(self) -> float:
        """Return seconds since 1970, as a clock shows them that is right."""
        return WALL_START + self._loop.time() - self._began

    def wall_now(self) -> float:
        """Return them as the clock of the asking host shows them."""
        process = PROCESS.get()
        return self.true_now() + (0.0 if process is None else process.host.clock_skew)


@contextlib.contextmanager
def ambient(loop: SimLoop, clock: Clock, chance: Chance) -> Iterator[None]:
    """Let ambient sources answer from a simulation, and hold garbage collection back."""
    entropy = chance.stream("entropy").randbytes
    answers = (
        (time, "time", clock.wall_now),
        (time, "time_ns", lambda: round(clock.wall_now() * 1e9)),
        (time, "monotonic", loop.time),
        (time, "monotonic_ns", lambda: loop.now_ns),
        (os, "urandom", entropy),
        (random, "_urandom", entropy),
        *file_calls.WATCHED,
    )
    state = random.getstate()
    was_collecting = gc.isenabled()
    with contextlib.ExitStack() as stack:
        for target, name, answer in answers:
            stack.enter_context(mock.patch.object(target, name, answer))
        random.seed(chance.stream("random").getrandbits(64))
        gc.disable()  # finalisers would run at moments that nobody has drawn
        if next(_RUNS) % COLLECT_EVERY == 0:
            with warnings.catch_warnings():  # what others left open is not this run's fault
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()  # what earlier runs left is old by now, and nobody else would look at it
        gc.freeze()
        try:
            yield
        finally:
            gc.unfreeze()
            random.setstate(state)
            if was_collecting:
                gc.enable()
