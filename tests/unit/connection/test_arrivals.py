"""What came and was not read yet: in order, bounded, and all of it at once for who cannot wait."""

from __future__ import annotations

from typing import Any, cast

from holdfast.connection._arrivals import Arrivals


class Tap:
    """What is known of a transport here."""

    def __init__(self) -> None:
        self.is_open = True

    def pause(self) -> None:
        self.is_open = False

    def resume(self) -> None:
        self.is_open = True


async def test_messages_are_read_in_the_order_in_which_they_came() -> None:
    arrivals = Arrivals(10)
    for message in (b"1", b"2"):
        arrivals.add(message, None)
    assert [await arrivals.next(lambda: None) for _ in range(2)] == [b"1", b"2"]


async def test_a_peer_waits_while_too_much_is_unread_and_goes_on_at_half() -> None:
    arrivals, tap = Arrivals(4), Tap()
    for number in range(4):
        arrivals.add(b"%d" % number, cast("Any", tap))
    assert not tap.is_open
    await arrivals.next(lambda: None)
    assert not tap.is_open
    await arrivals.next(lambda: None)
    assert tap.is_open


def test_all_that_waits_can_be_taken_at_once_and_the_peer_goes_on() -> None:
    arrivals, tap = Arrivals(2), Tap()
    arrivals.add(b"1", cast("Any", tap))
    arrivals.add(b"2", cast("Any", tap))
    assert arrivals.take() == [b"1", b"2"]
    assert tap.is_open
    assert arrivals.take() == []
