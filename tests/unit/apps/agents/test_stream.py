"""One direction of a stream: whole and in order, or broken; neither end keeps more than a window."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from holdfast.apps.agents import ConversationSettings, limits
from holdfast.apps.agents.effects import Effect, Send
from holdfast.apps.agents.stream import Inflow, Outflow
from holdfast.apps.agents.wire import Ask, Broken, Chunk, Credit

SETTINGS = ConversationSettings()
WITHIN = 30.0


def sent(effects: list[Effect]) -> list[object]:
    return [effect.frame for effect in effects if isinstance(effect, Send)]


def test_a_reader_that_asks_often_does_not_put_off_what_is_to_be_sent_again() -> None:
    out = Outflow("s", SETTINGS, is_up=False)
    out.write(b"1", 0.0, WITHIN)
    due = out.next_deadline()
    assert due is not None

    for tenth in range(1, 10):
        out.credited(Credit("s", False, 0, limits.STREAM_WINDOW), due * tenth / 10)

    assert out.next_deadline() == due
    assert sent(out.on_time(due, WITHIN)) == [Chunk("s", False, 0, b"1", False)]


def test_a_writer_without_a_sign_of_its_reader_gives_up_in_time() -> None:
    out = Outflow("s", SETTINGS, is_up=False)
    out.write(b"1", 0.0, WITHIN)

    while (due := out.next_deadline()) is not None:
        assert due <= SETTINGS.patience + SETTINGS.chunk_resend * 2**4
        out.credited(Credit("s", False, 0, limits.STREAM_WINDOW), due)
        out.on_time(due, WITHIN)

    assert out.error is not None
    assert out.is_done


def test_one_that_sends_more_than_it_may_breaks_the_stream() -> None:
    inflow = Inflow("s", SETTINGS, is_up=True)

    effects = inflow.arrived(Chunk("s", True, limits.STREAM_WINDOW, b"1", False), 0.0, WITHIN)

    assert sent(effects) == [Broken("s", True)]
    assert inflow.error is not None


def test_a_lost_credit_is_asked_for() -> None:
    out = Outflow("s", SETTINGS, is_up=True)
    for number in range(limits.STREAM_WINDOW):
        out.write(b"%d" % number, 0.0, WITHIN)
    out.credited(Credit("s", True, limits.STREAM_WINDOW, limits.STREAM_WINDOW), 1.0)
    assert not out.has_room
    out.wait(1.0)
    due = out.next_deadline()
    assert due is not None

    assert sent(out.on_time(due, WITHIN)) == [Ask("s", True)]


@given(seed=st.integers(0, 2**32), count=st.integers(0, 60), is_up=st.booleans())
def test_whatever_is_lost_doubled_and_overtaken_it_is_whole_and_in_order(
    seed: int, count: int, *, is_up: bool
) -> None:
    patient = ConversationSettings(patience=1e9)
    out, inflow = Outflow("s", patient, is_up=is_up), Inflow("s", patient, is_up=is_up)
    way: list[object] = []
    read: list[bytes] = []
    now, written = 0.0, 0
    chance = random.Random(seed)

    for _ in range(4000):
        if out.is_done and inflow.is_read:
            break
        if written < count and out.has_room:
            way += sent(out.write(b"%d" % written, now, WITHIN))
            written += 1
        elif written == count and not out.is_ended:
            way += sent(out.end(now, WITHIN))
        elif written < count:
            out.wait(now)
        if way and chance.random() < 0.9:
            frame = way.pop(chance.randrange(len(way)))
            if chance.random() < 0.2:
                way.append(frame)
            if chance.random() < 0.3:
                continue  # lost
            match frame:
                case Chunk():
                    way += sent(inflow.arrived(frame, now, WITHIN))
                case Ask():
                    way += sent(inflow.asked(WITHIN))
                case Credit():
                    out.credited(frame, now)
        elif inflow.has_piece and chance.random() < 0.7:
            body, effects = inflow.take(WITHIN)
            read.append(body)
            way += sent(effects)
        else:
            dues = [at for at in (out.next_deadline(), inflow.next_deadline()) if at is not None]
            now = max(now, min(dues, default=now))
            way += sent(out.on_time(now, WITHIN))
            way += sent(inflow.on_time(now, WITHIN))
        assert len(inflow._ready) + len(inflow._early) <= limits.STREAM_WINDOW + 1
        assert len(out._unconfirmed) <= limits.STREAM_WINDOW + 1

    assert read == [b"%d" % number for number in range(len(read))]
    assert out.error is None
    assert len(read) == count
