"""What leaves and when, whether the router lives, and what it has read: by the clock alone."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.i3.gateway import GatewaySettings, RouterAddress
from holdfast.apps.i3.gateway.pacing import PATIENCE, Pacer, Priority
from holdfast.apps.i3.gateway.probe import Beat, Probe
from holdfast.apps.i3.gateway.unconfirmed import Recent, Unconfirmed

HUB = RouterAddress("*hub", "192.0.2.1", 8080)


def settings(**more: Any) -> GatewaySettings:
    return GatewaySettings(mud_name="Harbour", routers=(HUB,), **more)


# --- pacing -------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from(list(Priority)), st.floats(0, 3)), max_size=60),
    st.floats(0.5, 50),
    st.integers(1, 10),
)
def test_never_more_leaves_than_the_rate_allows_and_nothing_that_had_room_is_lost(
    offers: list[tuple[Priority, float]], rate: float, burst: int
) -> None:
    pacer: Pacer[int] = Pacer(rate, burst, 40)
    now, left, taken = 0.0, [], set()
    for number, (priority, pause) in enumerate(offers):
        now += pause
        while (item := pacer.take(now)) is not None:
            left.append((now, item))
        if pacer.passes(now):
            left.append((now, number))
            taken.add(number)
        elif pacer.offer(priority, number, now):
            taken.add(number)
    while pacer.waiting:
        at = pacer.next_at
        assert at is not None, "what waits has a turn"
        now = max(now, at)
        while (item := pacer.take(now)) is not None:
            left.append((now, item))
    assert {item for _, item in left} == taken
    assert len(left) == len(taken)
    for first in range(len(left)):
        for last in range(first, len(left)):
            window = left[last][0] - left[first][0]
            assert last - first + 1 <= burst + window * rate + 1e-6


def test_tells_go_before_lines_and_lines_before_probes_but_nobody_waits_for_ever() -> None:
    pacer: Pacer[str] = Pacer(1.0, 1, 100)
    assert pacer.passes(0.0)
    for priority in (Priority.PROBE, Priority.CHANNEL, Priority.ANSWER, Priority.MESSAGE):
        assert pacer.offer(priority, priority.name, 0.0)
    order = []
    now = 0.0
    while pacer.waiting:
        now += 1.0
        assert pacer.offer(Priority.MESSAGE, "another", now) or now > PATIENCE
        if (item := pacer.take(now)) is not None:
            order.append(item)
        if "PROBE" in order:
            break
    assert order[0] == "MESSAGE"
    assert set(order) == {"MESSAGE", "ANSWER", "CHANNEL", "PROBE", "another"} - (
        set() if "another" in order else {"another"}
    )
    assert now <= 4 * PATIENCE


def test_the_bound_is_told_and_a_probe_always_has_room() -> None:
    pacer: Pacer[int] = Pacer(2.0, 1, 3)
    assert pacer.passes(0.0)
    assert [pacer.offer(Priority.MESSAGE, n, 0.0) for n in range(4)] == [True, True, True, False]
    assert pacer.retry_after == 1.0
    assert pacer.offer(Priority.PROBE, 9, 0.0)


def test_without_a_rate_nothing_waits() -> None:
    pacer: Pacer[int] = Pacer(None, 1, 3)
    assert all(pacer.passes(0.0) for _ in range(1000))


def test_a_router_that_throws_packets_away_is_sent_none_for_a_while() -> None:
    pacer: Pacer[int] = Pacer(8.0, 8, 10)
    pacer.pause(5.0)
    assert not pacer.passes(1.0)
    assert pacer.offer(Priority.MESSAGE, 1, 1.0)
    assert pacer.take(4.9) is None
    assert pacer.take(5.0) == 1


# --- the probe ----------------------------------------------------------------------------------


class Line:
    """A router seen by its probe: plays time until it is left."""

    def __init__(self, *, returns: bool, talks_every: float | None = None, **more: Any) -> None:
        self.probe = Probe(settings(**more))
        self.returns = returns
        self.talks_every = talks_every
        self.probes: list[float] = []

    def begin(self, now: float) -> None:
        self.probe.begin("*hub", now)

    def until_left(self, now: float, limit: float) -> float | None:
        """Return when it is left, None if it is not by then."""
        talks_at = float("inf") if self.talks_every is None else now + self.talks_every
        while now < limit:
            now = min(self.probe.next_at, talks_at)
            if now == talks_at and self.talks_every is not None:
                self.probe.heard(now)
                talks_at += self.talks_every
                continue
            beat = self.probe.beat(now)
            if beat is Beat.DEAD:
                return now
            if beat is Beat.PROBE:
                self.probes.append(now)
                if self.returns:
                    self.probe.returned(now + 0.1)
        return None


def test_a_router_that_returns_probes_is_never_left() -> None:
    line = Line(returns=True)
    line.begin(0.0)
    assert line.until_left(0.0, 100_000.0) is None
    assert line.probe.returns is True


@given(st.floats(0, 1000))
def test_one_that_stops_returning_is_left_within_ninety_seconds(silent_from: float) -> None:
    line = Line(returns=True)
    line.begin(0.0)
    assert line.until_left(0.0, 2.0 + silent_from) is None
    line.returns = False
    left = line.until_left(max(line.probes), 10_000.0)
    assert left is not None
    assert left - max(silent_from, line.probe.heard_at) <= 90.0


def test_one_of_which_nothing_is_known_and_that_is_silent_is_left_within_ninety_seconds_once() -> (
    None
):
    line = Line(returns=False)
    line.begin(0.0)
    first = line.until_left(0.0, 10_000.0)
    assert first is not None
    assert first <= 90.0
    line.probe.end()
    line.begin(100.0)
    assert line.until_left(100.0, 900.0) is None, "it swallows probes: only a long silence counts"
    assert line.probe.returns is False
    left = line.until_left(900.0, 10_000.0)
    assert left == 1000.0


def test_one_that_talks_and_swallows_probes_is_not_left() -> None:
    line = Line(returns=False, talks_every=20.0)
    line.begin(0.0)
    assert line.until_left(0.0, 100_000.0) is None


def test_what_was_learnt_of_a_router_is_remembered_over_another_one() -> None:
    probe = Probe(settings())
    probe.begin("*hub", 0.0)
    assert probe.beat(1.0) is Beat.PROBE
    assert probe.returned(1.5)
    assert probe.rtt == 0.5
    probe.begin("*spare", 10.0)
    assert probe.returns is None
    probe.begin("*hub", 20.0)
    assert probe.returns is True


def test_messages_that_wait_to_be_confirmed_bring_the_probe_forward() -> None:
    probe = Probe(settings(confirm_interval=2.0))
    probe.begin("*hub", 0.0)
    assert probe.beat(1.0) is Beat.PROBE
    probe.returned(1.0)
    probe.wanted(1, 5.0)
    assert probe.next_at == 7.0
    probe.wanted(500, 5.5)
    assert probe.next_at == 5.5


# --- what was read ------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["say", "probe", "return", "error", "lose"]), max_size=80))
def test_a_message_is_confirmed_only_if_a_probe_after_it_came_back(steps: list[str]) -> None:
    unconfirmed = Unconfirmed()
    said: list[str] = []
    open_ids: list[str] = []
    before_probe: list[str] | None = None
    told: list[str] = []
    for number, step in enumerate(steps):
        if step == "say":
            said.append(f"{number}")
            open_ids.append(f"{number}")
            unconfirmed.add(f"{number}", ["tell"], 10, float(number))
        elif step == "probe" and before_probe is None:
            unconfirmed.probed()
            before_probe = list(open_ids)
        elif step == "return" and before_probe is not None:
            unconfirmed.confirmed()
            open_ids = [each for each in open_ids if each not in before_probe]
            before_probe = None
        elif step == "error" and open_ids:
            middle = len(open_ids) // 2
            unconfirmed.read_up_to(unconfirmed._handed[middle].number)
            open_ids = open_ids[middle + 1 :]
        elif step == "lose":
            left = [each.id for each in unconfirmed.lost()]
            assert left == open_ids
            told += left
            open_ids, before_probe = [], None
        assert len(unconfirmed) == len(open_ids)
        assert unconfirmed.bytes == 10 * len(open_ids)
    assert len(told) == len(set(told))


def test_an_error_about_one_of_two_equal_messages_is_about_the_older_and_then_the_other() -> None:
    unconfirmed, recent = Unconfirmed(), Recent()
    value = ["tell", 5, "Harbour", "ann", "Old Keep", "bo", "Ann", "hi"]
    for id_ in ("first", "second"):
        recent.add(unconfirmed.add(id_, value, 10, 0.0))
    found = []
    for _ in range(3):
        handed = recent.about(["tell", 4, *value[2:]], "ann")
        if handed is not None:
            found.append(handed.id)
            recent.settled(handed)
    assert found == ["first", "second"]


def test_an_error_without_its_packet_is_about_the_last_message_of_that_user() -> None:
    unconfirmed, recent = Unconfirmed(), Recent(most=2)
    for user in ("ann", "bob", "ann"):
        value = ["tell", 5, "Harbour", user, "Old Keep", "bo", user, "hi"]
        recent.add(unconfirmed.add(user, value, 10, 0.0))
    found = recent.about(None, "ann")
    assert found is not None
    assert found.number == 3
    assert recent.about(None, "") is None
    assert recent.about(None, "cy") is None
