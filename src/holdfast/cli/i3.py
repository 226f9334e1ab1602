"""``holdfast i3``: a router, a gateway with its keys, and a demonstration of both."""

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

    from holdfast.apps.i3.gateway import GatewaySettings

program = typer.Typer(
    help="Intermud-3: a private network of MUDs, and a gateway to any.", no_args_is_help=True
)
keys = typer.Typer(
    help="Keys for the API of a gateway that does not run; a running one has key_add, key_list and key_revoke.",
    no_args_is_help=True,
)
program.add_typer(keys, name="keys")

Host = Annotated[str, typer.Option(help="Address to listen on.")]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning, error.")]
Data = Annotated[Path, typer.Option(help="Folder for everything that is kept.")]


@contextmanager
def _plainly() -> Iterator[None]:
    """Say what went wrong in a line, and end with 1."""
    try:
        yield
    except (ResilienceError, ValueError) as error:
        message = error.message if isinstance(error, ResilienceError) else str(error)
        print(f"holdfast: {message}", file=sys.stderr)
        raise typer.Exit(1) from error


@program.command()
def router(
    name: Annotated[str, typer.Option(help="Of the router; begins with a star.")] = "*holdfast",
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port for MUDs; 0 picks a free one.")] = 8787,
    data: Data = Path("i3-router"),
    advertise: Annotated[
        str, typer.Option(help="'ip port' that is told to MUDs; the one they came to by default.")
    ] = "",
    http_port: Annotated[
        int | None, typer.Option(help="Port for health, metrics and dashboard; none by default.")
    ] = None,
    packet_rate: Annotated[
        float, typer.Option(help="Packets a second from one MUD in the long run; 0: no limit.")
    ] = 100.0,
    log_level: LogLevel = "info",
) -> None:
    """Run a router: a private Intermud-3 network on one machine."""
    from holdfast.apps.i3.router import RouterSettings  # noqa: PLC0415 - as above
    from holdfast.cli import i3_serving as shell  # noqa: PLC0415 - so that --help is quick
    from holdfast.ops import configure_logging  # noqa: PLC0415 - as above

    with _plainly():
        recent = configure_logging(log_level)
        settings = RouterSettings(
            name=name, host=host, port=port, advertise=advertise, packet_rate=packet_rate or None
        )
        around = shell.Surroundings(data=data, host=host, port=http_port, recent=recent)
        shell.run_router(settings, around)


@program.command("forget-mud")
def forget_mud(
    name: Annotated[str, typer.Argument(help="Of the MUD, exactly.")],
    data: Data = Path("i3-router"),
) -> None:
    """Forget the password of a MUD: the next one that starts up under its name is let in and keeps its channels.

    For a MUD that has lost its password; the router must not run meanwhile.
    """
    from holdfast.cli.i3_serving import forget_password  # noqa: PLC0415 - so that --help is quick

    with _plainly():
        if not asyncio.run(forget_password(data, name)):
            raise ValueError(f"The router in {data} knows no MUD {name!r}.")
        print(f"{name} gets a new password at its next startup.")


@program.command()
def gateway(
    mud: Annotated[str, typer.Option(help="Name of the MUD on the network.")] = "",
    router_: Annotated[
        list[str] | None,
        typer.Option(
            "--router", help="'*name=host:port', the preferred one first; can be given again."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with settings of the gateway; see the guide.")
    ] = None,
    host: Host = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port of HTTP and WebSocket; 0 picks a free one.")
    ] = 8080,
    tcp_port: Annotated[
        int | None, typer.Option(help="Port of the API over TCP, none by default.")
    ] = None,
    data: Data = Path("i3-gateway"),
    log_level: LogLevel = "info",
) -> None:
    """Run a gateway: a MUD's place on an Intermud-3 network, for clients that speak JSON-RPC.

    At the first start a key for the API is made and shown.
    """
    from holdfast.cli import i3_serving as shell  # noqa: PLC0415 - so that --help is quick
    from holdfast.ops import configure_logging  # noqa: PLC0415 - as above

    with _plainly():
        recent = configure_logging(log_level)
        found = _read(config)
        origins, webhook = found.pop("origins", []), found.pop("alert_webhook", "")
        if not isinstance(origins, list) or not isinstance(webhook, str):
            raise typer.BadParameter(
                "origins is a list, alert_webhook a text", param_hint="--config"
            )
        around = shell.Surroundings(
            data=data,
            host=host,
            port=port,
            line_port=tcp_port,
            origins=tuple(str(each) for each in origins),
            alert_webhook=webhook,
            recent=recent,
        )
        shell.run_gateway(_settings(mud, router_ or [], found), around)


