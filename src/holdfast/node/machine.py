"""Order within one pair: numbers, duplicates, gaps, acknowledgements. No socket, no clock, no keys.

Theory. Each direction of a pair numbers its messages from 1 within a session (``epoch``). Gateways may lose, double,
delay and reorder, so the receiver

* hands over number *through + 1* only, since the ratchet wants its messages in order;
* holds back what came too early, up to a bound, and drops beyond it (it comes again);
* drops what it has, and says so again: the acknowledgement was lost.

The sender forgets a message only when it was acknowledged end to end. An acknowledgement says *everything up to here*
and names what lies beyond the first gap. What is missing between is sent again at once, the rest by patience
(``courier``). What lies beyond a gap is not done yet: it waits for what is missing, and a new session would forget it.

Three things betray that one side was set back to an older state (a backup was restored): an acknowledgement of a
number that was never given, one with another mark at its number (``_marks``), and a gap that was acknowledged before.
The first two say that we were, and call for a new session. The third is answered with *nothing*, since what was there
is gone with the disk, and who has to take that knows that he was.

A new session begins with its number 1; then both directions count from 1 again, and what was not acknowledged is sent
again in it. Messages have ids of their own, so that none of them is shown twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from holdfast import limits
from holdfast.node import _marks

Run = tuple[int, int]


class Verdict(StrEnum):
    """What to do with a frame that came."""

    NEXT = "next"
    HOLD = "hold"
    DUPLICATE = "duplicate"
    FULL = "full"
    OLD_SESSION = "old session"
    NEW_SESSION = "new session"


@dataclass(slots=True)
class Incoming:
    """What came from a contact in the present session.

    Attributes:
        epoch: the session.
        through: every message up to here was handed over.
        held: numbers that are held back, with their sizes in bytes.
        mark: of what was handed over.
    """

    epoch: int = 0
    through: int = 0
    held: dict[int, int] = field(default_factory=dict)
    mark: bytes = _marks.START

    def judge(self, epoch: int, seq: int, size: int, *, reorder: bool = True) -> Verdict:
        """Say what to do with a message.

        Args:
            epoch: its session.
            seq: its number, from 1.
            size: of its payload in bytes.
            reorder: whether what came too early is held back.
        """
        if epoch < self.epoch:
            return Verdict.OLD_SESSION
        if epoch > self.epoch:
            # Only its first message tells how to read a session; the others come again.
            is_first = epoch == self.epoch + 1 and seq == 1
            return Verdict.NEW_SESSION if is_first else Verdict.FULL
        if seq <= self.through or seq in self.held:
            return Verdict.DUPLICATE
        if seq == self.through + 1:
            return Verdict.NEXT
        is_far = seq > self.through + limits.NODE_HELD_MAX
        is_full = (
            len(self.held) >= limits.NODE_HELD_MAX
            or sum(self.held.values()) + size > limits.NODE_HELD_BYTES_MAX
        )
        return Verdict.FULL if is_far or is_full or not reorder else Verdict.HOLD

    def handed_over(self, told: bytes = _marks.UNKNOWN) -> int | None:
        """The next one was handed over; return the number of the one that was held back behind it, if any.

        Args:
            told: what stands for it in the mark.
        """
        self.through += 1
        self.mark = _marks.follow(self.mark, told)
        self.held.pop(self.through, None)
        following = self.through + 1
        return following if following in self.held else None

    def hold(self, seq: int, size: int) -> None:
        """Hold a message back."""
        self.held[seq] = size

    def runs(self) -> tuple[Run, ...]:
        """Return what is held back as runs, the first ``limits.NODE_GAPS_MAX`` of them."""
        found: list[Run] = []
        for seq in sorted(self.held):
            if found and found[-1][1] == seq - 1:
                found[-1] = (found[-1][0], seq)
            elif len(found) == limits.NODE_GAPS_MAX:
                break
            else:
                found.append((seq, seq))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What an acknowledgement says.

    Attributes:
        done: numbers that need not be sent any more.
        missing: numbers that the other side waits for, to be sent at once.
        gone: numbers that it waits for and that are acknowledged, the first of them: answered with nothing.
        is_set_back: it names numbers that we never gave: we were set back to an older state.
    """

    done: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    is_set_back: bool = False


@dataclass(slots=True)
class Outgoing:
    """What goes to a contact in the present session.

    Attributes:
        epoch: the session.
        next_seq: number of the next message.
        waiting: numbers that are not acknowledged.
        mark: of all that has a number.
    """

    epoch: int = 0
    next_seq: int = 1
    waiting: set[int] = field(default_factory=set)
    mark: bytes = _marks.START

    @property
    def room(self) -> int:
        """How many more messages may have a number now."""
        oldest = min(self.waiting, default=self.next_seq)
        return max(0, limits.NODE_WINDOW - (self.next_seq - oldest))

    def number(self, told: bytes = _marks.UNKNOWN) -> int:
        """Give the next number; ``told`` is what stands for the message in the mark."""
        seq = self.next_seq
        self.next_seq += 1
        self.waiting.add(seq)
        self.mark = _marks.follow(self.mark, told)
        return seq

    def acknowledged(
        self, epoch: int, through: int, runs: tuple[Run, ...], *, agrees: bool = True
    ) -> Acknowledged:
        """Take an acknowledgement.

        Args:
            epoch: the session that it is about.
            through: every message up to here was stored.
            runs: numbers beyond the gap that are held back.
            agrees: whether its mark is ours at this number.
        """
        if epoch != self.epoch:
            return Acknowledged()  # of a session that is over, or of one that we do not know yet
        last = runs[-1][1] if runs else through
        if last >= self.next_seq or not agrees:
            return Acknowledged(is_set_back=True)
        stored = {seq for seq in self.waiting if seq <= through}
        self.waiting -= stored
        gaps: list[int] = []
        before = through
        furthest = through + limits.NODE_HELD_MAX  # nobody holds anything beyond it
        for first, end in runs:
            gaps.extend(range(before + 1, min(first, furthest)))
            before = end
        gone = [seq for seq in gaps if seq not in self.waiting]
        return Acknowledged(
            done=tuple(sorted(stored)),
            missing=tuple(seq for seq in gaps if seq in self.waiting),
            gone=tuple(gone[: limits.NODE_GAPS_MAX]),
        )

    def renew(self) -> None:
        """Begin a new session: count from 1, nothing has a number."""
        self.epoch += 1
        self.next_seq = 1
        self.waiting.clear()
        self.mark = _marks.START
