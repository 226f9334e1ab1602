"""Order within a pair, and when what waits is carried: pure machines."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import limits
from holdfast.mailbox import GatewayAddress
from holdfast.node import NodeSettings, _marks
from holdfast.node._courier import Courier
from holdfast.node.machine import Incoming, Outgoing, Verdict

GATE = GatewayAddress("gate", 7000, bytes(32))


def take(incoming: Incoming, seq: int, shown: list[int]) -> None:
    """Do what the verdict says, as a node does."""
    verdict = incoming.judge(0, seq, 10)
    if verdict is Verdict.NEXT:
        following: int | None = seq
        while following is not None:
            shown.append(following)
            following = incoming.handed_over()
    elif verdict is Verdict.HOLD:
        incoming.hold(seq, 10)


@settings(max_examples=150)
@given(
    st.integers(1, 30).flatmap(
        lambda count: st.lists(st.integers(1, count), max_size=120).map(lambda seen: (count, seen))
    )
)
def test_whatever_comes_is_handed_over_once_and_in_order(drawn: tuple[int, list[int]]) -> None:
    count, seen = drawn
    incoming, shown = Incoming(), list[int]()
    for seq in seen:
        take(incoming, seq, shown)
        assert shown == list(range(1, len(shown) + 1))
    for seq in range(1, count + 1):  # all come again, as they do until they are acknowledged
        take(incoming, seq, shown)
    assert shown == list(range(1, count + 1))
    assert not incoming.held


@settings(max_examples=100)
@given(st.integers(0, 2**32))
def test_over_a_line_that_loses_doubles_and_reorders_all_arrives(seed: int) -> None:
    chance = random.Random(seed)
    outgoing, incoming, shown = Outgoing(), Incoming(), list[int]()
    for _ in range(20):
        outgoing.number()
    for _ in range(2000):
        if not outgoing.waiting:
            break
        for seq in chance.sample(
            sorted(outgoing.waiting), chance.randint(0, len(outgoing.waiting))
        ):
            if chance.random() > 0.3:
                take(incoming, seq, shown)
        if chance.random() > 0.3:
            outgoing.acknowledged(0, incoming.through, incoming.runs())
    assert shown == list(range(1, 21))
    assert not outgoing.waiting


def test_what_was_shown_is_a_duplicate_for_ever() -> None:
    incoming, shown = Incoming(), list[int]()
    for seq in (1, 2, 3):
        take(incoming, seq, shown)
    assert [incoming.judge(0, seq, 10) for seq in (1, 2, 3)] == [Verdict.DUPLICATE] * 3


def test_without_reorder_what_comes_too_early_is_dropped() -> None:
    assert Incoming().judge(0, 2, 10, reorder=False) is Verdict.FULL
    assert Incoming().judge(0, 2, 10) is Verdict.HOLD


@pytest.mark.parametrize("seq", [limits.NODE_HELD_MAX + 1, 2**40])
def test_what_lies_too_far_ahead_is_not_held(seq: int) -> None:
    assert Incoming().judge(0, seq, 10) is Verdict.FULL


def test_what_is_held_back_has_a_bound_in_bytes() -> None:
    incoming = Incoming()
    incoming.hold(2, limits.NODE_HELD_BYTES_MAX)
    assert incoming.judge(0, 3, 1) is Verdict.FULL
    assert incoming.judge(0, 1, 1) is Verdict.NEXT


@pytest.mark.parametrize(
    ("epoch", "seq", "verdict"),
    [
        (2, 1, Verdict.OLD_SESSION),
        (3, 1, Verdict.NEXT),
        (4, 1, Verdict.NEW_SESSION),
        (4, 2, Verdict.FULL),
        (5, 1, Verdict.FULL),
    ],
)
def test_only_the_next_session_can_begin_and_only_with_its_first(
    epoch: int, seq: int, verdict: Verdict
) -> None:
    assert Incoming(epoch=3).judge(epoch, seq, 10) is verdict


def test_an_acknowledgement_names_what_is_missing() -> None:
    outgoing = Outgoing()
    for _ in range(6):
        outgoing.number()
    told = outgoing.acknowledged(0, 1, ((3, 3), (5, 5)))
    assert (told.done, told.missing, told.gone) == ((1,), (2, 4), ())
    # back-dated: it takes nothing back, and what was done before and is missed again is gone
    told = outgoing.acknowledged(0, 0, ((2, 2),))
    assert (told.done, told.missing, told.gone) == ((), (), (1,))


def test_what_is_held_back_is_not_done_before_it_was_handed_over() -> None:
    outgoing = Outgoing()
    for _ in range(3):
        outgoing.number()
    assert not outgoing.acknowledged(0, 0, ((2, 3),)).done
    assert outgoing.waiting == {1, 2, 3}, "a new session would forget what is held back"
    assert outgoing.acknowledged(0, 3, ()).done == (1, 2, 3)


def test_another_mark_at_a_number_betrays_a_backup_and_settles_nothing() -> None:
    outgoing = Outgoing()
    for _ in range(3):
        outgoing.number()
    assert outgoing.acknowledged(0, 2, (), agrees=False).is_set_back
    assert outgoing.waiting == {1, 2, 3}


def test_both_sides_have_one_mark_for_the_same_messages_and_another_for_others() -> None:
    outgoing, incoming, forked = Outgoing(), Incoming(), Outgoing()
    for text in (b"one", b"two"):
        outgoing.number(_marks.told(text))
        incoming.handed_over(_marks.told(text))
        forked.number(_marks.told(text if text == b"one" else b"three"))
    assert outgoing.mark == incoming.mark != forked.mark
    incoming.handed_over()  # a hole
    assert _marks.agree(incoming.mark, forked.mark)
    assert not _marks.agree(outgoing.mark, forked.mark)


def test_an_acknowledgement_of_what_was_never_said_betrays_a_backup() -> None:
    assert Outgoing().acknowledged(0, 1, ()).is_set_back
    assert not Outgoing().acknowledged(1, 1, ()).is_set_back


def test_the_window_is_bounded() -> None:
    outgoing = Outgoing()
    while outgoing.room:
        outgoing.number()
    assert len(outgoing.waiting) == limits.NODE_WINDOW
    outgoing.acknowledged(0, 1, ())
    assert outgoing.room


# --- the courier ------------------------------------------------------------------------------


def a_courier(*, retry: bool = True) -> Courier:
    knobs = NodeSettings(gateways=(GATE,), mode="direct", retry=retry)
    return Courier(knobs, random.Random(1))


def test_the_most_urgent_goes_first_and_of_equals_the_oldest() -> None:
    courier = a_courier()
    for seq, priority in ((1, 1), (2, 5), (3, 1), (4, 5)):
        courier.add(("ann", seq), priority, 0.0)
    taken = [found[0][1] for _ in range(4) if (found := courier.take(0.0)) is not None]
    assert taken == [2, 4, 1, 3]
    assert courier.take(0.0) is None


def test_what_failed_is_tried_again_ever_more_rarely_and_for_ever() -> None:
    courier = a_courier()
    courier.add(("ann", 1), 1, 0.0)
    now, waits = 0.0, []
    for _ in range(40):
        assert courier.take(now) is not None
        courier.landed(("ann", 1), now, taken=False)
        waits.append(courier.next_at - now)
        now = courier.next_at
    assert max(waits) <= 60.0
    assert sum(waits[20:]) > sum(waits[:10])


def test_what_no_gateway_takes_is_counted_until_one_does() -> None:
    courier = a_courier()
    courier.add(("bob", 1), 1, 0.0)
    now, counted = 0.0, []
    for _ in range(4):
        now = max(now, courier.next_at) if courier.next_at < 1e9 else now
        assert courier.take(now) is not None
        courier.landed(("bob", 1), now, taken=False)
        counted.append(courier.failing)
    assert counted == [0, 0, 1, 1]
    assert courier.take(courier.next_at) is not None
    courier.landed(("bob", 1), now, taken=True)
    assert courier.failing == 0


def test_a_gateway_that_names_a_time_is_left_alone_until_then() -> None:
    courier = a_courier()
    courier.add(("ann", 1), 1, 0.0)
    courier.take(0.0)
    courier.landed(("ann", 1), 0.0, taken=False, retry_after=100.0)
    assert courier.next_at >= 100.0


def test_what_lies_at_a_gateway_is_carried_to_another_until_it_arrived() -> None:
    courier = a_courier()
    courier.add(("ann", 1), 1, 0.0)
    now = 0.0
    for copies in range(5):
        assert courier.take(now) == (("ann", 1), copies)
        courier.landed(("ann", 1), now, taken=True)
        now = courier.next_at
    courier.done(("ann", 1))
    assert courier.next_at == float("inf")
    assert not len(courier)


def test_without_retry_only_a_wish_repeats() -> None:
    courier = a_courier(retry=False)
    courier.add(("ann", 1), 1, 0.0)
    courier.take(0.0)
    courier.landed(("ann", 1), 0.0, taken=False)
    assert courier.next_at == float("inf")
    courier.hurry(5.0)
    assert courier.take(5.0) == (("ann", 1), 0)


def test_what_is_missing_is_due_at_once() -> None:
    courier = a_courier()
    courier.add(("ann", 1), 1, 0.0)
    courier.take(0.0)
    courier.missing(("ann", 1), 0.0)  # it flies: nothing to be done
    assert courier.take(0.0) is None
    courier.landed(("ann", 1), 0.0, taken=True)
    courier.missing(("ann", 1), 1.0)
    assert courier.take(1.0) == (("ann", 1), 1)
