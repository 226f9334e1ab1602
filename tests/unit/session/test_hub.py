"""What the hub promises, told as short conversations without any socket."""

from __future__ import annotations

import msgspec
import pytest

from holdfast.session import HubSettings, PresenceState
from tests.support.links import TestClient, a_hub
from tests.support.room import Room


async def test_hello_is_answered_with_a_session_and_the_state_of_its_channels() -> None:
    hub, _ = await a_hub(Room())

    welcome = TestClient(hub).hello()

    assert welcome["t"] == "welcome"
    assert welcome["now"] == 1_790_000_000_000
    assert welcome["channels"]["room"]["snapshot"] == {"count": 0}
    assert welcome["channels"]["room"]["offset"] == 0
    assert welcome["channels"]["@me"]["snapshot"] == {}


async def test_a_message_reaches_all_and_is_answered_before_it_is_acknowledged() -> None:
    hub, _ = await a_hub(Room())
    ada, bob = TestClient(hub), TestClient(hub)
    ada.hello()
    bob.hello()

    ada.send({"say": "hi"})

    event, reply, ack = ada.take()
    assert event == {"t": "event", "ch": "room", "o": 1, "data": {"say": "hi"}}
    assert reply["ch"] == "@me"
    assert reply["data"] == {"re": {"stream": "stream-a", "seq": 1}, "ok": {"n": 1}}
    assert ack == {"t": "ack", "stream": "stream-a", "seq": 1}
    assert bob.take() == [event]


async def test_a_repeated_message_is_acknowledged_but_not_handled_again() -> None:
    room = Room()
    hub, _ = await a_hub(room)
    ada = TestClient(hub)
    ada.hello()
    ada.send({"say": "once"})
    ada.take()

    ada.send({"say": "once"}, seq=1)

    assert room.said == ["once"]
    assert ada.take() == [{"t": "ack", "stream": "stream-a", "seq": 1}]


async def test_a_gap_in_the_numbers_is_an_error_and_nothing_is_handled() -> None:
    room = Room()
    hub, _ = await a_hub(room)
    ada = TestClient(hub)
    ada.hello()

    ada.send({"say": "late"}, seq=3)

    (error,) = ada.take()
    assert (error["name"], error["stream"], error["seq"]) == ("SEQUENCE_GAP", "stream-a", 3)
    assert room.said == []


async def test_who_comes_back_gets_just_what_was_missed() -> None:
    hub, _ = await a_hub(Room())
    ada, bob = TestClient(hub), TestClient(hub)
    epoch = ada.hello()["channels"]["room"]["epoch"]
    bob.hello()
    ada.cut()
    bob.send({"say": "one"})
    bob.send({"say": "two"})

    ada.connect()
    restored = ada.resume(channels={"room": [epoch, 0]})

    assert restored["channels"]["room"]["events"] == [[1, {"say": "one"}], [2, {"say": "two"}]]
    assert "snapshot" not in restored["channels"]["room"]


async def test_who_is_too_far_behind_is_told_so_and_given_a_snapshot() -> None:
    hub, _ = await a_hub(
        Room(),
        settings=HubSettings(
            frame_rate=10_000, frame_burst=10_000, message_rate=10_000, message_burst=10_000
        ),
    )
    ada, bob = TestClient(hub), TestClient(hub)
    epoch = ada.hello()["channels"]["room"]["epoch"]
    bob.hello()
    ada.cut()
    for _ in range(300):
        bob.send({"say": "x"})

    ada.connect()
    restored = ada.resume(channels={"room": [epoch, 0]})

    room = restored["channels"]["room"]
    assert (room["reset"], room["snapshot"], room["offset"]) == ("gap", {"count": 300}, 300)


async def test_a_position_of_another_log_is_answered_with_a_reset() -> None:
    hub, _ = await a_hub(Room())
    ada = TestClient(hub)
    ada.hello()
    ada.cut()

    ada.connect()
    restored = ada.resume(channels={"room": ["another", 7]})

    assert restored["channels"]["room"]["reset"] == "epoch"


async def test_the_newest_connection_wins_also_while_the_old_one_looks_open() -> None:
    room = Room()
    hub, _ = await a_hub(room)
    old = TestClient(hub)
    old.hello()
    new = TestClient(hub)
    new.session, new.token = old.session, old.token

    restored = new.resume()

    assert restored["t"] == "restored"
    (bye,) = old.take()
    assert (bye["name"], bye["again"]) == ("SESSION_REPLACED", False)
    assert old.link.closed is not None
    assert [state for _, state in room.presences] == [PresenceState.CONNECTED]
    old.send({"say": "from the old one"})
    assert room.said == []


