"""``holdfast agent``: a node with named agents, and commands that talk with it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.errors import ResilienceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.apps.agents.control import Wish

program = typer.Typer(
    help="Named agents on nodes that meet by invitation and talk through gateways.",
    no_args_is_help=True,
)

Config = Annotated[
    Path, typer.Option("--config", "-c", help="The node's configuration, a TOML file.")
]
CONFIG = Path("agents.toml")
Seconds = Annotated[float, typer.Option(help="How long it may take.", min=0.001)]
PeerName = Annotated[
    str, typer.Option("--name", help="What the peer is called here: what stands behind the @.")
]


@contextmanager
def _plainly() -> Iterator[None]:
    """Say what went wrong in a line, and end with 1."""
    try:
        yield
    except ResilienceError as error:
        print(f"holdfast: {error.message} [{error.code:d}]", file=sys.stderr)
        raise typer.Exit(1) from error


def _ask(config: Path, wish: Wish, within: float = 0.0) -> object:
    from holdfast.apps.agents.config import Configuration  # noqa: PLC0415 - so that --help is quick
    from holdfast.apps.agents.control import ask  # noqa: PLC0415 - as above

    return asyncio.run(ask(Configuration(config).data, wish, within=within))


@program.command()
def run(
    config: Annotated[Path, typer.Argument(help="The node's configuration, a TOML file.")] = CONFIG,
    log_level: Annotated[str, typer.Option(help="debug, info, warning, error.")] = "info",
) -> None:
    """Run a node with its agents until it is stopped.

    Keys and everything that is kept lie in its data folder; a passphrase for the keys is taken from
    HOLDFAST_AGENT_PASSPHRASE.
    """
    from holdfast.apps.agents.config import Configuration  # noqa: PLC0415 - so that --help is quick
    from holdfast.cli import agent_node as shell  # noqa: PLC0415 - as above
    from holdfast.ops import configure_logging  # noqa: PLC0415 - as above

    with _plainly():
        configuration = Configuration(config)
        shell.run(configuration, configure_logging(log_level))


@program.command()
def call(
    address: Annotated[
        str, typer.Argument(help="agent@peer, or the agent alone for one of the own node.")
    ],
    body: Annotated[str, typer.Argument(help="What is said to it, as JSON.")] = "null",
    config: Config = CONFIG,
    timeout: Seconds = 30.0,
    request_id: Annotated[
        str | None,
        typer.Option("--id", help="The same again is the same request, and gets the same answer."),
    ] = None,
) -> None:
    """Ask an agent and print its answer as JSON."""
    import msgspec  # noqa: PLC0415 - so that --help is quick

    from holdfast.apps.agents.control import CallWish  # noqa: PLC0415 - as above
    from holdfast.apps.agents.wire import from_json  # noqa: PLC0415 - as above

    with _plainly():
        said = from_json(body.encode("utf-8", "surrogateescape"))
        answer = _ask(config, CallWish(address, said, timeout, request_id), timeout)
        print(msgspec.json.format(msgspec.json.encode(answer)).decode("utf-8"))


@program.command("list")
def list_agents(config: Config = CONFIG, timeout: Seconds = 5.0) -> None:
    """Show the agents of the node, and those of its peers, which are asked now."""
    from rich.console import Console  # noqa: PLC0415 - so that --help is quick

    from holdfast.apps.agents.control import ListWish  # noqa: PLC0415 - as above
    from holdfast.cli.agent_list import shown  # noqa: PLC0415 - as above

    with _plainly():
        told = _ask(config, ListWish(timeout), timeout)
        Console().print(shown(told))


@program.command()
def invite(name: PeerName, config: Config = CONFIG) -> None:
    """Make an invitation and print it: whoever accepts it becomes this peer; it is good for one.

    It travels like a key: give it to nobody else.
    """
    from holdfast.apps.agents.control import InviteWish  # noqa: PLC0415 - so that --help is quick

    with _plainly():
        told = _ask(config, InviteWish(name), 60.0)
        print(told["link"] if isinstance(told, dict) else told)


@program.command()
def accept(
    link: Annotated[str, typer.Argument(help="The invitation, holdfast:…; - reads it from stdin.")],
    name: PeerName,
    config: Config = CONFIG,
) -> None:
    """Use an invitation: its maker becomes a peer with this name."""
    from holdfast.apps.agents.control import AcceptWish  # noqa: PLC0415 - so that --help is quick

    with _plainly():
        text = sys.stdin.read() if link == "-" else link
        _ask(config, AcceptWish(name, text.strip()), 60.0)
        print(f"{name} is a peer now.")
