"""``holdfast chat``: a chat in which gateways learn neither who writes to whom nor what."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.errors import ResilienceError

if TYPE_CHECKING:
    from collections.abc import Iterator

program = typer.Typer(help="Chat through gateways that know neither who nor what.")

Data = Annotated[Path, typer.Option(help="Folder for keys and history; one node each.")]
Gateways = Annotated[
    list[str] | None,
    typer.Option(
        "--gateway", help="Address of a gateway, kept for the next time; can be given again."
    ),
]
Mode = Annotated[str | None, typer.Option(help="two_hop, direct or tor; kept for the next time.")]
Proxy = Annotated[
    str | None,
    typer.Option(
        help="SOCKS5 proxy of Tor as host:port, for the mode tor; 127.0.0.1:9050 if none."
    ),
]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning, error.")]
HOME = Path("chat")


@program.callback(invoke_without_command=True)
def chat(
    context: typer.Context,
    data: Data = HOME,
    gateways: Gateways = None,
    mode: Mode = None,
    proxy: Proxy = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the page; the one of last time, or a free one.")
    ] = None,
    *,
    window: Annotated[
        bool, typer.Option("--window/--no-window", help="Open the page in a window of its own.")
    ] = True,
    log_level: LogLevel = "warning",
) -> None:
    """Chat in a page of this machine; without a command, this is what runs.

    The passphrase of the keys is asked for, or taken from HOLDFAST_PASSPHRASE.
    """
    if context.invoked_subcommand is not None:
        return
    from holdfast.cli import chat_page as shell  # noqa: PLC0415 - so that --help is quick
    from holdfast.ops import configure_logging  # noqa: PLC0415 - as above

    with _told():
        configure_logging(log_level)
        profile = shell.profile_of(data, gateways, mode, proxy)
        passphrase = shell.passphrase_for(data)
        shell.run(data, profile, passphrase, port, with_window=window)


@program.command()
def terminal(
    data: Data = HOME,
    gateways: Gateways = None,
    mode: Mode = None,
    proxy: Proxy = None,
    name: Annotated[str, typer.Option(help="Your name for your friends, at the first start.")] = "",
    log_level: LogLevel = "error",
) -> None:
    """Chat in this terminal, with the same folder as the page; one of the two at a time."""
    from holdfast.cli import chat_page as shell  # noqa: PLC0415 - so that --help is quick
    from holdfast.cli import chat_terminal  # noqa: PLC0415 - as above
    from holdfast.ops import configure_logging  # noqa: PLC0415 - as above

    with _told():
        configure_logging(log_level)
        profile = shell.profile_of(data, gateways, mode, proxy)
        chat_terminal.run(data, profile, shell.passphrase_for(data), name)


@program.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(help="Folder to keep; a new one that is deleted by default.")
    ] = None,
    mode: Annotated[str, typer.Option(help="two_hop or direct.")] = "two_hop",
    *,
    window: Annotated[
        bool, typer.Option("--window/--no-window", help="Open both pages in windows of their own.")
    ] = True,
    log_level: LogLevel = "error",
) -> None:
    """Show three gateways and two people on this machine, with buttons that kill gateways."""
    from holdfast.cli import chat_demo as shell  # noqa: PLC0415 - so that --help is quick
    from holdfast.ops import configure_logging  # noqa: PLC0415 - as above

    with _told():
        configure_logging(log_level)
        shell.run(data, mode, with_window=window)


@program.command()
def gateway(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")
    ] = 8410,
    data: Annotated[Path, typer.Option(help="Folder for the key and all mailboxes.")] = Path(
        "gateway"
    ),
    pipe_to: Annotated[
        list[str] | None,
        typer.Option("--pipe-to", help="Address of a gateway to pipe to; can be given again."),
    ] = None,
    public_host: Annotated[
        str | None,
        typer.Option(
            help="Name under which clients reach it; its onion service, or the address, by default."
        ),
    ] = None,
    onion: Annotated[
        str | None,
        typer.Option(help="Its onion service, on the same port, for clients that use Tor."),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            help="Port, or host:port, of health, metrics and dashboard; of this machine alone without a host."
        ),
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning, error.")] = "info",
) -> None:
    """Run a gateway: mailboxes for people it does not know, and pipes to other gateways.

    Its address is printed when it is ready; give it to those who may use it. The key in the data folder is what it
    is known by: keep a copy.
    """
    from holdfast.cli import gateway as shell  # noqa: PLC0415 - so that --help is quick
    from holdfast.ops import configure_logging  # noqa: PLC0415 - as above

    with _told():
        recent = configure_logging(log_level)
        shell.run(
            shell.GatewayOptions(
                host,
                port,
                data,
                pipe_to or [],
                public_host=public_host,
                onion=onion,
                http=http,
                recent=recent,
            )
        )


@contextmanager
def _told() -> Iterator[None]:
    """Tell a person what went wrong, instead of where in the program."""
    try:
        yield
    except (ResilienceError, ValueError) as error:
        print(f"holdfast: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
