"""What a transaction can do to channels and sessions, applied in memory when it is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw

from holdfast import limits
from holdfast.errors import ErrorCode, ResilienceError
from holdfast.session import store, wire
from holdfast.session.channel import Channel
from holdfast.session.connection import Packet

if TYPE_CHECKING:
    from holdfast.session.connection import Connection
    from holdfast.session.counts import HubCounts
    from holdfast.session.hub import Hub
    from holdfast.session.record import Session
    from holdfast.session.transaction import Transaction

TRIM_EVERY: Final = 64
"""Events after which a log is trimmed in the store too; one by one would double the writes."""


class Operations:
    """Publish, tell, join, part, end and drop; offsets are given here, sending waits for the commit."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def publish(self, tx: Transaction, name: str, data: bytes) -> None:
        """Append to a channel and send to all who read it."""
        channel = self.channel(tx, name)
        offset = self._append(tx, channel, name, data)
        tx.after.append(lambda: _fan_out(channel, offset, data, self._hub.counts))

    def tell(self, tx: Transaction, session: Session, data: bytes) -> None:
        """Append to a session's own channel and send to it."""
        if session.is_ended:
            return
        offset = self._append(tx, session.own, f"@{session.id}", data)

        def send() -> None:
            connection = session.connection
            if connection is not None and not connection.is_lagging:
                _send_event(connection, wire.PERSONAL, offset, data)

        tx.after.append(send)

    def join(self, tx: Transaction, session: Session, name: str) -> None:
        """Make a session a member; one that is connected is sent a snapshot."""
        if name in session.channels or session.is_ended:
            return
        channel = self.channel(tx, name)
        session.channels[name] = None
        channel.members.add(session.id)
        tx.execute(store.ADD_MEMBER, (session.id, name))
        if session.connection is None and session.opening is None:
            return  # it will find the channel in what it is sent when it comes

        def show() -> None:
            raw = Raw(msgspec.json.encode(self._hub.app.snapshot(session, name)))
            position = channel.epoch, channel.offset

            def send() -> None:
                connection = session.connection
                if connection is None or name not in session.channels:
                    return
                channel.readers[connection] = None
                codec = connection.codec
                snapshot = codec.from_json(bytes(raw))
                frame = wire.Joined(name, *position, snapshot)
                connection.link.send(Packet(codec.encode(frame)))

            tx.after.append(send)

        self._hub.when_applied(tx, show)

    def part(self, tx: Transaction, session: Session, name: str) -> None:
        """Take a session out of a channel and tell it."""
        if name not in session.channels or session.is_ended:
            return
        channel = self._hub.channels[name]
        del session.channels[name]
        channel.members.discard(session.id)
        tx.execute(store.REMOVE_MEMBER, (session.id, name))

        def send() -> None:
            connection = session.connection
            if connection is not None:
                channel.readers.pop(connection, None)
                connection.link.send(Packet(connection.codec.encode(wire.Left(name))))

        tx.after.append(send)

    def end(self, tx: Transaction, session: Session, error: ResilienceError) -> None:
        """Forget a session; its client is told why once that is committed."""
        if session.is_ended:
            return
        session.is_ended = True
        self._hub.sessions.pop(session.id, None)
        if session.away is not None:
            session.away.cancel()
        for name in session.channels:
            self._hub.channels[name].members.discard(session.id)
        for sql in store.REMOVE_SESSION:
            tx.execute(sql, (session.id,))

        def close() -> None:
            for connection in (session.connection, session.opening):
                if connection is not None:
                    self._hub.bye(connection, error, again=False)

        tx.after.append(close)

    def drop(self, tx: Transaction, name: str) -> None:
        """Forget a channel."""
        channel = self._hub.channels.pop(name, None)
        if channel is None:
            return
        for session_id in channel.members:
            session = self._hub.sessions.get(session_id)
            if session is not None:
                session.channels.pop(name, None)
        for sql in store.REMOVE_CHANNEL:
            tx.execute(sql, (name,))
        tx.after.append(channel.readers.clear)

    def channel(self, tx: Transaction, name: str) -> Channel:
        """Return a channel, making it at first use.

        Raises:
            ResilienceError: 2003; there are ``limits.CHANNELS_MAX`` already.
        """
        channel = self._hub.channels.get(name)
        if channel is None:
            if len(self._hub.channels) >= limits.CHANNELS_MAX:
                raise ResilienceError(
                    f"There are {limits.CHANNELS_MAX} channels already.",
                    code=ErrorCode.SERVER_OVERLOADED,
                )
            kept = self._hub.settings.channel_events_max
            channel = Channel(name, self._hub.world.new_id(), events_max=kept)
            self._hub.channels[name] = channel
            tx.execute(store.ADD_CHANNEL, (name, channel.epoch))
        return channel

    def _append(self, tx: Transaction, channel: Channel, stored: str, data: bytes) -> int:
        offset = channel.append(data)
        tx.execute(store.ADD_EVENT, (stored, offset, data))
        if channel.first - channel.stored_from >= TRIM_EVERY:
            tx.execute(store.TRIM_EVENTS, (stored, channel.first))
            channel.stored_from = channel.first
        return offset


def _fan_out(channel: Channel, offset: int, data: bytes, counts: HubCounts) -> None:
    """Send one event to all readers: encoded once for each encoding in use."""
    counts.events += 1
    counts.deliveries += len(channel.readers)
    if not channel.readers:
        return
    text = Packet(wire.JSON.encode(wire.Event(channel.name, offset, Raw(data))))
    binary: Packet | None = None
    for connection in tuple(channel.readers):
        if connection.codec is wire.JSON:
            connection.link.send(text)
            continue
        if binary is None:
            raw = wire.MSGPACK.from_json(data)
            binary = Packet(wire.MSGPACK.encode(wire.Event(channel.name, offset, raw)))
        connection.link.send(binary)


def _send_event(connection: Connection, name: str, offset: int, data: bytes) -> None:
    codec = connection.codec
    frame = wire.Event(name, offset, codec.from_json(data))
    connection.link.send(Packet(codec.encode(frame)))
