"""``holdfast outbox``: what waits, what was given up and why; send it again, or delete it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from holdfast.cli.store import DATABASE, Data, told
from holdfast.delivery import MIGRATIONS, DeadLetter, Outbox, OutboxSettings, store
from holdfast.errors import DeliveryError, StorageError
from holdfast.storage import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.delivery import Message

program = typer.Typer(
    help="Messages that wait to be delivered, and dead letters.", no_args_is_help=True
)

Ids = Annotated[list[str] | None, typer.Argument(help="Ids of dead letters, as list shows them.")]
Everything = Annotated[bool, typer.Option("--all", help="All dead letters, instead of ids.")]
BODY_SHOWN = 60
LETTERS_MAX = 100_000


@program.command("list")
def list_letters(
    data: Data = Path("data"),
    destination: Annotated[str | None, typer.Option(help="Only for this destination.")] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 100,
) -> None:
    """Show how much waits for whom, and the dead letters, oldest first; a running server is not disturbed."""
    console = Console()
    with told(), closing(_opened(data)) as connection:
        waiting = connection.execute(
            "SELECT destination, count(*), min(created_ms) FROM outbox GROUP BY destination "
            "ORDER BY 2 DESC LIMIT ?",
            (limit,),
        ).fetchall()
        letters = store.dead_letters(connection, destination=destination, ids=None, limit=limit)
    if not waiting:
        console.print("Nothing waits.")
    else:
        table = Table("destination", "messages", "oldest", title="waiting")
        for name, count, oldest_ms in waiting:
            table.add_row(_plain(name), f"{count:,}", _time(oldest_ms / 1000))
        console.print(table)
    if not letters:
        console.print("There are no dead letters.")
        return
    table = Table(
        "id", "destination", "given up", "attempts", "state", "reason", title="dead letters"
    )
    for letter in letters:
        message = letter.message
        table.add_row(
            _plain(message.id),
            _plain(message.destination),
            _time(letter.at),
            str(message.attempts),
            letter.state.value,
            _plain(letter.reason),
        )
    console.print(table)


@program.command()
def show(
    id: Annotated[str, typer.Argument(help="Of a message.")],  # noqa: A002 - the word of the field
    data: Data = Path("data"),
) -> None:
    """Show the history of a message, and its body if it is a dead letter."""
    with told(), closing(_opened(data)) as connection:
        found = store.tracked(connection, id)
        if found is None:
            raise DeliveryError(f"There is no message {id!r}.")
        letters = store.dead_letters(connection, destination=None, ids=[id], limit=1)
    for change in found[1].history:
        print(f"{_time(change.at)}  {change.state.value:9}  {_plain(change.reason or '')}".rstrip())
    for letter in letters:
        body = letter.message.body
        print(f"{len(body):,} bytes: {_plain(repr(body[:BODY_SHOWN]))}")


@program.command()
def resend(ids: Ids = None, everything: Everything = False, data: Data = Path("data")) -> None:  # noqa: FBT002 - an option
    """Queue dead letters anew; they are sent when the server runs."""
    with told():
        count = asyncio.run(_change(data, ids or [], everything, Outbox.resend))
    print(f"{count} queued.")


@program.command()
def purge(ids: Ids = None, everything: Everything = False, data: Data = Path("data")) -> None:  # noqa: FBT002 - an option
    """Delete dead letters for good."""
    with told():
        count = asyncio.run(_change(data, ids or [], everything, Outbox.purge))
    print(f"{count} deleted.")


async def _change(
    data: Path,
    ids: list[str],
    everything: bool,  # noqa: FBT001 - from the command line
    action: Callable[..., object],
) -> object:
    """Do it with an outbox that sends nothing; the folder must not be in use."""
    if bool(ids) == everything:
        raise DeliveryError("Give either ids or --all.")
    if not (data / DATABASE).exists():
        raise StorageError(f"There is no {data / DATABASE}.")
    async with (
        Database(data / DATABASE, MIGRATIONS) as database,
        Outbox(database, _send_nothing, settings=OutboxSettings(workers=0)) as outbox,
    ):
        if everything:
            letters: list[DeadLetter] = await outbox.dead_letters(limit=LETTERS_MAX)
            ids = [letter.message.id for letter in letters]
        return await action(outbox, *ids)  # type: ignore[misc]


async def _send_nothing(_: Message) -> None:
    raise DeliveryError("This command sends nothing.")


def _opened(data: Path) -> sqlite3.Connection:
    path = data / DATABASE
    if not path.exists():
        raise StorageError(f"There is no {path}.")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'outbox'").fetchone()
    if tables is None:
        connection.close()
        raise StorageError(f"{path} has no outbox.")
    return connection


def _plain(text: str) -> str:
    """Make text from outside harmless for a terminal."""
    return "".join(each if each.isprintable() else "�" for each in text).replace("[", "\\[")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
