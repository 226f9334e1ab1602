"""``holdfast outbox``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from typer.testing import CliRunner, Result

from holdfast.cli.main import program
from holdfast.delivery import MIGRATIONS, Message, Outbox, OutboxSettings
from holdfast.errors import DeliveryRefusedError
from holdfast.storage import Database

if TYPE_CHECKING:
    from pathlib import Path


async def filled(data: Path) -> None:
    """One dead letter with a hostile reason, and one message that waits."""

    async def send(message: Message) -> None:
        if message.destination == "away":
            raise ConnectionRefusedError("away")
        raise DeliveryRefusedError("no such \x1b[31mroom [bold]")

    async with (
        Database(data / "holdfast.db", MIGRATIONS) as database,
        Outbox(database, send, settings=OutboxSettings(workers=2)) as outbox,
    ):
        await outbox.submit("gate", b"hello", id="dead-1")
        await outbox.submit("away", b"later", id="waits-1")
        await outbox.outcome("dead-1")


def holdfast(*arguments: str, data: Path) -> Result:
    return CliRunner().invoke(
        program, ["outbox", *arguments, "--data", str(data)], env={"COLUMNS": "200"}
    )


def test_dead_letters_can_be_listed_shown_sent_again_and_deleted(tmp_path: Path) -> None:
    asyncio.run(filled(tmp_path))
    listed = holdfast("list", data=tmp_path).output
    assert "away" in listed
    assert "dead-1" in listed
    assert "no such �[31mroom [bold]" in listed
    assert "\x1b[31m" not in listed
    shown = holdfast("show", "dead-1", data=tmp_path).output
    assert "5 bytes: b'hello'" in shown
    assert "failed" in shown
    assert holdfast("resend", "dead-1", data=tmp_path).output == "1 queued.\n"
    listed = holdfast("list", data=tmp_path).output
    assert "There are no dead letters." in listed
    assert holdfast("purge", "--all", data=tmp_path).output == "0 deleted.\n"


def test_what_makes_no_sense_is_said(tmp_path: Path) -> None:
    nothing = holdfast("list", data=tmp_path)
    assert nothing.exit_code == 1
    assert "There is no" in nothing.output
    asyncio.run(filled(tmp_path))
    for arguments, words in (
        (["show", "unknown"], "There is no message 'unknown'"),
        (["purge"], "either ids or --all"),
        (["resend", "dead-1", "--all"], "either ids or --all"),
    ):
        result = holdfast(*arguments, data=tmp_path)
        assert result.exit_code == 1
        assert words in result.output


async def test_a_folder_in_use_is_named_and_listing_works_all_the_same(tmp_path: Path) -> None:
    await filled(tmp_path)
    async with Database(tmp_path / "holdfast.db", MIGRATIONS):
        result = await asyncio.to_thread(holdfast, "purge", "--all", data=tmp_path)
        assert result.exit_code == 1
        assert "used by another process" in result.output
        assert "dead-1" in (await asyncio.to_thread(holdfast, "list", data=tmp_path)).output
