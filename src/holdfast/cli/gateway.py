"""Puts a gateway together: key, store, listener, and a page for its operator; runs it until a signal."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from holdfast.errors import CryptoError, ResilienceError, StorageError
from holdfast.mailbox.address import PORT_MAX, GatewayAddress
from holdfast.mailbox.gateway import Gateway
from holdfast.mailbox.memory import map_buffers
from holdfast.mailbox.store import MIGRATIONS
from holdfast.mailbox.tls import CERTIFICATE, make_certificate, pin_of_file, server_context
from holdfast.ops import Phase, ShutdownManager
from holdfast.resilience import CircuitState
from holdfast.server import Program, build_app, listen, loop_factory, serve
from holdfast.server.admin import Admin, admin_routes
from holdfast.server.admin_access import AdminAccess
from holdfast.server.mailbox_monitoring import watch_mailboxes
from holdfast.server.monitoring import Monitoring
from holdfast.storage import Database
from holdfast.world import RealWorld

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

    from holdfast.ops import RecentLog

log = logging.getLogger("holdfast.mailbox")

REPORT: Final = 300.0
"""Seconds between two lines of figures in the log."""

PAGES: Final = {"": "admin.html", "admin": "admin.html"}


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What the command line says.

    Attributes:
        host: address to listen on.
        port: of TCP; 0 for a free one.
        data: folder for key and mailboxes.
        pipe_to: addresses of gateways to pipe to.
        public_host: under which clients reach it; its onion service or else the host when None.
        onion: its onion service, on the same port.
        http: port, or host:port, of health, metrics and dashboard; None: there are none.
        recent: the last lines of the log.
    """

    host: str
    port: int
    data: Path
    pipe_to: Sequence[str] = ()
    public_host: str | None = None
    onion: str | None = None
    http: str | None = None
    recent: RecentLog | None = field(default=None, repr=False)


def run(options: GatewayOptions) -> None:
    """Run until a signal.

    Raises:
        ResilienceError: the address, the key or the folder cannot be used, or a part without which it is blind
            keeps dying.
        ValueError: one of the addresses cannot be one.
    """
    map_buffers()
    with asyncio.Runner(loop_factory=loop_factory("auto")) as runner:
        runner.run(_run(options))


async def _run(options: GatewayOptions) -> None:
    targets = [GatewayAddress.parse(text) for text in options.pipe_to]
    _address(
        options, options.port or 1, bytes(32)
    )  # what cannot be one is said before anything is made
    shutdown = ShutdownManager()
    async with AsyncExitStack() as stack:
        http = None
        if options.http is not None:
            http = listen(*_host_and_port(options.http), option="--http")
            stack.callback(http.close)
        _make_folder(options.data)
        database = Database(options.data / "gateway.db", {"mailbox": MIGRATIONS})
        await stack.enter_async_context(database)
        pem = await _key(options.data, database)
        gateway = Gateway(
            database, pin=pin_of_file(pem), pipe_to=targets, tls=server_context(pem), world=RealWorld()
        )  # fmt: skip
        monitoring = Monitoring(
            Program(RealWorld(), is_ready=partial(_is_ready, gateway, database), database=database),
            options.data,
            recent=options.recent,
            on_given_up=lambda name, _: shutdown.request(f"{name} keeps dying"),
        )
        watch_mailboxes(monitoring, gateway)
        stack.push_async_callback(gateway.stop)  # harmless when it has been stopped
        port = await gateway.start(options.host, options.port)
        await stack.enter_async_context(monitoring)
        monitoring.supervisor.start("figures", partial(_report, gateway))
        address = _address(options, port, pin_of_file(pem))
        await _serve(options, gateway, monitoring, shutdown, http, address)
        log.info("gateway: %s", gateway.statistics())
    if shutdown.reason.endswith("keeps dying"):
        raise ResilienceError(f"The gateway ended itself: {shutdown.reason}.")


async def _serve(
    options: GatewayOptions,
    gateway: Gateway,
    monitoring: Monitoring,
    shutdown: ShutdownManager,
    http: socket.socket | None,
    address: GatewayAddress,
) -> None:
    """Say that it is ready, with its operator's page if there is one, and return after a signal."""
    shutdown.on_phase(lambda phase: monitoring.systemd.tell("STOPPING=1", f"STATUS={phase}"))
    shutdown.on_forced(gateway.abort)

    def ready(http_lines: Sequence[str] = ()) -> None:
        print(f"The gateway is ready: {address}")
        for line in http_lines:
            print(line)
        print(f"  Data                       {options.data.resolve()}")
        print("Ctrl-C ends it.", flush=True)
        sys.stdout.flush()
        monitoring.systemd.tell("READY=1", "STATUS=serving")

    if http is None:
        shutdown.on(Phase.DRAINING, "notify_peers", gateway.stop)
        async with shutdown:
            ready()
            await shutdown.requested.wait()
        return
    access = AdminAccess(options.data, monitoring.subject.world)
    admin = Admin(monitoring, shutdown=shutdown.statistics, is_demo=False)
    app = build_app(monitoring.subject, admin_routes(admin, access), PAGES, monitoring=monitoring)
    await serve(
        app,
        http,
        ws=None,
        tell_clients=gateway.stop,
        on_ready=partial(ready, _http_lines(http, access.new_token)),
        shutdown=shutdown,
    )


def _host_and_port(text: str) -> tuple[str, int]:
    """Read a port or host:port; what has no host is for this machine alone.

    Raises:
        ValueError: it is neither.
    """
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port) > PORT_MAX:
        raise ValueError(f"--http {text!r} is neither a port nor host:port.")
    return host.strip("[]") or "127.0.0.1", int(port)


def _http_lines(http: socket.socket, new_token: str | None) -> list[str]:
    host, port = http.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    lines = [f"  Dashboard                  {url}/admin"]
    if new_token is not None:
        lines.append(f"  Its token, shown only now  {new_token}")
    lines.append(f"  Health                     {url}/health")
    return lines


def _is_ready(gateway: Gateway, database: Database) -> bool:
    return gateway.is_open and database.breaker.state is CircuitState.CLOSED


def _address(options: GatewayOptions, port: int, pin: bytes) -> GatewayAddress:
    """Return the address under which clients reach it; raises ValueError when it cannot be one."""
    if options.onion is not None and options.public_host is None:
        # Where it listens is nobody's business; the first of the two raises for what is no onion service.
        onion = GatewayAddress(options.host, port, pin, options.onion).onion
        return GatewayAddress(onion or "", port, pin)
    return GatewayAddress(options.public_host or options.host, port, pin, options.onion)


def _make_folder(data: Path) -> None:
    """Make the folder its owner's alone: mailboxes are nobody else's business."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The data folder {data} cannot be made: {error.strerror}. Give another --data, or let its owner make it.",
            original=error,
        ) from error


async def _key(data: Path, database: Database) -> Path:
    """Return where the key is; a new gateway gets one, when nobody else can be in the folder.

    Raises:
        CryptoError: 9001; there are mailboxes and no key for them.
        StorageError: 8xxx; it cannot be written.
    """
    pem = data / CERTIFICATE
    if not pem.exists():
        if await database.fetch_one("SELECT 1 FROM mailbox LIMIT 1") is not None:
            raise CryptoError(
                f"There are mailboxes in {data}, but the key {CERTIFICATE} is gone: put your copy of it back. "
                "With another key it would be another gateway; that one begins in an empty folder."
            )
        make_certificate(pem)
    return pem


async def _report(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(REPORT)
        log.info("gateway: %s", gateway.statistics())
