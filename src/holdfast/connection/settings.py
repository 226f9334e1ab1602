"""How a connection tries, and when it counts as dead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ConnectionSettings:
    """The knobs of a reliable connection; all times in seconds.

    Attributes:
        connect_timeout: until TCP, TLS and proxy are through.
        handshake_timeout: until the WebSocket is open, and for a handshake of one's own.
        heartbeat: between two pings that need an answer; None for peers that know none.
        heartbeat_timeout: for the answer; then the connection is half-open and is dropped.
        read_timeout: without a byte until it counts as dead; None: the heartbeat is enough.
        idle_timeout: without a message in either direction until it is closed, to be opened again
            by the next ``send``; None: never.
        write_timeout: that a peer may stop reading before it is dropped.
        initial_delay: before the second attempt at most; doubles each time, with full jitter.
        max_delay: between two attempts at most.
        failover_delay: before the next address of the same peer.
        stable_after: that a connection has to hold before the backoff begins anew.
        max_attempts: in a row, over all addresses, before it is given up; None: never.
        message_max: bytes of one message in either direction.
        received_max: messages that wait to be read; then the peer is not read from any more.
    """

    connect_timeout: float = 10.0
    handshake_timeout: float = 10.0
    heartbeat: float | None = 15.0
    heartbeat_timeout: float = 10.0
    read_timeout: float | None = None
    idle_timeout: float | None = None
    write_timeout: float = 30.0
    initial_delay: float = 1.0
    max_delay: float = 30.0
    failover_delay: float = 0.05
    stable_after: float = 10.0
    max_attempts: int | None = None
    message_max: int = 1024 * 1024
    received_max: int = 1000
