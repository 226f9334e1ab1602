"""How a node talks to its gateways, and which of its habits are on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.mailbox import MailboxSettings, Socks

if TYPE_CHECKING:
    from holdfast.mailbox import GatewayAddress


class Mode(StrEnum):
    """How gateways are reached."""

    DIRECT = "direct"
    TWO_HOP = "two_hop"
    TOR = "tor"


TOR_PROXY: Final = "127.0.0.1:9050"
"""Where a tor of the system listens; that of Tor Browser is on port 9150."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a node waits in a mode.

    Attributes:
        attempt: seconds that one deposit may take.
        resend: seconds after which a message that lies at a gateway is put at another one, at first.
        mailbox: how connections to gateways are kept.
    """

    attempt: float
    resend: float
    mailbox: MailboxSettings


USUAL: Final = Patience(15.0, 5.0, MailboxSettings())

OVER_TOR: Final = Patience(
    45.0,
    3.5,
    MailboxSettings(
        connection=replace(
            USUAL.mailbox.connection, connect_timeout=30.0, heartbeat=15.0, heartbeat_timeout=8.0
        ),
        call_timeout=45.0,
    ),
)
"""A circuit to an onion service takes seconds to build, and tens of them when a relay on it has just gone.

That its other end has gone is noticed after anything between a twentieth of a second and forty (measured on private
networks of one to five relays). So we ask more often, and put at another gateway sooner what nobody acknowledged.
"""


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """The knobs of a node. Each feature can be turned off; what is left still delivers once and in order.

    Attributes:
        gateways: where our mailboxes are; with ``two_hop`` at least two.
        mode: how they are reached.
        proxy: SOCKS5 proxy of Tor as ``host:port``, for ``tor``; ``TOR_PROXY`` when None.
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
        resend_after: seconds after which a message that lies at a gateway is put at another one, at first; when
            None, as the mode needs (``patience`` says what holds).
        attempt_timeout: seconds that one deposit may take; likewise.
        mailbox: how connections to gateways are kept; likewise.
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
    resend_after: float | None = None
    attempt_timeout: float | None = None
    mailbox: MailboxSettings | None = None

    def __post_init__(self) -> None:
        """Check what would fail later.

        Raises:
            ValueError: the mode is none, a gateway is missing or not reached in it, or the proxy is none.
        """
        mode = Mode(self.mode)
        if not self.gateways:
            raise ValueError("A node needs a gateway.")
        if mode is Mode.TWO_HOP and len(self.gateways) < 2:  # noqa: PLR2004 - one to pipe, one to keep
            raise ValueError("The mode two_hop needs two gateways: one pipes, the other keeps.")
        if mode is Mode.TOR:
            _ = self.through
            return
        for gateway in self.gateways:
            if gateway.is_hidden:
                raise ValueError(
                    f"{gateway.host} is an onion service: it is reached in the mode tor, not in {mode}."
                )

    @property
    def through(self) -> Socks:
        """The way through Tor's proxy.

        Raises:
            ValueError: the proxy is none.
        """
        proxy = TOR_PROXY if self.proxy is None else self.proxy
        try:
            return Socks(f"socks5://{proxy}")
        except ValueError as error:
            raise ValueError(
                f"{proxy!r} is no address of Tor's SOCKS proxy: host:port, such as {TOR_PROXY}."
            ) from error

    @property
    def patience(self) -> Patience:
        """How long it waits: what was said, and for the rest what the mode needs."""
        usual = OVER_TOR if Mode(self.mode) is Mode.TOR else USUAL
        return Patience(
            usual.attempt if self.attempt_timeout is None else self.attempt_timeout,
            usual.resend if self.resend_after is None else self.resend_after,
            usual.mailbox if self.mailbox is None else self.mailbox,
        )
