"""Checkers: each watches one promise from outside and raises ``PromiseBrokenError`` at once, or at the end."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from holdfast.testing.errors import PromiseBrokenError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from holdfast.testing.host import Host
    from holdfast.testing.simulation import Simulation


class NothingLost:
    """Nothing acknowledged is lost."""

    promise = "nothing acknowledged is lost"

    def __init__(self) -> None:
        self._acknowledged: dict[Hashable, None] = {}

    def __len__(self) -> int:
        return len(self._acknowledged)

    def acknowledged(self, message: Hashable) -> None:
        """A sender was told that this one is safe."""
        self._acknowledged[message] = None

    def check(self, found: Iterable[Hashable]) -> None:
        """Compare with all that is there in the end."""
        there = set(found)
        lost = [message for message in self._acknowledged if message not in there]
        if lost:
            raise PromiseBrokenError(
                self.promise, f"{len(lost)} of {len(self._acknowledged)}, the first is {lost[0]!r}"
            )


class OnceInOrder:
    """Each reader sees each message of a numbered log once, in order."""

    promise = "each message is seen once and in order"

    def __init__(self) -> None:
        self._last: dict[Hashable, int] = {}

    def began(self, reader: Hashable, number: int) -> None:
        """A reader was given a state that contains everything up to ``number``."""
        known = self._last.get(reader)
        if known is not None and number < known:
            raise PromiseBrokenError(self.promise, f"{reader!r} went back from {known} to {number}")
        self._last[reader] = number

    def seen(self, reader: Hashable, number: int) -> None:
        """A reader has seen message ``number``."""
        expected = self._last.get(reader, 0) + 1
        if number != expected:
            kind = "again" if number < expected else "too early"
            raise PromiseBrokenError(
                self.promise, f"{reader!r} saw {number} {kind}, {expected} was next"
            )
        self._last[reader] = number

    def check(self, newest: int, readers: Iterable[Hashable]) -> None:
        """All readers have seen everything."""
        for reader in readers:
            if self._last.get(reader, 0) != newest:
                seen = f"{reader!r} has seen {self._last.get(reader, 0)} of {newest}"
                raise PromiseBrokenError(self.promise, seen)


class OneOwner:
    """A seat has one owner at a time."""

    promise = "one seat, one owner"

    def __init__(self) -> None:
        self._owners: dict[Hashable, Hashable] = {}

    def taken(self, seat: Hashable, owner: Hashable) -> None:
        """Somebody was told that the seat is theirs."""
        known = self._owners.setdefault(seat, owner)
        if known != owner:
            raise PromiseBrokenError(
                self.promise, f"{seat!r} belongs to {known!r} and to {owner!r}"
            )

    def given_up(self, seat: Hashable) -> None:
        """Nobody has the seat any more."""
        self._owners.pop(seat, None)


class Once:
    """Something is announced once for each."""

    def __init__(self, promise: str) -> None:
        self.promise = promise
        self._seen: set[Hashable] = set()

    def happened(self, what: Hashable) -> None:
        """It was announced."""
        if what in self._seen:
            raise PromiseBrokenError(self.promise, f"{what!r} a second time")
        self._seen.add(what)


class Scores:
    """Scores only grow, and only by accepted answers."""

    promise = "scores only grow by accepted answers"

    def __init__(self) -> None:
        self._earned: dict[Hashable, dict[Hashable, int]] = defaultdict(dict)
        self._shown: dict[Hashable, int] = {}

    def accepted(self, player: Hashable, question: Hashable, points: int) -> None:
        """An answer was accepted, and was worth this; told again it has to be worth the same."""
        known = self._earned[player].setdefault(question, points)
        if known != points:
            raise PromiseBrokenError(
                self.promise, f"{player!r} was told {known} and then {points} for {question!r}"
            )

    def shown(self, player: Hashable, score: int) -> None:
        """A score was shown."""
        before = self._shown.get(player, 0)
        if score < before:
            raise PromiseBrokenError(self.promise, f"{player!r} fell from {before} to {score}")
        self._shown[player] = score

    def check(self, final: dict[Hashable, int]) -> None:
        """Each final score is the sum of what was accepted."""
        for player, score in final.items():
            earned = sum(self._earned[player].values())
            if score != earned:
                raise PromiseBrokenError(
                    self.promise, f"{player!r} has {score}, accepted were {earned}"
                )


class Returns:
    """Those who were cut off return by themselves, soon.

    Time counts from the moment at which the network would let them.

    Args:
        share: of all interruptions that have to end in a return.
        mean: seconds that a return takes on average at most.
    """

    promise = "people return by themselves"

    def __init__(self, share: float = 0.95, mean: float = 5.0) -> None:
        self._share = share
        self._mean = mean
        self._since: dict[Hashable, float] = {}
        self.times: list[float] = []
        self.interruptions = 0

    def lost(self, who: Hashable, now: float) -> None:
        """Somebody is cut off, and could return at once."""
        if who not in self._since:
            self.interruptions += 1
        self._since[who] = now

    def reachable(self, who: Hashable, now: float) -> None:
        """The way is free again, if it was not: waiting counts from here."""
        if who in self._since:
            self._since[who] = now

    def back(self, who: Hashable, now: float) -> None:
        """Somebody is back."""
        since = self._since.pop(who, None)
        if since is not None:
            self.times.append(max(0.0, now - since))

    def check(self) -> None:
        """Enough of them have, soon enough."""
        if not self.interruptions:
            return
        share = len(self.times) / self.interruptions
        if share < self._share:
            missing = ", ".join(map(repr, self._since))
            raise PromiseBrokenError(
                self.promise, f"{share:.1%} of {self.interruptions} have; not back: {missing}"
            )
        mean = statistics.mean(self.times)
        if mean > self._mean:
            raise PromiseBrokenError(self.promise, f"after {mean:.2f} s on average")


def nothing_left(sim: Simulation, host: Host) -> None:
    """Nothing is left running after the programs of a host have ended.

    Raises:
        PromiseBrokenError: a task, timer, listener, connection or file is left; all are named.
    """
    process = host.process
    left = sim.loop.left_of(process) + sim.network.open_things(process)
    left += process.open_files.left_open()
    if left:
        raise PromiseBrokenError("nothing is left running after shutdown", "; ".join(left))
