"""What a package calls public exists, once, in order; codes of errors stay what they are."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from holdfast.apps.agents import AgentCode
from holdfast.apps.chat.errors import ChatCode
from holdfast.apps.quiz import QuizCode
from holdfast.errors import ErrorCode, ResilienceError, RetryExhaustedError

ROOT = Path(__file__).parents[2]
PACKAGES = [
    "holdfast",
    "holdfast.apps.i3.packets",
    "holdfast.apps.agents",
    "holdfast.apps.i3.api",
    "holdfast.apps.i3.client",
    "holdfast.apps.i3.gateway",
    "holdfast.apps.i3.router",
    "holdfast.apps.quiz",
    "holdfast.cli",
    "holdfast.connection",
    "holdfast.crypto",
    "holdfast.delivery",
    "holdfast.health",
    "holdfast.mailbox",
    "holdfast.node",
    "holdfast.ops",
    "holdfast.resilience",
    "holdfast.server",
    "holdfast.session",
    "holdfast.storage",
]


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_exist_and_are_listed_once_in_order(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    for exported in module.__all__:
        assert getattr(module, exported).__doc__


def test_codes_of_errors_are_stable() -> None:
    golden = json.loads((Path(__file__).parent / "error_codes.json").read_text())
    assert {
        code.name: int(code) for code in (*ErrorCode, *QuizCode, *AgentCode, *ChatCode)
    } == golden


def test_the_codes_of_the_protocol_are_documented_and_known_to_the_browser() -> None:
    page = (ROOT / "docs" / "protocol" / "session.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| (\d{4}) \| ([A-Z_]+)", page, re.MULTILINE))
    known = {code.name: int(code) for code in ErrorCode}
    assert {name: int(code) for code, name in documented.items()}.items() <= known.items()
    browser = (ROOT / "web" / "client" / "src" / "codes.ts").read_text("utf-8")
    in_browser = {n: int(c) for n, c in re.findall(r"([A-Z_]+): (\d+)", browser)}
    assert in_browser
    assert in_browser.items() <= known.items()


def test_the_codes_of_the_quiz_are_documented() -> None:
    page = (ROOT / "docs" / "protocol" / "quiz.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| (\d{5}) \| ([A-Z_]+)", page, re.MULTILINE))
    assert {name: int(c) for c, name in documented.items()} == {c.name: int(c) for c in QuizCode}


def test_an_error_can_be_said_in_json() -> None:
    cause = OSError("no route")
    error = RetryExhaustedError("Gave up.", attempts=3, original=cause)
    error.details["strange"] = {1: object, "set": {2}}
    described = json.loads(json.dumps(error.to_dict()))
    assert described["code"] == 4001
    assert described["name"] == "RETRY_EXHAUSTED"
    assert described["details"]["attempts"] == 3
    assert error.__cause__ is cause
    assert issubclass(RetryExhaustedError, ResilienceError)
