"""How a client of gateways behaves, and what a gateway allows."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast import limits
from holdfast.connection import ConnectionSettings


def _connection() -> ConnectionSettings:
    """Return how gateways are tried: for ever, a phone's battery in mind."""
    return ConnectionSettings(
        connect_timeout=15.0,
        heartbeat=25.0,
        heartbeat_timeout=10.0,
        initial_delay=0.5,
        max_delay=60.0,
        message_max=limits.MAILBOX_FRAME_BYTES_MAX,
        received_max=256,
    )


@dataclass(frozen=True, kw_only=True)
class MailboxSettings:
    """How a client behaves towards one gateway.

    Attributes:
        connection: how to try; ``message_max`` has to be the gateway's.
        call_timeout: seconds for an answer, with the time to connect.
        writing_idle: seconds after which a connection that nothing is written to is closed.
        is_isolated: every mailbox has connections of its own, on a lane of its own: a gateway cannot see
            which mailboxes one client reads or writes. Costs a connection each.
        is_plain: without TLS: only where the network is a simulated one.
    """

    connection: ConnectionSettings = field(default_factory=_connection)
    call_timeout: float = 15.0
    writing_idle: float = 120.0
    is_isolated: bool = False
    is_plain: bool = False


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """What a gateway allows; see ``holdfast.limits`` for reasons.

    Attributes:
        mailboxes_max: mailboxes.
        mailbox_envelopes_max: envelopes in one.
        mailbox_bytes_max: bytes in one.
        store_bytes_max: bytes in all.
        envelope_ttl_max: seconds that an envelope waits at most.
        mailbox_idle: seconds without its reader after which a mailbox goes.
        deposit_rate: deposits a second into one mailbox.
        deposit_burst: at once.
        create_rate: new mailboxes a second from one address.
        create_burst: at once.
        request_rate: requests a second on one connection.
        request_burst: at once.
        connections_max: connections.
        per_address_max: connections from one address.
        proof_timeout: seconds until a new connection must have done something that only its like can.
        read_timeout: seconds without a byte.
        pipes_max: pipes; 0 for a gateway that does not pipe.
        pipes_per_address: pipes from one address.
    """

    mailboxes_max: int = limits.MAILBOXES_MAX
    mailbox_envelopes_max: int = limits.MAILBOX_ENVELOPES_MAX
    mailbox_bytes_max: int = limits.MAILBOX_BYTES_MAX
    store_bytes_max: int = limits.MAILBOX_STORE_BYTES_MAX
    envelope_ttl_max: float = limits.MAILBOX_ENVELOPE_TTL
    mailbox_idle: float = limits.MAILBOX_IDLE
    deposit_rate: float = limits.MAILBOX_DEPOSIT_RATE
    deposit_burst: int = limits.MAILBOX_DEPOSIT_BURST
    create_rate: float = limits.MAILBOX_CREATE_RATE
    create_burst: int = limits.MAILBOX_CREATE_BURST
    request_rate: float = limits.MAILBOX_REQUEST_RATE
    request_burst: int = limits.MAILBOX_REQUEST_BURST
    connections_max: int = limits.MAILBOX_CONNECTIONS_MAX
    per_address_max: int = limits.MAILBOX_ADDRESS_CONNECTIONS_MAX
    proof_timeout: float = limits.HANDSHAKE_TIMEOUT
    read_timeout: float = limits.MAILBOX_READ_TIMEOUT
    pipes_max: int = limits.PIPES_MAX
    pipes_per_address: int = limits.PIPES_PER_ADDRESS
