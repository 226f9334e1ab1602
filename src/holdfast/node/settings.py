"""How a node talks to its gateways, and which of its habits are on."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from holdfast import limits
from holdfast.mailbox import MailboxSettings

if TYPE_CHECKING:
    from holdfast.mailbox import GatewayAddress


class Mode(StrEnum):
    """How gateways are reached."""

    DIRECT = "direct"
    TWO_HOP = "two_hop"
    TOR = "tor"


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """The knobs of a node. Each feature can be turned off; what is left still delivers once and in order.

    Attributes:
        gateways: where our mailboxes are; with ``two_hop`` at least two.
        mode: how they are reached.
        proxy: SOCKS5 proxy of Tor as ``host:port``, for ``tor``.
        places: gateways that each mailbox of ours is put on.
        hedge: ask a second gateway when the first is late.
        hedge_delay: seconds that a gateway may be late at least; four times its usual is waited otherwise.
        score: prefer the gateways that do well; off: in the order of the contact's list.
        breaker: leave a gateway that failed several times in peace for a while.
        retry: repeat by itself what was not acknowledged; off: only ``retry_now`` repeats.
        reorder: hold back what came too early; off: it is dropped and comes again.
        self_test: send envelopes to ourselves now and then, which prove a gateway and look like any other.
        self_test_interval: seconds between two of them on average.
        receipts: tell contacts that may know it what we have read.
        fallback: go on in the plain way when the chooser of gateways itself fails.
        ttl: seconds until a message expires that names no time of its own.
        retry_initial: seconds before the second attempt; doubles each time, with full jitter.
        retry_max: seconds between two attempts at most.
        ack_delay: seconds that an acknowledgement waits for an answer to ride on.
        resend_after: seconds after which a message that lies at a gateway is put at another one, at first.
        attempt_timeout: seconds that one deposit may take.
        mailbox: how connections to gateways are kept.
    """

    gateways: tuple[GatewayAddress, ...]
    mode: Mode | str = Mode.TWO_HOP
    proxy: str | None = None
    places: int = 2
    hedge: bool = True
    hedge_delay: float = 0.1
    score: bool = True
    breaker: bool = True
    retry: bool = True
    reorder: bool = True
    self_test: bool = True
    self_test_interval: float = 300.0
    receipts: bool = True
    fallback: bool = True
    ttl: float = limits.NODE_TTL
    retry_initial: float = 0.5
    retry_max: float = 60.0
    ack_delay: float = 1.0
    resend_after: float = 5.0
    attempt_timeout: float = 15.0
    mailbox: MailboxSettings = field(default_factory=MailboxSettings)

    def __post_init__(self) -> None:
        """Check what would fail later.

        Raises:
            ValueError: the mode is none, a gateway is missing, or the proxy is.
        """
        mode = Mode(self.mode)
        if not self.gateways:
            raise ValueError("A node needs a gateway.")
        if mode is Mode.TWO_HOP and len(self.gateways) < 2:  # noqa: PLR2004 - one to pipe, one to keep
            raise ValueError("The mode two_hop needs two gateways: one pipes, the other keeps.")
        if mode is Mode.TOR and not self.proxy:
            raise ValueError("The mode tor needs the address of Tor's SOCKS proxy.")
