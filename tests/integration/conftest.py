"""Integration tests run on both cores, except those that need the machine for themselves."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "alone: measures rates or crowds; it runs while nothing else does"
    )
