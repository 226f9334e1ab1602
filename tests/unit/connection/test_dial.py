"""What is looked up, and what never is."""

from __future__ import annotations

import pytest

from holdfast.connection import Endpoint
from holdfast.connection.dial import resolve
from holdfast.errors import ConnectionFailedError


@pytest.mark.parametrize("host", ["hidden.onion", "HIDDEN.ONION", "hidden.onion."])
async def test_an_onion_service_is_never_sought_without_a_proxy(host: str) -> None:
    with pytest.raises(ConnectionFailedError, match="Tor's SOCKS proxy only"):
        await resolve(Endpoint(f"tls://{host}:1"), 1.0)


async def test_with_a_proxy_no_name_is_looked_up_here() -> None:
    for host in ("hidden.onion", "gateway.example"):
        (found,) = await resolve(Endpoint(f"tls://{host}:1", proxy="socks5://127.0.0.1:9"), 1.0)
        assert found.address == ""
