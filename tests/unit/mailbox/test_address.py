"""How the address of a gateway is written and read, and where each way to a gateway leads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.mailbox import Direct, GatewayAddress, GatewaySettings, Socks, TwoHop
from holdfast.mailbox.pipes import Pipes
from holdfast.world import RealWorld

PIN = bytes(range(32))
ONION = "a2" * 28 + ".onion"
PLAIN = GatewayAddress("gateway.example", 8410, PIN)
BOTH = GatewayAddress("gateway.example", 8410, PIN, ONION)
HIDDEN = GatewayAddress(ONION, 8410, PIN)
WORLD = RealWorld()


@pytest.mark.parametrize("address", [PLAIN, BOTH, HIDDEN, GatewayAddress("::1", 1, PIN)], ids=str)
def test_what_is_written_is_read_again(address: GatewayAddress) -> None:
    assert GatewayAddress.parse(str(address)) == address


@given(st.text() | st.text(alphabet="gateway:/@[].?=onion%a2-_").map("gateway://".__add__))
def test_whatever_is_read_is_an_address_or_refused(text: str) -> None:
    try:
        address = GatewayAddress.parse(text)
    except ValueError:
        return
    assert GatewayAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "onion",
    ["", "a.onion", "a" * 56, f"{'A' * 56}.onion", f"{'a' * 56}.onion.", f"{'1' * 56}.onion"],
)
def test_what_is_no_onion_service_is_refused(onion: str) -> None:
    with pytest.raises(ValueError, match="no onion service of version 3"):
        GatewayAddress("gateway.example", 8410, PIN, onion)


def test_only_tor_leads_to_a_gateway_that_is_known_by_its_onion_service_alone() -> None:
    assert [each.is_hidden for each in (PLAIN, BOTH, HIDDEN)] == [False, False, True]
    with pytest.raises(ValueError, match="reached without Tor"):
        Pipes([HIDDEN], b"o" * 32, GatewaySettings(), lambda _: None)
    Pipes([BOTH], b"o" * 32, GatewaySettings(), lambda _: None)


@pytest.mark.parametrize(
    ("address", "host"), [(PLAIN, "gateway.example"), (BOTH, ONION), (HIDDEN, ONION)], ids=str
)
def test_through_a_proxy_the_onion_service_is_sought_where_there_is_one(
    address: GatewayAddress, host: str
) -> None:
    endpoint = Socks("socks5://127.0.0.1:9050").endpoint(address, WORLD, lane="one")
    assert (endpoint.host, endpoint.port, endpoint.is_tls) == (host, 8410, True)
    assert endpoint.proxy == "socks5://one:holdfast@127.0.0.1:9050"
    assert Socks("socks5://[::1]:9050").endpoint(address, WORLD, lane="two").proxy == (
        "socks5://two:holdfast@[::1]:9050"
    )


def test_other_ways_do_not_lead_through_a_proxy() -> None:
    other = GatewayAddress("other.example", 8410, b"q" * 32)
    for path in (Direct(), TwoHop(other)):
        endpoint = path.endpoint(BOTH, WORLD, lane="one")
        assert (endpoint.host, endpoint.proxy) == ("gateway.example", None)