async def test_the_old_token_is_good_until_the_new_one_is_confirmed() -> None:
    hub, _ = await a_hub(Room())
    ada = TestClient(hub)
    ada.hello()
    first = ada.token
    ada.connect()
    second = ada.resume()["token"]

    ada.connect()
    again = ada.resume(token=first)
    assert (again["t"], again["token"]) == ("restored", second)

    ada.say({"t": "confirm"})
    ada.connect()
    assert ada.resume(token=first)["name"] == "TOKEN_REJECTED"
    ada.connect()
    assert ada.resume(token=second)["t"] == "restored"


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (
            {"t": "resume", "v": 1, "stream": "stream-a", "session": "no", "token": "x"},
            "SESSION_EXPIRED",
        ),
        ({"t": "hello", "v": 2, "stream": "stream-a"}, "UNSUPPORTED_VERSION"),
        ({"t": "hello", "v": 1, "stream": "x"}, "MALFORMED_FRAME"),
        ({"t": "hello", "v": 1, "stream": "stream-a", "auth": {"refuse": True}}, "SESSION_REFUSED"),
        ({"t": "nonsense"}, "MALFORMED_FRAME"),
        ({"t": "send", "stream": "stream-a", "seq": 1, "body": {}}, "UNEXPECTED_FRAME"),
        ([1, 2], "MALFORMED_FRAME"),
    ],
)
async def test_a_bad_opening_ends_the_connection_with_a_reason(frame: object, name: str) -> None:
    hub, _ = await a_hub(Room())
    ada = TestClient(hub)

    ada.say(frame)  # type: ignore[arg-type]

    (bye,) = ada.take()
    assert (bye["t"], bye["name"]) == ("bye", name)
    assert ada.link.closed is not None
    assert not hub.sessions
    assert not hub.connections


async def test_a_malformed_frame_within_a_session_is_answered_and_the_session_goes_on() -> None:
    hub, _ = await a_hub(Room())
    ada = TestClient(hub)
    ada.hello()

    hub.received(ada.connection, b"\xff\xfe{")

    (error,) = ada.take()
    assert (error["t"], error["name"]) == ("error", "MALFORMED_FRAME")
    ada.send({"say": "still here"})
    assert ada.take()[-1]["t"] == "ack"


async def test_too_many_frames_are_refused_with_the_time_to_wait() -> None:
    hub, clock = await a_hub(Room(), settings=HubSettings(frame_rate=1, frame_burst=2))
    ada = TestClient(hub)
    ada.hello()
    ada.send({"say": "1"})
    ada.take()

    ada.send({"say": "2"}, seq=2)

    (error,) = ada.take()
    assert error["name"] == "RATE_LIMIT_EXCEEDED"
    assert 0 < error["retry_after"] <= 1
    clock.now += error["retry_after"]
    ada.send({"say": "2"}, seq=2)
    assert ada.take()[-1] == {"t": "ack", "stream": "stream-a", "seq": 2}


async def test_a_refusal_of_the_application_is_an_answer_and_is_acknowledged() -> None:
    hub, _ = await a_hub(Room())
    ada = TestClient(hub)
    ada.hello()

    ada.send({"refuse": 1})
    ada.send({"fail": 1})

    refused, first, failed, second = ada.take()
    assert refused["data"]["error"]["message"] == "I will not."
    assert failed["data"]["error"]["name"] == "APPLICATION_FAILED"
    assert (first["seq"], second["seq"]) == (1, 2)


async def test_silence_after_a_ping_ends_the_connection_and_grace_decides_what_it_means() -> None:
    room = Room()
    hub, clock = await a_hub(room)
    ada = TestClient(hub)
    ada.hello()

    def pass_time(seconds: float) -> None:
        end = clock.now + seconds
        while (due := hub.timers.next_deadline()) is not None and due <= end:
            clock.now = max(clock.now, due)
            hub.on_time(clock.now)
        clock.now = end

    pass_time(10)
    assert ada.take()[-1]["name"] == "HEARTBEAT_TIMEOUT"
    assert room.presences[-1][1] is PresenceState.TEMPORARILY_DISCONNECTED
    pass_time(29.9)
    assert room.presences[-1][1] is PresenceState.TEMPORARILY_DISCONNECTED
    pass_time(0.2)
    assert room.presences[-1][1] is PresenceState.DISCONNECTED
    pass_time(25 * 3600)
    assert not hub.sessions


async def test_pongs_keep_a_connection_and_measure_the_round_trip() -> None:
    hub, clock = await a_hub(Room())
    ada = TestClient(hub)
    ada.hello()

    for _ in range(20):
        clock.now += 0.05
        ada.say({"t": "pong", "n": ada.connection.pings})
        due = hub.timers.next_deadline()
        assert due is not None
        clock.now = max(clock.now, due)
        hub.on_time(clock.now)

    assert ada.link.closed is None
    rtt = hub.sessions[ada.session].rtt_ms()
    assert rtt == pytest.approx(50, abs=1)


