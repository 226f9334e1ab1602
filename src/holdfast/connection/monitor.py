"""Watches the quality of connections, and says which is best."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast.connection.quality import Grade, Quality, QualityMachine
from holdfast.connection.states import ConnectionState, Reason

if TYPE_CHECKING:
    from holdfast.connection.connection import ReliableConnection
    from holdfast.connection.states import StateChange
    from holdfast.resilience import CircuitBreakerManager

GradeListener = Callable[[str, Grade, Grade], None]

UNANSWERED = frozenset(Reason) - {Reason.REQUESTED, Reason.IDLE, Reason.CLOSED_BY_PEER, Reason.BUSY}
"""Reasons that count against the reliability of a connection."""


class ConnectionQualityMonitor:
    """Measures connections by what happens on them anyway: pings, attempts, losses.

    Args:
        breakers: of the same names; a breaker is opened when its connection becomes unusable, and
            reset when it is usable again.
    """

    def __init__(self, breakers: CircuitBreakerManager | None = None) -> None:
        self._machines: dict[str, QualityMachine] = {}
        self._grades: dict[str, Grade] = {}
        self._breakers = breakers
        self._listeners: list[GradeListener] = []

    def watch(self, connection: ReliableConnection) -> None:
        """Measure a connection from now on, under its name."""
        name = connection.name
        self._machines[name] = QualityMachine(self._now())
        if connection.state is ConnectionState.CONNECTED:
            self._machines[name].opened(self._now())
        connection.on_change(lambda change: self._changed(name, change))
        connection.on_rtt(lambda rtt: self.answered(name, rtt))

    def forget(self, name: str) -> None:
        """Measure it no more."""
        self._machines.pop(name, None)
        self._grades.pop(name, None)

    def answered(self, name: str, rtt: float) -> None:
        """Note a round trip of ``rtt`` seconds."""
        machine = self._machines.get(name)
        if machine is not None:
            machine.answered(self._now(), rtt)
            self.quality(name)

    def transferred(self, name: str, count: int, seconds: float) -> None:
        """Note that so many bytes passed in so many seconds in which there was something to carry."""
        machine = self._machines.get(name)
        if machine is not None:
            machine.transferred(self._now(), count, seconds)

    def quality(self, name: str) -> Quality | None:
        """Return what is known of a connection, None when it is not watched."""
        machine = self._machines.get(name)
        if machine is None:
            return None
        found = machine.quality(self._now())
        before = self._grades.get(name)
        self._grades[name] = found.grade
        if before is not None and before is not found.grade:
            self._told(name, before, found.grade)
        return found

    def all(self) -> dict[str, Quality]:
        """Return what is known of each."""
        return {name: found for name in self._machines if (found := self.quality(name)) is not None}

    def ranked(self) -> list[str]:
        """Return the names, the best first."""
        known = self.all()
        return sorted(known, key=lambda name: (-known[name].grade, -known[name].score))

    def on_grade(self, listener: GradeListener) -> GradeListener:
        """Call back with name, old and new grade; usable as a decorator."""
        self._listeners.append(listener)
        return listener

    def _changed(self, name: str, change: StateChange) -> None:
        machine = self._machines.get(name)
        if machine is None:
            return
        now = self._now()
        if change.new is ConnectionState.CONNECTED:
            machine.opened(now)
        elif change.old is ConnectionState.CONNECTED:
            machine.lost(now)
        if change.reason in UNANSWERED:
            machine.unanswered(now)
        self.quality(name)

    def _told(self, name: str, before: Grade, after: Grade) -> None:
        if self._breakers is not None:
            if after is Grade.UNUSABLE:
                self._breakers.get(name).force_open()
            elif before is Grade.UNUSABLE:
                self._breakers.get(name).reset()
        for listener in self._listeners:
            listener(name, before, after)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
