"""``holdfast store``: is the file whole, a copy of it, and the copy back."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.errors import ResilienceError
from holdfast.storage import maintenance

if TYPE_CHECKING:
    from collections.abc import Iterator

program = typer.Typer(
    help="Look after what is kept: check it, back it up, restore it.", no_args_is_help=True
)

Data = Annotated[
    Path, typer.Option(help="Folder for everything that is kept, as given to serve.", metavar="DIR")
]
DATABASE = "holdfast.db"


@contextmanager
def told() -> Iterator[None]:
    """Print an error as a sentence and exit with 1."""
    try:
        yield
    except ResilienceError as error:
        print(f"holdfast: {error.message}", file=sys.stderr)
        raise typer.Exit(1) from error


@program.command()
def check(data: Data = Path("data")) -> None:
    """Look at every page and index; a running server is not disturbed. Exits with 1 on damage."""
    with told():
        problems = maintenance.check(data / DATABASE)
    for problem in problems:
        print(problem)
    if problems:
        print("The file is damaged: restore a backup (holdfast store restore).", file=sys.stderr)
        raise typer.Exit(1)
    print(f"{data / DATABASE} is whole.")


@program.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The copy to write; it must not exist.")],
    data: Data = Path("data"),
) -> None:
    """Copy everything that is kept into one file, while the server runs."""
    with told():
        size = maintenance.backup(data / DATABASE, target)
    print(f"{target}: {size:,} bytes, checked.")


@program.command()
def restore(
    copy: Annotated[Path, typer.Argument(help="A file that backup wrote.")],
    data: Data = Path("data"),
) -> None:
    """Put a backup in place while no server runs; what was there is kept beside it."""
    with told():
        kept = maintenance.restore(copy, data / DATABASE)
    print(f"{data / DATABASE} is restored.")
    if kept is not None:
        print(f"The file that was there is now {kept}.")