async def test_a_slow_reader_is_told_to_resync_and_gets_everything_then() -> None:
    hub, _ = await a_hub(Room())
    slow, fast = TestClient(hub), TestClient(hub)
    epoch = slow.hello()["channels"]["room"]["epoch"]
    fast.hello()

    hub.overflowed(slow.connection)
    fast.send({"say": "one"})
    assert slow.take() == []
    hub.drained(slow.connection)
    assert slow.take() == [{"t": "resync"}]
    slow.say({"t": "sync", "channels": {"room": [epoch, 0]}})
    (synced,) = slow.take()

    assert synced["channels"]["room"]["events"] == [[1, {"say": "one"}]]
    fast.send({"say": "two"})
    assert slow.take() == [{"t": "event", "ch": "room", "o": 2, "data": {"say": "two"}}]


async def test_who_leaves_is_forgotten() -> None:
    room = Room()
    hub, _ = await a_hub(room)
    ada = TestClient(hub)
    ada.hello()

    ada.say({"t": "leave"})

    (bye,) = ada.take()
    assert (bye["name"], bye["again"]) == ("SESSION_ENDED", False)
    assert not hub.sessions
    assert room.presences[-1][1] is PresenceState.DISCONNECTED


async def test_a_session_keeps_the_streams_used_last() -> None:
    hub, _ = await a_hub(
        Room(),
        settings=HubSettings(
            frame_rate=10_000, frame_burst=10_000, message_rate=10_000, message_burst=10_000
        ),
    )
    ada = TestClient(hub)
    ada.hello()

    for number in range(40):
        frame = {"t": "send", "stream": f"stream-{number:02d}", "seq": 1, "body": {"say": "x"}}
        ada.say(frame)

    assert len(hub.sessions[ada.session].streams) == 16


async def test_stopping_tells_all_to_come_back() -> None:
    hub, _ = await a_hub(Room())
    ada = TestClient(hub)
    ada.hello()

    await hub.stop(spread=2.0)

    (bye,) = ada.take()
    assert (bye["name"], bye["again"]) == ("SERVER_RESTARTING", True)
    assert 0 <= bye["retry_after"] <= 2
    assert ada.link.closed == (1012, "SERVER_RESTARTING")
    assert hub.admit() > 0


async def test_a_session_that_says_too_much_is_told_when_to_go_on_and_loses_nothing() -> None:
    hub, clock = await a_hub(Room(), settings=HubSettings(message_rate=2, message_burst=3))
    ada = TestClient(hub)
    ada.hello()
    for _ in range(4):
        ada.send({"say": "x"})
    refused = [frame for frame in ada.take() if frame["t"] == "error"]
    assert [(frame["name"], frame["seq"]) for frame in refused] == [("RATE_LIMIT_EXCEEDED", 4)]
    assert refused[0]["retry_after"] == pytest.approx(0.5)

    ada.cut()
    ada.connect()
    ada.resume()
    ada.send({"say": "x"}, seq=4)
    assert [frame["name"] for frame in ada.take() if frame["t"] == "error"] == [
        "RATE_LIMIT_EXCEEDED"
    ], "another connection is the same session"

    clock.now += 0.5
    ada.send({"say": "x"}, seq=4)
    assert not [frame for frame in ada.take() if frame["t"] == "error"]
    assert len(hub.app.said) == 4


async def test_tiers_may_say_more_or_less() -> None:
    class Tiered(Room):
        def open(self, tx, session, auth, handshake):
            super().open(tx, session, auth, handshake)
            session.tier = msgspec.json.decode(auth)["tier"]

    hub, _ = await a_hub(Tiered(), settings=HubSettings(message_rate=4, message_burst=8))
    said = {}
    for tier in ("anonymous", "member", "operator"):
        client = TestClient(hub)
        client.hello(tier=tier)
        for _ in range(30):
            client.send({"say": "x"}, seq=None)
        said[tier] = 30 - sum(frame["t"] == "error" for frame in client.take())
    assert said == {"anonymous": 2, "member": 8, "operator": 16}


async def test_one_address_cannot_use_up_the_handshakes_of_all(monkeypatch) -> None:
    monkeypatch.setattr("holdfast.limits.ADDRESS_HANDSHAKE_BURST", 5)
    hub, clock = await a_hub(Room())
    assert [hub.admit("10.0.0.1") for _ in range(5)] == [0.0] * 5
    assert hub.admit("10.0.0.1") > 0
    assert hub.admit("10.0.0.2") == 0
    clock.now += 1
    assert hub.admit("10.0.0.1") == 0
