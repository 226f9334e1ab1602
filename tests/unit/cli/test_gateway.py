"""Under which address a gateway tells that it can be reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.cli.gateway import GatewayOptions, _address

PIN = b"p" * 32
ONION = "a" * 56 + ".onion"


@pytest.mark.parametrize(
    ("public_host", "onion", "told"),
    [
        (None, None, ("127.0.0.1", None)),
        ("gateway.example", None, ("gateway.example", None)),
        ("gateway.example", ONION, ("gateway.example", ONION)),
        (None, ONION, (ONION, None)),
    ],
    ids=["the address", "a name", "a name and an onion service", "an onion service alone"],
)
def test_where_it_listens_is_told_only_when_there_is_nothing_else(
    public_host: str | None, onion: str | None, told: tuple[str, str | None]
) -> None:
    options = GatewayOptions("127.0.0.1", 8410, Path("g"), public_host=public_host, onion=onion)
    address = _address(options, 8410, PIN)
    assert (address.host, address.onion) == told
    assert (address.port, address.pin) == (8410, PIN)


def test_what_is_no_onion_service_is_refused() -> None:
    for public_host in (None, "gateway.example"):
        options = GatewayOptions(
            "127.0.0.1", 8410, Path("g"), public_host=public_host, onion="example.onion"
        )
        with pytest.raises(ValueError, match="no onion service"):
            _address(options, 8410, PIN)
