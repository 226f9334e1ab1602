"""Puts a gateway together: key, store, listener; runs it until a signal."""

from __future__ import annotations

import asyncio
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.mailbox.address import GatewayAddress
from holdfast.mailbox.gateway import Gateway
from holdfast.mailbox.store import MIGRATIONS
from holdfast.mailbox.tls import CERTIFICATE, make_certificate, pin_of_file, server_context
from holdfast.ops import ShutdownManager
from holdfast.server import loop_factory
from holdfast.storage import Database
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

log = logging.getLogger("holdfast.mailbox")

REPORT = 300.0
"""Seconds between two lines of figures in the log."""


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What the command line says.

    Attributes:
        host: address to listen on.
        port: of TCP; 0 for a free one.
        data: folder for key and mailboxes.
        pipe_to: addresses of gateways to pipe to.
        public_host: under which clients reach it; the host when None.
        onion: its onion service.
    """

    host: str
    port: int
    data: Path
    pipe_to: Sequence[str] = ()
    public_host: str | None = None
    onion: str | None = None


def run(options: GatewayOptions) -> None:
    """Run until a signal.

    Raises:
        ResilienceError: the address, the key or the folder cannot be used.
        ValueError: an address to pipe to is none.
    """
    with asyncio.Runner(loop_factory=loop_factory("auto")) as runner:
        runner.run(_run(options))


def address_of(options: GatewayOptions, port: int) -> GatewayAddress:
    """Return the address under which clients reach it; its key is made when there is none."""
    pem = options.data / CERTIFICATE
    if not pem.exists():
        make_certificate(pem)
    host = options.public_host or options.host
    return GatewayAddress(host, port, pin_of_file(pem), options.onion)


async def _run(options: GatewayOptions) -> None:
    options.data.mkdir(
        mode=0o700, parents=True, exist_ok=True
    )  # mailboxes are nobody else's business
    pem = options.data / CERTIFICATE
    if not pem.exists():
        make_certificate(pem)
    targets = [GatewayAddress.parse(text) for text in options.pipe_to]
    async with (
        ShutdownManager() as shutdown,
        Database(options.data / "gateway.db", {"mailbox": MIGRATIONS}) as database,
    ):
        gateway = Gateway(
            database,
            pin=pin_of_file(pem),
            pipe_to=targets,
            tls=server_context(pem),
            world=RealWorld(),
        )
        port = await gateway.start(options.host, options.port)
        try:
            print(f"The gateway is ready: {address_of(options, port)}")
            print("Ctrl-C ends it.", flush=True)
            sys.stdout.flush()
            while not shutdown.requested.is_set():
                await _until_report(shutdown)
                log.info("gateway: %s", gateway.statistics())
        finally:
            await gateway.stop()


async def _until_report(shutdown: ShutdownManager) -> None:
    try:
        async with asyncio.timeout(REPORT):
            await shutdown.requested.wait()
    except TimeoutError:
        return  # the time for figures has come
