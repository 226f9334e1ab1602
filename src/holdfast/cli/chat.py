"""``holdfast chat``: a chat in which gateways learn neither who writes to whom nor what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from holdfast.errors import ResilienceError

program = typer.Typer(help="Chat through gateways that know neither who nor what.")


@program.command()
def gateway(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.")] = 8410,
    data: Annotated[Path, typer.Option(help="Folder for the key and all mailboxes.")] = Path(
        "gateway"
    ),
    pipe_to: Annotated[
        list[str] | None,
        typer.Option("--pipe-to", help="Address of a gateway to pipe to; can be given again."),
    ] = None,
    public_host: Annotated[
        str | None, typer.Option(help="Name under which clients reach it; the address by default.")
    ] = None,
    onion: Annotated[
        str | None, typer.Option(help="Its onion service, for clients that use Tor.")
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning, error.")] = "info",
) -> None:
    """Run a gateway: mailboxes for people it does not know, and pipes to other gateways.

    Its address is printed when it is ready; give it to those who may use it. The key in the data folder is what it
    is known by: keep a copy.
    """
    from holdfast.cli import gateway as shell  # noqa: PLC0415 - so that --help is quick
    from holdfast.ops import configure_logging  # noqa: PLC0415 - as above

    try:
        configure_logging(log_level)
        shell.run(
            shell.GatewayOptions(
                host, port, data, pipe_to or [], public_host=public_host, onion=onion
            )
        )
    except (ResilienceError, ValueError) as error:
        print(f"holdfast: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
