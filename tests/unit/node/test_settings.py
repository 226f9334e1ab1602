"""What the settings of a node refuse, and how patient a mode is."""

from __future__ import annotations

import pytest

from holdfast.mailbox import GatewayAddress, MailboxSettings
from holdfast.node import Mode, NodeSettings

GATEWAYS = (GatewayAddress("gateway.example", 8410, b"p" * 32),)


@pytest.mark.parametrize(
    "proxy",
    ["", "9050", "localhost", ":9050", "host:port", "host:0", "host:99999", "user@host:1", "http://host:1", "host:1/x"],
)  # fmt: skip
def test_what_is_no_proxy_is_refused_before_anything_is_sent(proxy: str) -> None:
    with pytest.raises(ValueError, match="no address of Tor's SOCKS proxy"):
        NodeSettings(gateways=GATEWAYS, mode="tor", proxy=proxy)


@pytest.mark.parametrize("proxy", [None, "127.0.0.1:9050", "[::1]:9050", "localhost:9150"])
def test_what_is_a_proxy_is_taken(proxy: str | None) -> None:
    settings = NodeSettings(gateways=GATEWAYS, mode=Mode.TOR, proxy=proxy)
    assert settings.through.proxy == f"socks5://{proxy or '127.0.0.1:9050'}"


@pytest.mark.parametrize("mode", ["direct", "two_hop"])
def test_a_gateway_that_only_tor_leads_to_is_refused_in_other_modes(mode: str) -> None:
    hidden = GatewayAddress("a" * 56 + ".onion", 8410, b"q" * 32)
    with pytest.raises(ValueError, match="reached in the mode tor"):
        NodeSettings(gateways=(*GATEWAYS, hidden), mode=mode)
    NodeSettings(gateways=(*GATEWAYS, hidden), mode="tor")


def test_over_tor_a_node_waits_longer_for_a_connection_and_asks_more_often_whether_it_lives() -> (
    None
):
    straight = NodeSettings(gateways=GATEWAYS, mode="direct").patience
    tor = NodeSettings(gateways=GATEWAYS, mode="tor").patience
    assert tor.attempt > straight.attempt
    assert tor.mailbox.call_timeout > tor.mailbox.connection.connect_timeout
    assert tor.mailbox.connection.connect_timeout > straight.mailbox.connection.connect_timeout
    assert tor.mailbox.connection.heartbeat < straight.mailbox.connection.heartbeat  # type: ignore[operator]


def test_what_was_said_about_patience_holds_in_every_mode() -> None:
    mailbox = MailboxSettings(call_timeout=1.0)
    for mode in ("direct", "tor"):
        settings = NodeSettings(
            gateways=GATEWAYS, mode=mode, resend_after=7.0, attempt_timeout=3.0, mailbox=mailbox
        )
        patience = settings.patience
        assert (patience.attempt, patience.resend, patience.mailbox) == (3.0, 7.0, mailbox)
