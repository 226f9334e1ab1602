"""The guide's example: a chat server of an evening has bugs that a few seeds find; the mended one has not."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from holdfast.testing import search

FOLDER = Path(__file__).parents[2] / "examples" / "chat"


def module(name: str):
    spec = importlib.util.spec_from_file_location(f"chat_{name}", FOLDER / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def chat():
    return module("test_chat").chat


def test_the_server_of_an_evening_fails_within_ten_seeds(chat) -> None:
    program = module("server").main
    finding = search(lambda world: chat(world, program), range(10), minutes=15)
    assert finding.failure is not None
    print(f"\n{finding.failure.error!r:.300}\n{finding.failure.report()}")


def test_the_mended_server_keeps_its_promise(chat) -> None:
    program = module("mended").main
    finding = search(lambda world: chat(world, program), range(150), minutes=15)
    assert finding.failure is None, finding.failure.report()
