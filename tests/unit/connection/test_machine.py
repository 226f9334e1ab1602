"""When a connection is tried, and when it is given up."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.connection import ConnectionSettings, ConnectionState, Reason
from holdfast.connection.machine import MIN_DELAY, ConnectionMachine
from holdfast.connection.states import TABLE, Happening

S = ConnectionState


def machine(**more: float) -> ConnectionMachine:
    settings = ConnectionSettings(**more)  # type: ignore[arg-type]
    return ConnectionMachine(settings, random.Random(1))


def fails(one: ConnectionMachine, now: float) -> float:
    """An attempt at ``now`` fails; returns the delay to the next one."""
    one.tried(now, "a:1")
    one.failed(now, Reason.REFUSED, "nobody there")
    assert one.next_at is not None
    return one.next_at - now


def test_the_first_attempt_is_at_once_and_later_ones_spread_ever_wider() -> None:
    one = machine(initial_delay=1.0, max_delay=30.0)
    one.wanted(0.0)
    assert one.next_at == 0.0
    for round_ in range(12):
        assert MIN_DELAY <= fails(one, 0.0) <= min(30.0, 2.0**round_)


def test_only_a_connection_that_held_begins_the_delays_anew() -> None:
    one = machine(initial_delay=1.0, max_delay=1024.0, stable_after=10.0)
    one.wanted(0.0)
    for _ in range(10):
        fails(one, 0.0)
    one.tried(0.0, "a:1")
    one.opened(100.0)
    one.lost(105.0, Reason.RESET, "")
    assert one.attempts == 11, "it broke at once: no success"
    one.tried(200.0, "a:1")
    one.opened(200.0)
    one.lost(211.0, Reason.RESET, "")
    assert one.attempts == 0
    assert one.next_at is not None
    assert one.next_at <= 212.0


def test_another_address_is_tried_at_once_and_a_busy_peer_is_left_in_peace() -> None:
    one = machine(failover_delay=0.05)
    one.wanted(0.0)
    one.tried(0.0, "a:1")
    one.failed(0.0, Reason.REFUSED, "", has_other=True)
    assert one.next_at == 0.05
    one.tried(1.0, "b:1")
    one.failed(1.0, Reason.BUSY, "", retry_after=60.0)
    assert one.next_at == 61.0


def test_it_is_given_up_when_it_was_told_so_and_can_be_wanted_again() -> None:
    one = machine(max_attempts=2)
    one.wanted(0.0)
    fails(one, 0.0)
    one.tried(1.0, "a:1")
    one.failed(1.0, Reason.REFUSED, "")
    assert one.state is S.FAILED
    assert one.next_at is None
    one.wanted(5.0)
    assert (one.state, one.next_at, one.attempts) == (S.CONNECTING, 5.0, 0)


def test_who_hurries_does_not_hammer() -> None:
    one = machine(initial_delay=100.0)
    one.wanted(0.0)
    fails(one, 0.0)
    one.hurry(0.01)
    assert one.next_at == MIN_DELAY
    one.hurry(20.0)
    assert one.next_at == MIN_DELAY, "not later than planned"


def test_changes_tell_the_whole_story() -> None:
    one = machine()
    one.wanted(0.0)
    fails(one, 0.0)
    one.tried(1.0, "a:1")
    one.opened(1.0)
    one.idled(2.0)
    one.wanted(3.0)
    one.closed(4.0)
    told = [(change.old, change.new, change.reason) for change in one.changes]
    assert told == [
        (S.DISCONNECTED, S.CONNECTING, None),
        (S.CONNECTING, S.CONNECTING, Reason.REFUSED),
        (S.CONNECTING, S.CONNECTED, None),
        (S.CONNECTED, S.DISCONNECTED, Reason.IDLE),
        (S.DISCONNECTED, S.CONNECTING, None),
        (S.CONNECTING, S.DISCONNECTED, Reason.REQUESTED),
    ]
    one.closed(5.0)
    assert len(one.changes) == len(told), "closed once"


@given(st.lists(st.sampled_from(list(Happening)), max_size=30))
def test_every_path_through_the_table_stays_in_it(happenings: list[Happening]) -> None:
    state = S.DISCONNECTED
    for what in happenings:
        state = TABLE.get((state, what), state)
        assert (state, Happening.CLOSED) in TABLE


@pytest.mark.parametrize("state", list(S))
def test_every_state_can_be_left_and_reached(state: ConnectionState) -> None:
    assert any(old is state for old, _ in TABLE)
    assert state in TABLE.values()
