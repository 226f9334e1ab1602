"""Whether the other end still answers."""

from __future__ import annotations

from holdfast.connection.heartbeat import Beat, HeartbeatMachine


def test_a_ping_is_due_after_each_interval_and_its_answer_is_measured() -> None:
    one = HeartbeatMachine(0.0, 15.0, 10.0)
    assert one.beat(14.9) is Beat.NOTHING
    assert one.beat(15.0) is Beat.PING
    assert one.number == 1
    assert one.answered(15.2, 1)
    assert one.rtt is not None
    assert abs(one.rtt - 0.2) < 1e-9
    assert one.beat(30.1) is Beat.NOTHING
    assert one.beat(30.2) is Beat.PING


def test_no_answer_is_the_end_although_the_kernel_says_nothing() -> None:
    one = HeartbeatMachine(0.0, 15.0, 10.0)
    one.beat(15.0)
    assert one.beat(24.9) is Beat.NOTHING
    assert one.beat(25.0) is Beat.DEAD


def test_bytes_buy_time_but_not_for_ever() -> None:
    one = HeartbeatMachine(0.0, 15.0, 10.0)
    one.beat(15.0)
    for now in range(16, 45):
        one.heard(now)
        assert one.beat(now) is Beat.NOTHING
    assert one.beat(45.0) is Beat.DEAD


def test_an_old_answer_proves_nothing_about_now() -> None:
    one = HeartbeatMachine(0.0, 15.0, 10.0)
    one.beat(15.0)
    one.probe(16.0, within=2.0)
    assert one.beat(16.0) is Beat.PING
    assert not one.answered(16.5, 1)
    assert one.beat(18.5) is Beat.DEAD


def test_a_probe_is_quick_and_later_pings_are_patient_again() -> None:
    one = HeartbeatMachine(0.0, 15.0, 10.0)
    one.probe(3.0, within=2.0)
    assert one.beat(3.0) is Beat.PING
    assert one.answered(3.1, 1)
    assert one.beat(18.1) is Beat.PING
    assert one.beat(27.0) is Beat.NOTHING
    assert one.beat(28.1) is Beat.DEAD


def test_a_short_interval_is_kept_although_an_answer_may_take_longer() -> None:
    one = HeartbeatMachine(0.0, 1.0, 10.0)
    assert one.beat(1.0) is Beat.PING
    one.answered(1.1, 1)
    assert one.next_at <= 2.1, "who sleeps until then sends the next ping in time"


def test_peers_that_know_no_pings_get_none() -> None:
    one = HeartbeatMachine(0.0, None, 10.0)
    one.probe(1.0, within=1.0)
    assert one.next_at == float("inf")
