"""Log lines are JSON, are rotated, and hold no secrets."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from holdfast.ops import configure_logging, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_line_is_json_with_time_level_and_name(tmp_path: Path) -> None:
    path = tmp_path / "log" / "holdfast.jsonl"
    recent = configure_logging("info", as_json=True, file=path)
    logging.getLogger("holdfast.x").info("hello %s", "you", extra={"peer": "a"})
    logging.getLogger("holdfast.x").debug("not this")
    try:
        raise OSError("no disk")
    except OSError:
        logging.getLogger("holdfast.x").exception("it failed")
    structlog.get_logger("holdfast.y").warning("structured", count=3)
    first, second, third = lines(path)
    assert first["event"] == "hello you"
    assert (first["level"], first["logger"], first["peer"]) == ("info", "holdfast.x", "a")
    assert str(first["timestamp"]).endswith("Z")
    assert "OSError: no disk" in str(second["exception"])
    assert (third["event"], third["count"]) == ("structured", 3)
    assert [line.text for line in recent.lines][:2] == ["hello you", "it failed"]


def test_the_file_is_rotated_and_old_ones_are_deleted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    configure_logging("info", as_json=True, file=path, file_bytes=2_000, files=2)
    for number in range(200):
        logging.getLogger("holdfast.x").info("line %d", number)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.jsonl", "a.jsonl.1", "a.jsonl.2"]
    assert all(each.stat().st_size <= 2_000 for each in tmp_path.iterdir())
    assert lines(path)[-1]["event"] == "line 199"


@pytest.mark.parametrize(
    "text",
    [
        "token=abcdef123456",
        "Authorization: Bearer abcdef123456",
        'body {"password": "abcdef123456"}',
        "GET /x?api_key=abcdef123456&y=1",
        "cookie: holdfast_seat=abcdef123456; other=1",
        "basic abcdef123456==",
        "key='abcdef123456'",
    ],
)
def test_secrets_in_texts_are_removed(text: str) -> None:
    assert "abcdef123456" not in without_secrets(text)
    assert "[removed]" in without_secrets(text)


def test_secrets_by_name_are_removed_however_deep(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    configure_logging("info", as_json=True, file=path)
    structlog.get_logger("holdfast.y").info(
        "x", token="abc", nested={"list": [{"host_key": "abc", "fine": "here"}]}, monkey="banana"
    )
    (line,) = lines(path)
    assert line["token"] == "[removed]"
    assert line["nested"] == {"list": [{"host_key": "[removed]", "fine": "here"}]}
    assert line["monkey"] == "banana"


def test_what_is_harmless_stays() -> None:
    text = "session abc resumed after 3 s, 5 tokens left, key question 2"
    assert without_secrets(text) == text


def test_a_line_never_ends_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    recent = configure_logging("info", as_json=True)
    recent.on_line(lambda _: 1 / 0)
    logging.getLogger("holdfast.x").info("hello")
    assert "hello" in capsys.readouterr().err