def _read(config: Path | None) -> dict[str, object]:
    """Read a file of settings.

    Raises:
        ValueError: it cannot be read.
    """
    import tomllib  # noqa: PLC0415 - so that --help is quick

    if config is None:
        return {}
    try:
        return tomllib.loads(config.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{config} cannot be read: {error}") from error


def _settings(mud: str, routers: list[str], found: dict[str, object]) -> GatewaySettings:
    """Put a gateway's settings together; the command line goes before the file.

    Raises:
        ValueError: they make no sense, or something is missing.
    """
    import msgspec  # noqa: PLC0415 - so that --help is quick

    from holdfast.apps.i3.gateway import GatewaySettings, RouterAddress  # noqa: PLC0415 - as above

    if mud:
        found["mud_name"] = mud
    if routers:
        found["routers"] = routers
    if not found.get("mud_name") or not found.get("routers"):
        raise ValueError(
            "Say which MUD this is and where a router is: --mud NAME --router '*name=host:port'."
        )
    addresses = found["routers"]
    if not isinstance(addresses, list):
        raise ValueError("routers is a list of '*name=host:port'.")  # noqa: TRY004 - a wrong setting
    found["routers"] = [RouterAddress.parse(str(each)) for each in addresses]
    if found.get("pace_rate") == 0:
        found["pace_rate"] = None  # a file has no word for "no limit"
    unknown = set(found) - set(GatewaySettings.__dataclass_fields__)
    if unknown:
        raise ValueError(
            f"There are settings in the file that a gateway does not have: {', '.join(sorted(unknown))}."
        )
    try:
        return msgspec.convert(found, GatewaySettings, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        raise ValueError(f"A setting is wrong: {error}.") from error


@keys.command("list")
def keys_list(data: Data = Path("i3-gateway")) -> None:
    """List the keys: name and permissions; what a key is was shown once."""
    from holdfast.apps.i3.api import ApiKeys  # noqa: PLC0415, TC001 - so that --help is quick
    from holdfast.cli.i3_serving import with_keys  # noqa: PLC0415 - as above

    async def job(known: ApiKeys) -> None:
        for account in known.by_name.values():
            print(f"{account.name}  {', '.join(account.permissions)}")
        if not known.by_name:
            print("There are no keys; the first start of the gateway makes one.")

    with _plainly():
        asyncio.run(with_keys(data, job))


@keys.command("add")
def keys_add(
    name: Annotated[str, typer.Argument(help="Of whom it is for.")],
    permission: Annotated[
        list[str] | None,
        typer.Option(help="A permission or a method; can be given again; everything by default."),
    ] = None,
    data: Data = Path("i3-gateway"),
) -> None:
    """Make a key and print it, once."""
    from holdfast.apps.i3.api import ApiKeys  # noqa: PLC0415, TC001 - so that --help is quick
    from holdfast.cli.i3_serving import with_keys  # noqa: PLC0415 - as above

    async def job(known: ApiKeys) -> None:
        print(await known.add(name, permission or ["*"]))

    with _plainly():
        asyncio.run(with_keys(data, job))


@keys.command("revoke")
def keys_revoke(
    name: Annotated[str, typer.Argument(help="Of the key.")], data: Data = Path("i3-gateway")
) -> None:
    """Make a key good for nothing."""
    from holdfast.apps.i3.api import ApiKeys  # noqa: PLC0415, TC001 - so that --help is quick
    from holdfast.cli.i3_serving import with_keys  # noqa: PLC0415 - as above

    async def job(known: ApiKeys) -> None:
        await known.revoke(name)
        print(f"The key of {name} is good for nothing now.")

    with _plainly():
        asyncio.run(with_keys(data, job))


@program.command()
def demo(
    port: Annotated[
        int,
        typer.Option(help="Port of the first gateway, the second has the next one; 0: free ones."),
    ] = 8421,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder for everything that is kept; a passing one by default."),
    ] = None,
) -> None:
    """Start a router and two gateways, and print two links for two visitors."""
    from holdfast.cli import i3_demo as shell  # noqa: PLC0415 - so that --help is quick

    with _plainly():
        shell.run(port, data)
