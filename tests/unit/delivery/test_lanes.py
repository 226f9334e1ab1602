"""Which message is next: order, priority, fairness, bounds; with a model of the store."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.delivery.lanes import LaneKey, Lanes
from holdfast.delivery.message import Message


def message(
    number: int, destination: str = "a", *, priority: int = 1, ordered: bool = False, due: int = 0
) -> Message:
    return Message(
        number,
        f"m{number}",
        destination,
        b"x" * 10,
        0 if ordered else priority,
        ordered,
        0,
        due,
        10**9,
    )


def complete(per_destination: int = 8) -> Lanes:
    lanes = Lanes(per_destination)
    lanes.is_complete = True
    return lanes


def test_destinations_have_their_turn_one_after_the_other() -> None:
    lanes = complete()
    for number in range(100):
        lanes.offer(message(number, "busy"))
    lanes.offer(message(200, "quiet"))
    taken = [lanes.take(0) for _ in range(3)]
    assert [each.destination for each in taken if each] == ["busy", "quiet", "busy"]


def test_higher_priority_goes_first_and_equals_in_order() -> None:
    lanes = complete()
    for number, priority in enumerate([1, 5, 1, 9, 5]):
        lanes.offer(message(number, priority=priority))
    taken = [each.number for _ in range(5) if (each := lanes.take(0))]
    assert taken == [3, 1, 4, 0, 2]


def test_one_ordered_message_is_sent_at_a_time() -> None:
    lanes = complete()
    first, second = message(1, ordered=True), message(2, ordered=True)
    lanes.offer(first)
    lanes.offer(second)
    assert lanes.take(0) is first
    assert lanes.take(0) is None
    lanes.sent(first)
    assert lanes.take(0) is second


def test_an_ordered_message_that_is_not_due_holds_back_those_behind_it() -> None:
    lanes = complete()
    lanes.offer(message(1, ordered=True, due=500))
    lanes.offer(message(2, ordered=True))
    assert lanes.take(0) is None
    assert lanes.next_ms() == 500
    lanes.rouse(500)
    taken = lanes.take(500)
    assert taken is not None
    assert taken.number == 1


def test_a_destination_that_cannot_be_reached_sleeps_and_is_probed_with_another_message() -> None:
    lanes = complete(per_destination=1)
    for number in (1, 2):
        lanes.offer(message(number))
    first = lanes.take(0)
    assert first is not None
    assert lanes.failed(first) == 1
    lanes.returned(first, 1, 100)
    assert lanes.take(50) is None
    lanes.rouse(100)
    second = lanes.take(100)
    assert second is not None
    assert second.number == 2
    assert lanes.failed(second) == 2
    lanes.returned(second, 1, 300)
    lanes.wake("a")
    assert lanes.take(100) is first


def test_a_lane_first_heard_of_while_the_store_is_searched_waits_for_what_is_older() -> None:
    lanes = Lanes(8)
    assert not lanes.offer(message(7, ordered=True))
    ((key, _),) = lanes.hungry()
    lanes.filled(key, [message(3, ordered=True), message(7, ordered=True)], has_more=False)
    first = lanes.take(0)
    assert first is not None
    assert first.number == 3


def test_what_is_finished_while_the_store_is_read_is_not_taken_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("holdfast.limits.OUTBOX_WINDOW", 1)
    lanes = complete()
    lanes.offer(message(1))
    lanes.offer(message(2))
    first = lanes.take(0)
    assert first is not None
    ((key, _),) = lanes.hungry()
    lanes.sent(first)
    lanes.finished(first)
    lanes.filled(key, [message(1), message(2)], has_more=False)
    second = lanes.take(0)
    assert second is not None
    assert second.number == 2
    assert lanes.take(0) is None


def test_bodies_beyond_the_memory_bound_are_left_in_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("holdfast.limits.OUTBOX_MEMORY_MAX", 25)
    lanes = complete()
    for number in range(4):
        lanes.offer(message(number))
    bodies = [each.body for _ in range(4) if (each := lanes.take(0))]
    assert bodies == [b"x" * 10, b"x" * 10, b"", b""]


def test_more_destinations_than_fit_are_found_in_the_store_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("holdfast.limits.OUTBOX_LANES_MAX", 2)
    lanes = complete()
    assert lanes.offer(message(1, "a"))
    assert lanes.offer(message(2, "b"))
    assert not lanes.offer(message(3, "c"))
    assert not lanes.is_complete
    first = lanes.take(0)
    assert first is not None
    lanes.failed(first)
    lanes.returned(first, 1, 1000)
    lanes.forget_sleepers()
    assert lanes.room == 1
    lanes.found(LaneKey("c", ordered=False))
    assert lanes.hungry() == [(LaneKey("c", ordered=False), 128)]


class Sending(RuleBasedStateMachine):
    """Lanes beside a store: everything is sent once at a time, in order, and in the end all is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("holdfast.limits.OUTBOX_WINDOW", 3)
        self.patch.setattr("holdfast.limits.OUTBOX_LANES_MAX", 4)
        self.lanes = Lanes(2)
        self.stored: dict[int, Message] = {}
        self.taken: dict[int, Message] = {}
        self.outcome_unstored: list[Message] = []
        self.reading: list[tuple[LaneKey, int, list[Message]]] = []
        self.number = 0
        self.now = 0
        self.last_ordered: Counter[str] = Counter()

    def teardown(self) -> None:
        try:
            self.drain()
        finally:
            self.patch.undo()

    def drain(self) -> None:
        for _ in range(10_000):
            if not self.stored and not self.taken:
                break
            self.now += 1000
            self.lanes.rouse(self.now)
            self.search()
            self.read()
            self.fill()
            self.take()
            for number in list(self.taken):
                self.succeed(number)
            self.store()
        assert not self.stored, "all is sent in the end"

    def look(self, key: LaneKey, count: int) -> list[Message]:
        """As the store would answer: fresh copies, in the order of the lane."""
        rows = sorted(
            (m for m in self.stored.values() if LaneKey(m.destination, m.ordered) == key),
            key=lambda m: (-m.priority, m.number),
        )
        return [
            message(m.number, m.destination, priority=m.priority, ordered=m.ordered)
            for m in rows[:count]
        ]

    @rule(destination=st.sampled_from("abcdef"), priority=st.integers(1, 3), ordered=st.booleans())
    def submit(self, destination: str, priority: int, ordered: bool) -> None:
        self.number += 1
        found = message(self.number, destination, priority=priority, ordered=ordered)
        self.stored[self.number] = found
        self.lanes.offer(found)

    @rule()
    def search(self) -> None:
        if self.lanes.is_complete:
            return
        if self.lanes.room < 1:
            self.lanes.forget_sleepers()
        self.lanes.has_missed = False
        keys = sorted({LaneKey(m.destination, m.ordered) for m in self.stored.values()})
        for key in keys:
            self.lanes.found(key)
        self.lanes.is_complete = not self.lanes.has_missed

    @rule()
    def read(self) -> None:
        for key, count in self.lanes.hungry():
            self.reading.append((key, count, self.look(key, count)))

    @rule()
    def fill(self) -> None:
        for key, count, rows in self.reading:
            self.lanes.filled(key, rows, has_more=len(rows) == count)
        self.reading.clear()

    @rule()
    def take(self) -> None:
        while (found := self.lanes.take(self.now)) is not None:
            assert found.number in self.stored, "what is gone is not sent again"
            assert found.number not in self.taken, "nothing is sent twice at a time"
            if found.ordered:
                assert found.number > self.last_ordered[found.destination], (
                    "ordered messages keep their order"
                )
            self.taken[found.number] = found

    @precondition(lambda self: self.taken)
    @rule(data=st.data(), delay=st.integers(1, 500))
    def fail(self, data: st.DataObject, delay: int) -> None:
        found = self.taken.pop(data.draw(st.sampled_from(sorted(self.taken))))
        self.lanes.failed(found)
        found.attempts += 1
        self.lanes.returned(found, found.attempts, self.now + delay)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def succeed_one(self, data: st.DataObject) -> None:
        self.succeed(data.draw(st.sampled_from(sorted(self.taken))))

    def succeed(self, number: int) -> None:
        found = self.taken.pop(number)
        if found.ordered:
            self.last_ordered[found.destination] = number
        self.lanes.sent(found)
        self.outcome_unstored.append(found)

    @rule()
    def store(self) -> None:
        for found in self.outcome_unstored:
            del self.stored[found.number]
            self.lanes.finished(found)
        self.outcome_unstored.clear()

    @rule(delay=st.integers(1, 300), destination=st.sampled_from("abc"), wakes=st.booleans())
    def time(self, delay: int, destination: str, wakes: bool) -> None:
        self.now += delay
        self.lanes.rouse(self.now)
        if wakes:
            self.lanes.wake(destination)

    @invariant()
    def memory_is_bounded(self) -> None:
        assert self.lanes.room >= 0
        for lane in self.lanes._lanes.values():
            assert len(lane.waiting) <= 3 + len(lane.busy) + lane.sending + 3


Sending.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSending = Sending.TestCase
