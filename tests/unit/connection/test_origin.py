"""What limits count an address under: one person is not as many as he has addresses."""

from __future__ import annotations

import pytest

from holdfast.connection._door import origin_of


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("gate0", "gate0"),
        ("", ""),
    ],
)
def test_the_addresses_of_one_customer_of_ipv6_are_one(address: str, origin: str) -> None:
    assert origin_of(address) == origin


def test_neighbours_are_two() -> None:
    assert origin_of("2001:db8:1:2::1") != origin_of("2001:db8:1:3::1")
    assert origin_of("192.0.2.7") != origin_of("192.0.2.8")
