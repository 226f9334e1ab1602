"""Every frame survives both encodings, and nothing that a client can say brings the server down."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.errors import ErrorCode, RemoteProtocolError, ResilienceError, SessionError
from holdfast.session import Handshake, HubSettings, wire
from holdfast.session.wire import JSON, MSGPACK
from tests.support.links import RecordingLink, a_hub
from tests.support.room import Room

if TYPE_CHECKING:
    from holdfast.session import Hub, Session, Transaction
    from holdfast.session.wire import Codec

CODECS = pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
streams = st.from_regex(r"[A-Za-z0-9_-]{8,32}", fullmatch=True)
numbers = st.integers(0, 2**53 - 1)
epochs = st.text(st.characters(exclude_categories=["Cs"]), max_size=16)
channel_names = texts.filter(bool)
positions = st.dictionaries(channel_names, st.tuples(epochs, numbers), max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | texts
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
acked = st.dictionaries(streams, numbers, max_size=3)
seconds = st.none() | st.floats(0, 1e6)


def client_frames(codec: Codec) -> st.SearchStrategy[wire.ClientFrame]:
    raws = values.map(codec.value)
    return st.one_of(
        st.builds(wire.Hello, st.just(1), streams, raws),
        st.builds(wire.Hello, st.just(1), streams),
        st.builds(
            wire.Resume,
            st.just(1),
            streams,
            epochs,
            texts,
            positions,
            st.lists(streams, max_size=8),
        ),
        st.builds(wire.Send, streams, st.integers(1, 2**53 - 1), raws),
        st.builds(wire.Confirm),
        st.builds(wire.ClientPing, numbers),
        st.builds(wire.ClientPong, numbers),
        st.builds(wire.Sync, positions),
        st.builds(wire.Leave),
    )


def server_frames(codec: Codec) -> st.SearchStrategy[wire.ServerFrame]:
    raws = values.map(codec.value)
    resets = st.sampled_from([None, "epoch", "gap"])
    events = st.lists(st.tuples(numbers, raws), max_size=3)
    catch_ups = st.dictionaries(
        channel_names,
        st.builds(wire.CatchUp, texts, numbers, events=events)
        | st.builds(wire.CatchUp, texts, numbers, snapshot=raws, reset=resets),
        max_size=3,
    )
    opening = (texts, texts, numbers, numbers, numbers)
    return st.one_of(
        st.builds(wire.Welcome, *opening, catch_ups),
        st.builds(wire.Restored, *opening, acked, catch_ups),
        st.builds(wire.Event, texts, numbers, raws),
        st.builds(wire.Ack, streams, numbers),
        st.builds(wire.Joined, texts, texts, numbers, raws),
        st.builds(wire.Left, texts),
        st.builds(wire.Resync),
        st.builds(wire.Synced, acked, catch_ups),
        st.builds(wire.Ping, numbers),
        st.builds(wire.Pong, numbers, numbers),
        st.builds(
            wire.Error, numbers, texts, texts, seconds, st.none() | streams, st.none() | numbers
        ),
        st.builds(wire.Bye, numbers, texts, texts, st.booleans(), seconds),
    )


# --- round trips ----------------------------------------------------------------------------


@CODECS
@given(data=st.data())
def test_frames_of_clients_come_back_as_they_were(codec: Codec, data: st.DataObject) -> None:
    frames = data.draw(st.lists(client_frames(codec), min_size=1, max_size=4))

    message = codec.join([codec.encode(frame) for frame in frames])

    assert codec.client_frames(message) == frames


@CODECS
@given(data=st.data())
def test_frames_of_servers_come_back_as_they_were(codec: Codec, data: st.DataObject) -> None:
    frames = data.draw(st.lists(server_frames(codec), min_size=1, max_size=4))

    message = codec.join([codec.encode(frame) for frame in frames])

    assert codec.server_frames(message) == frames


@given(value=values)
def test_a_value_is_the_same_in_both_encodings(value: object) -> None:
    as_json = json.dumps(value).encode()

    assert msgspec.json.decode(MSGPACK.to_json(MSGPACK.from_json(as_json))) == value


def test_whole_numbers_too_large_for_messagepack_become_floats() -> None:
    raw = MSGPACK.from_json(b'{"n":[%d,-%d,1]}' % (2**70, 10**400))

    assert msgspec.msgpack.decode(raw) == {"n": [float(2**70), float("-inf"), 1]}


def test_hello_without_auth_means_null() -> None:
    for codec in (JSON, MSGPACK):
        (hello,) = codec.client_frames(codec.encode(wire.Hello(1, "stream-a")))
        assert isinstance(hello, wire.Hello)
        assert codec.to_json(hello.auth) == b"null"


# --- what is not a frame --------------------------------------------------------------------

framed = st.binary(max_size=40).map(lambda data: len(data).to_bytes(4, "big") + data)
lines = st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
objects = st.dictionaries(
    st.sampled_from(["t", "v", "stream", "seq", "body", "channels", "session", "token", "n"]),
    values | st.sampled_from(["hello", "resume", "send", "sync", "ping", "stream-a"]),
)
hostile = st.one_of(
    st.binary(max_size=60),
    framed,
    st.lists(framed, max_size=3).map(b"".join),
    lines,
    objects.map(lambda fields: json.dumps(fields).encode()),
    objects.map(msgspec.msgpack.encode).map(lambda data: len(data).to_bytes(4, "big") + data),
)


@CODECS
@settings(max_examples=500)
@given(message=hostile)
def test_any_bytes_are_frames_or_are_refused(codec: Codec, message: bytes) -> None:
    for read in (codec.client_frames, codec.server_frames):
        try:
            frames = read(message)
        except RemoteProtocolError as error:
            assert error.code is ErrorCode.MALFORMED_FRAME
        else:
            assert all(isinstance(frame, wire.Frame) for frame in frames)


@CODECS
@given(raw=st.binary(max_size=40))
def test_any_value_is_json_or_is_refused(codec: Codec, raw: bytes) -> None:
    try:
        said = codec.to_json(msgspec.Raw(raw))
    except RemoteProtocolError:
        assert codec is MSGPACK
    else:
        assert isinstance(said, bytes)


def test_a_client_skips_frames_it_does_not_know_and_a_server_refuses_them() -> None:
    for codec, encode in ((JSON, msgspec.json.encode), (MSGPACK, msgspec.msgpack.encode)):
        unknown = encode({"t": "frobnicate", "ch": 1})
        if codec is MSGPACK:
            unknown = len(unknown).to_bytes(4, "big") + unknown
        message = codec.join([unknown, codec.encode(wire.Ping(7))])

        assert codec.server_frames(message) == [wire.Ping(7)]
        with pytest.raises(RemoteProtocolError):
            codec.client_frames(message)


def test_too_deep_a_frame_and_too_many_frames_are_refused() -> None:
    head = b'{"t":"send","stream":"stream-a","seq":1,"body":'
    with pytest.raises(RemoteProtocolError):
        JSON.client_frames(head + b"[" * 30_000 + b"]" * 30_000 + b"}")
    with pytest.raises(RemoteProtocolError):
        JSON.client_frames(b"\n".join([b'{"t":"confirm"}'] * 65))


# --- a hub that nothing brings down ---------------------------------------------------------


class Lively(Room):
    """A room whose messages also do what else an application can do."""

    def message(self, tx: Transaction, session: Session, body: bytes) -> object | None:
        wish = msgspec.json.decode(body)
        match wish:
            case {"do": "join", "channel": str(name)}:
                tx.join(session, name)
                tx.publish(name, wish)
            case {"do": "part", "channel": str(name)}:
                tx.part(session, name)
            case {"do": "drop", "channel": str(name)}:
                tx.drop_channel(name)
            case {"do": "end", "channel": str(name)}:
                tx.end(session, SessionError("Go.", code=ErrorCode.SESSION_ENDED))
                tx.drop_channel(name)
            case {"do": "echo"}:
                tx.publish("room", wish)
                return wish
            case {"do": "refuse"}:
                raise ResilienceError("I will not.")
        return None


wishes = st.one_of(
    st.fixed_dictionaries(
        {
            "do": st.sampled_from(["join", "part", "drop", "end"]),
            "channel": st.sampled_from(["room", "x", "y"]),
        }
    ),
    st.fixed_dictionaries({"do": st.just("echo"), "what": values | st.just(2**80)}),
    st.just({"do": "refuse"}),
)
STREAMS = st.sampled_from(["stream-a", "stream-b"])


class Peer:
    """A client that is not always honest."""

    def __init__(self, hub: Hub, codec: Codec) -> None:
        self.hub = hub
        self.codec = codec
        self.session = self.token = "none"
        self.seqs: dict[str, int] = {}
        self.connect()

    def connect(self) -> None:
        self.link = RecordingLink()
        self.connection = self.hub.connect(self.link, self.codec, Handshake())

    def frame(self, frame: dict[str, Any]) -> None:
        data = json.dumps(frame).encode()
        if self.codec is MSGPACK:
            body = bytes(MSGPACK.from_json(data))
            data = len(body).to_bytes(4, "big") + body
        self.say(data)

    def say(self, message: bytes) -> None:
        self.hub.received(self.connection, message)
        sent, self.link.sent = self.link.sent, []
        for each in sent:
            for frame in self.codec.server_frames(each):
                if isinstance(frame, wire.Welcome | wire.Restored):
                    self.session, self.token = frame.session, frame.token

    def send(self, stream: str, wish: object) -> None:
        self.seqs[stream] = self.seqs.get(stream, 0) + 1
        self.frame({"t": "send", "stream": stream, "seq": self.seqs[stream], "body": wish})

    def do(self, act: tuple[Any, ...]) -> None:
        match act:
            case ("hello", stream):
                if self.connection.session is None:
                    self.seqs.clear()
                self.frame({"t": "hello", "v": 1, "stream": stream})
            case ("resume", stream, channels):
                who = {"session": self.session, "token": self.token}
                self.frame({"t": "resume", "v": 1, "stream": stream, "channels": channels} | who)
            case ("send", stream, wish):
                self.send(stream, wish)
            case ("frame", fields):
                self.frame(fields)
            case ("bytes", message):
                self.say(message)
            case ("cut",):
                self.hub.lost(self.connection)
                self.connect()
            case ("connect",):
                self.connect()
            case ("overflow",):
                self.hub.overflowed(self.connection)
                if self.link.closed is None:
                    self.hub.drained(self.connection)


small_positions = st.dictionaries(
    st.sampled_from(["@me", "room", "x"]),
    st.tuples(st.just("id-0000000000003"), st.integers(0, 5)),
)
acts = st.one_of(
    st.tuples(st.just("hello"), STREAMS),
    st.tuples(st.just("resume"), STREAMS, small_positions),
    st.tuples(st.just("send"), STREAMS, wishes),
    st.tuples(st.just("send"), STREAMS, wishes),
    st.tuples(
        st.just("frame"),
        st.sampled_from([{"t": "confirm"}, {"t": "leave"}, {"t": "ping"}, {"t": "pong", "n": 1}]),
    ),
    st.tuples(
        st.just("frame"), small_positions.map(lambda channels: {"t": "sync", "channels": channels})
    ),
    st.tuples(st.just("frame"), objects),
    st.tuples(st.just("bytes"), hostile),
    st.sampled_from([("cut",), ("connect",), ("overflow",)]),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(script=st.lists(st.tuples(st.integers(0, 2), acts, st.floats(0, 40)), max_size=40))
def test_no_sequence_of_frames_and_cuts_raises_in_a_hub(
    script: list[tuple[int, tuple[Any, ...], float]],
) -> None:
    limits = HubSettings(frame_rate=100, session_ttl=120)
    hub, clock = asyncio.run(a_hub(Lively(), settings=limits))
    peers = [Peer(hub, codec) for codec in (JSON, MSGPACK, JSON)]
    for peer in peers:
        peer.do(("hello", "stream-a"))

    for who, act, pause in script:
        peers[who].do(act)
        clock.now += pause
        hub.on_time(clock.now)

    honest = Peer(hub, MSGPACK)
    honest.do(("hello", "stream-a"))
    honest.send("stream-a", {"do": "echo", "what": 1})
    assert hub.sessions[honest.session].streams["stream-a"].committed == 1


# --- MessagePack through the hub ------------------------------------------------------------


async def test_an_event_reaches_readers_of_both_encodings() -> None:
    hub, _ = await a_hub(Lively())
    text, binary = Peer(hub, JSON), Peer(hub, MSGPACK)
    for peer in (text, binary):
        peer.do(("hello", "stream-a"))

    for peer in (text, binary):
        peer.link.sent.clear()
    what = {"n": 2**80, "list": [1, None, "ü", 0.5]}

    body = JSON.value({"do": "echo", "what": what})
    hub.received(text.connection, JSON.encode(wire.Send("stream-a", 1, body)))

    (event,) = JSON.server_frames(text.link.sent[0])
    (same,) = MSGPACK.server_frames(binary.link.sent[0])
    assert isinstance(event, wire.Event)
    assert isinstance(same, wire.Event)
    assert (event.ch, event.o) == (same.ch, same.o) == ("room", 1)
    assert msgspec.json.decode(event.data)["what"] == what
    assert msgspec.msgpack.decode(same.data)["what"] == what | {"n": float(2**80)}


async def test_what_json_cannot_say_is_answered_with_an_error_and_the_stream_goes_on() -> None:
    hub, _ = await a_hub(Lively())
    peer = Peer(hub, MSGPACK)
    peer.do(("hello", "stream-a"))
    body = msgspec.Raw(msgspec.msgpack.encode(msgspec.msgpack.Ext(5, b"x")))
    peer.link.sent.clear()

    hub.received(peer.connection, MSGPACK.encode(wire.Send("stream-a", 1, body)))

    answer, ack = (MSGPACK.server_frames(data)[0] for data in peer.link.sent)
    assert isinstance(answer, wire.Event)
    assert msgspec.msgpack.decode(answer.data)["error"]["name"] == "MALFORMED_FRAME"
    assert ack == wire.Ack("stream-a", 1)


async def test_a_session_that_is_ended_with_its_channel_is_let_go() -> None:
    hub, _ = await a_hub(Lively())
    peer = Peer(hub, JSON)
    peer.do(("hello", "stream-a"))

    peer.send("stream-a", {"do": "end", "channel": "room"})

    assert peer.link.closed is not None
    assert hub.sessions == {}
    assert hub.channels == {}
