"""``holdfast serve``: the server with the live quiz."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli import agent, chat, i3, outbox, store
from holdfast.errors import ResilienceError

program = typer.Typer(
    help="Connections break; sessions, messages and people do not get lost.",
    no_args_is_help=True,
    add_completion=False,
)


program.add_typer(store.program, name="store")
program.add_typer(outbox.program, name="outbox")
program.add_typer(i3.program, name="i3")
program.add_typer(chat.program, name="chat")
program.add_typer(agent.program, name="agent")


@program.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder for everything that is kept.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning, error.")] = None,
    demo: Annotated[
        bool | None, typer.Option("--demo", help="Let the dashboard trouble connections.")
    ] = None,
) -> None:
    """Serve the live quiz, with HTTP and WebSocket on one port.

    Every setting can also be given as HOLDFAST_<NAME> in the environment or in a TOML file.
    """
    from holdfast.cli import serving  # noqa: PLC0415 - so that --help is quick
    from holdfast.ops import configure_logging  # noqa: PLC0415 - as below
    from holdfast.server.settings import read_settings  # noqa: PLC0415 - as above

    try:
        settings = read_settings(
            {
                "host": host,
                "port": port,
                "data": data,
                "log_level": log_level,
                "demo": demo,
            },
            file=config,
        )
        file = Path(settings.log_file) if settings.log_file else None
        recent = configure_logging(settings.log_level, file=file)
        serving.run(settings, recent)
    except ResilienceError as error:
        print(f"holdfast: {error.message}", file=sys.stderr)
        raise typer.Exit(1) from error


@program.command()
def doctor(
    data: Annotated[Path, typer.Option(help="Folder for everything that is kept.")] = Path("data"),
    url: Annotated[str, typer.Option(help="Where the server is.")] = "http://127.0.0.1:8400",
) -> None:
    """Look at the installation and a running server, and say what is wrong and what to do.

    Exits with 1 when something is wrong.
    """
    from holdfast.cli import doctor as look  # noqa: PLC0415 - so that --help is quick

    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter("give http:// or https://", param_hint="--url")
    marks = {look.GOOD: "ok     ", look.WARN: "warning", look.BAD: "WRONG  "}
    is_well = True
    for finding in look.examine(data, url.rstrip("/")):
        print(f"{marks[finding.state]}  {finding.what}")
        if finding.advice:
            print(f"         {finding.advice}")
        is_well = is_well and finding.state != look.BAD
    if not is_well:
        raise typer.Exit(1)


@program.command("admin-token")
def admin_token(
    data: Annotated[Path, typer.Option(help="Folder for everything that is kept.")] = Path("data"),
) -> None:
    """Make a new token for the dashboard and print it; the old one is good for nothing from then on.

    A server that runs takes it at its next start.
    """
    from holdfast.server.admin_access import AdminAccess  # noqa: PLC0415 - so that --help is quick
    from holdfast.world import RealWorld  # noqa: PLC0415 - as above

    try:
        print(AdminAccess(data, RealWorld()).renew())
    except ResilienceError as error:
        print(f"holdfast: {error.message}", file=sys.stderr)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    program()
