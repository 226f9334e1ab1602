"""The bytes of a simulated stream on their way in one direction."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

from holdfast.testing.path import NEUTRAL
from holdfast.testing.process import ProcessState
from holdfast.testing.sockets import error_of

if TYPE_CHECKING:
    from holdfast.testing.loop import SimLoop
    from holdfast.testing.path import Path
    from holdfast.testing.process import Process
    from holdfast.testing.stream import SimTransport

SPLIT: Final = 0.05
"""Share of writes that arrive in two pieces."""

GIVE_UP: Final = 924.0
"""Seconds without any answer after which a sender gives a connection up (Linux, tcp_retries2)."""

_FIN: Final = b""


class Flow:
    """The bytes from one transport to the other.

    Args:
        loop: whose time passes.
        path: the way there.
        back: the way back, which acknowledgements take.
    """

    __slots__ = (
        "_arriving", "_backlog", "_in_flight", "_is_parked", "_is_stalled", "_last_due", "_loop",
        "_stalls", "back", "backlog_size", "is_dead", "path", "receiver", "sender",
    )  # fmt: skip

    def __init__(self, loop: SimLoop, path: Path, back: Path) -> None:
        self._loop = loop
        self.path = path
        self.back = back
        self.sender: SimTransport
        self.receiver: SimTransport
        self.is_dead = False
        self.backlog_size = 0
        self._backlog: deque[bytes] = deque()
        self._arriving: deque[tuple[int, bytes]] = deque()
        self._in_flight = 0
        self._last_due = 0
        self._is_stalled = False
        self._is_parked = False
        self._stalls = 0

    def write(self, data: bytes) -> None:
        """Send what the window takes; the rest waits."""
        self._backlog.append(data)
        self.backlog_size += len(data)
        self._pump()

    def finish(self) -> None:
        """Say that nothing more comes, after what is under way."""
        self._launch(_FIN)

    def discard_backlog(self) -> None:
        """Forget what was not sent yet."""
        self._backlog.clear()
        self.backlog_size = 0

    def credit(self, size: int) -> None:
        """The receiver has read so much."""
        self._in_flight -= size
        if self.backlog_size:
            self._pump()
            self.sender.buffer_changed()

    def _pump(self) -> None:
        room = self.path.profile.window - self._in_flight
        while self._backlog and room > 0:
            data = self._backlog.popleft()
            if len(data) > room:
                self._backlog.appendleft(data[room:])
                data = data[:room]
            room -= len(data)
            self.backlog_size -= len(data)
            self._in_flight += len(data)
            source = self.path.source
            if len(data) > 1 and source.random() < SPLIT:
                middle = source.randrange(1, len(data))
                self._launch(data[:middle])
                self._launch(data[middle:])
            else:
                self._launch(data)

    def _launch(self, data: bytes) -> None:
        if self.is_dead:
            return
        due = max(self.path.arrival(len(data)), self._last_due)
        self._last_due = due
        self._arriving.append((due, data))
        if not self._is_stalled:
            self._loop.call_at_ns(due, self._arrive, context=NEUTRAL)

    def _arrive(self) -> None:
        if self.is_dead or self._is_stalled or self._is_parked:
            return
        if not self.path.is_open:
            self._stall()
            return
        receiver = self.receiver
        state = ProcessState.RUNNING if receiver.process is None else receiver.process.state
        if receiver.is_gone:
            self._arriving.clear()
            receiver.connection.refuse(self)
        elif state is ProcessState.FROZEN:
            self._is_parked = True
            parked = cast("Process", receiver.process).parked
            parked.append(asyncio.Handle(self._unpark, (), self._loop, NEUTRAL))
        else:
            self._deliver()

    def _deliver(self) -> None:
        now, arriving = self._loop.now_ns, self._arriving
        pieces: list[bytes] = []
        is_finished = False
        while arriving and arriving[0][0] <= now:
            data = arriving.popleft()[1]
            is_finished = data is _FIN
            if not is_finished:
                pieces.append(data)
        receiver = self.receiver
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            receiver.context.run(receiver.take, data)
        if is_finished:
            receiver.context.run(receiver.take_end)

    def _unpark(self) -> None:
        self._is_parked = False
        self._arrive()

    def acknowledge(self, size: int) -> None:
        """The receiver's program has read; tell the sender, where it waits for that."""
        if self.backlog_size:
            self.back.carry(lambda: self.credit(size))
        else:
            self._in_flight -= size

    def _stall(self) -> None:
        self._is_stalled = True
        self._stalls += 1
        self.path.when_open(self._resume)
        due = self._loop.now_ns + int(GIVE_UP * 1e9)
        self._loop.call_at_ns(due, self._give_up, self._stalls, context=NEUTRAL)

    def _resume(self) -> None:
        self._is_stalled = False
        now = self._loop.now_ns
        last = now
        for index, (due, data) in enumerate(self._arriving):
            last = max(due, now)
            self._arriving[index] = last, data
            if last > now:
                self._loop.call_at_ns(last, self._arrive, context=NEUTRAL)
        self._last_due = max(self._last_due, last)
        self._arrive()

    def _give_up(self, stall: int) -> None:
        if self._is_stalled and stall == self._stalls and not self.is_dead:
            self.is_dead = True
            self.sender.lose(error_of(errno.ETIMEDOUT))


class Nowhere:
    """A path that swallows everything, in the place of another one."""

    is_open = False

    def __init__(self, path: Any) -> None:
        self.profile = path.profile
        self.source = path.source
        self.sender = path.sender
        self.receiver = path.receiver
        self.arrival = path.arrival

    def carry(self, deliver: object, size: int = 0) -> None:
        """Swallow it."""

    def when_open(self, deliver: object) -> None:
        """Never."""
