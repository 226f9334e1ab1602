"""How a client takes refusals, gaps and dropped frames without losing or doubling anything."""

from __future__ import annotations

from msgspec import Raw

from holdfast.session import wire
from holdfast.session.client_machine import (
    RENEWALS_MAX,
    ClientMachine,
    Delivered,
    Effect,
    Postponed,
    Renumbered,
    Transmit,
)

STREAM = "stream-a"


def opened() -> ClientMachine:
    client = ClientMachine(STREAM, None)
    client.connected()
    channels = {
        "@me": wire.CatchUp("e0", 0, snapshot=Raw(b"{}")),
        "room": wire.CatchUp("e1", 0, snapshot=Raw(b"{}")),
    }
    client.received(wire.Welcome("s", "t", 0, 15_000, 30_000, channels))
    return client


def refusal(code: int, seq: int | None = None, stream: str = STREAM) -> wire.Error:
    return wire.Error(code, "-", "-", 0.5, stream if seq is not None else None, seq)


def sent(effects: list[Effect]) -> list[tuple[str, int]]:
    frames = [effect.frame for effect in effects if isinstance(effect, Transmit)]
    return [(frame.stream, frame.seq) for frame in frames if isinstance(frame, wire.Send)]


def event(offset: int) -> wire.Event:
    return wire.Event("room", offset, Raw(b"%d" % offset))


def test_many_refusals_are_one_delay_and_nothing_is_sent_meanwhile() -> None:
    client = opened()
    client.send("a")
    client.send("b")

    assert client.received(refusal(2001, 1)) == [Postponed(0.5)]
    assert client.received(refusal(2001, 2)) == []
    assert client.send("c") == (3, [])

    assert sent(client.send_again()) == [(STREAM, 1), (STREAM, 2), (STREAM, 3)]
    assert client.send_again() == []


def test_a_delay_of_an_earlier_connection_sends_nothing_twice() -> None:
    client = opened()
    client.send("a")
    client.received(refusal(2001, 1))
    client.lost()
    client.connected()
    client.received(wire.Restored("s", "t", 0, 15_000, 30_000, {STREAM: 0}, {}))

    assert client.send_again() == []


def test_a_gap_that_follows_from_a_refusal_does_not_begin_a_new_stream() -> None:
    client = opened()
    client.send("a")
    client.send("b")
    client.received(refusal(2001, 1))
    client.send_again()

    assert client.received(refusal(7005, 2)) == []
    assert client.pending == 2


def test_a_server_that_knows_no_stream_is_given_time() -> None:
    client = opened()
    client.send("a")
    stream, streams = STREAM, [STREAM]
    for _ in range(RENEWALS_MAX):
        renumbered, *again = client.received(refusal(7005, 1, stream))
        assert renumbered == Renumbered()
        ((stream, seq),) = sent(again)
        assert seq == 1
        streams.append(stream)

    assert len(set(streams)) == len(streams)
    assert client.received(refusal(7005, 1, STREAM)) == [], "of a stream that was left behind"
    assert client.received(refusal(7005, 1, stream)) == [Postponed(0.5)]


def test_a_refusal_without_a_name_may_have_been_of_the_sync_too() -> None:
    client = opened()
    client.send("a")
    client.received(event(2))

    assert client.received(refusal(2001)) == [Postponed(0.5)]

    sync, *again = client.send_again()
    assert isinstance(sync, Transmit)
    assert isinstance(sync.frame, wire.Sync)
    assert sent(again) == [(STREAM, 1)]


def test_a_resync_asks_again_although_an_answer_is_awaited() -> None:
    client = opened()
    (asked,) = client.received(event(2))

    assert client.received(wire.Resync()) == [asked], "the answer may be among what was dropped"
    assert client.received(event(3)) == []
    caught_up = wire.CatchUp("e1", 3, events=[(n, Raw(b"%d" % n)) for n in (1, 2, 3)])
    events = client.received(wire.Synced({STREAM: 0}, {"room": caught_up}))
    assert events == [Delivered("room", n) for n in (1, 2, 3)]
