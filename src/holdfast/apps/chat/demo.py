"""Gateways to be killed by a button: real processes, for the demonstration and for tests.

A gateway that was killed is started again on the same port with the same folder, as a machine does that comes back.
"Freeze" stops its process without ending it, which is what a gateway looks like whose network is gone: it answers
nothing and closes nothing.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from litestar import Router, post
from litestar.params import PathParameter

from holdfast.apps.chat.errors import ChatCode, ChatError
from holdfast.errors import ResilienceError
from holdfast.mailbox import GatewayAddress
from holdfast.mailbox.tls import CERTIFICATE, make_certificate, pin_of_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

    from litestar.connection import ASGIConnection
    from litestar.datastructures import State
    from litestar.handlers import BaseRouteHandler

    from holdfast.apps.chat.access import PageAccess

HOST: Final = "127.0.0.1"
READY: Final = b"The gateway is ready"
STARTS_WITHIN: Final = 30.0
"""Seconds that a gateway may take to be ready."""

ENDS_WITHIN: Final = 10.0
"""Seconds that it may take to end in peace."""

LINE_BYTES_MAX: Final = 64 * 1024


@dataclass(slots=True)
class DemoGateway:
    """One gateway as a process of its own.

    Attributes:
        address: where it is, whether it runs or not.
        data: its folder.
        process: of it, None when it was never started.
        is_frozen: stopped, without having ended.
    """

    address: GatewayAddress
    data: Path
    process: asyncio.subprocess.Process | None = None
    is_frozen: bool = False

    @property
    def name(self) -> str:
        """How it is called at the node: ``host:port``."""
        return f"{self.address.host}:{self.address.port}"

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self.process is not None and self.process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if there is one."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)


class DemoGateways:
    """Several gateways on this machine, each of which pipes to the others. An async context manager.

    Args:
        data: folder of their folders.
        count: how many.
    """

    def __init__(self, data: Path, count: int = 3) -> None:
        self._changing = asyncio.Lock()
        ports = _ports(data, count)
        self.gateways: list[DemoGateway] = []
        for number, port in enumerate(ports, 1):
            folder = data / f"gateway-{number}"
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            pem = folder / CERTIFICATE
            if not pem.exists():
                make_certificate(pem)
            self.gateways.append(DemoGateway(GatewayAddress(HOST, port, pin_of_file(pem)), folder))

    @property
    def addresses(self) -> list[str]:
        """Their addresses, as a profile keeps them."""
        return [str(gateway.address) for gateway in self.gateways]

    async def __aenter__(self) -> Self:
        try:
            await asyncio.gather(*(self._start(gateway) for gateway in self.gateways))
        except BaseException:
            await self._stop_all()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop_all()

    async def kill(self, name: str) -> None:
        """End a gateway as a crash does."""
        gateway = self._find(name)
        async with self._changing:
            if gateway.is_running and gateway.process is not None:
                gateway.process.kill()
                await gateway.process.wait()

    async def freeze(self, name: str) -> None:
        """Stop a gateway in the middle of whatever it does; its connections stay open."""
        gateway = self._find(name)
        async with self._changing:
            gateway.signal(signal.SIGSTOP)
            gateway.is_frozen = gateway.is_running

    async def start(self, name: str) -> None:
        """Let a gateway run again."""
        gateway = self._find(name)
        async with self._changing:
            if gateway.is_running:
                gateway.signal(signal.SIGCONT)
                gateway.is_frozen = False
            else:
                await self._start(gateway)

    def _find(self, name: str) -> DemoGateway:
        for gateway in self.gateways:
            if gateway.name == name:
                return gateway
        raise ChatError(
            ChatCode.NOT_IN_A_DEMO, f"There is no gateway {name} in this demonstration."
        )

    async def _start(self, gateway: DemoGateway) -> None:
        arguments = [
            "--host",
            HOST,
            "--port",
            str(gateway.address.port),
            "--data",
            str(gateway.data),
        ]
        for other in self.gateways:
            if other is not gateway:
                arguments += ["--pipe-to", str(other.address)]
        gateway.is_frozen = False
        gateway.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "holdfast.cli.main", "chat", "gateway", *arguments),
            *("--log-level", "error"),
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end them in order
        )
        assert gateway.process.stdout is not None, "it was asked for"
        try:
            async with asyncio.timeout(STARTS_WITHIN):
                while line := await gateway.process.stdout.readline():
                    if line.startswith(READY):
                        return
        except TimeoutError as error:
            gateway.process.kill()
            raise ResilienceError(f"The gateway {gateway.name} is not ready in time.") from error
        raise ResilienceError(f"The gateway {gateway.name} could not be started.")

    async def _stop_all(self) -> None:
        for gateway in self.gateways:
            gateway.signal(signal.SIGTERM)
            gateway.signal(signal.SIGCONT)
        await asyncio.gather(*(_ended(gateway) for gateway in self.gateways))


async def _ended(gateway: DemoGateway) -> None:
    process = gateway.process
    if process is None:
        return
    try:
        async with asyncio.timeout(ENDS_WITHIN):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _ports(data: Path, count: int) -> list[int]:
    """Return the ports of last time, or free ones, all different; they are kept with the data."""
    kept = data / "gateway-ports"
    try:
        found = [int(word) for word in kept.read_text("ascii").split()]
    except (OSError, ValueError):
        found = []  # there are none yet, or the file is damaged
    if len(found) == count:
        return found
    probes = [socket.create_server((HOST, 0)) for _ in range(count)]
    found = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept.write_text(" ".join(map(str, found)) + "\n", "ascii")
    return found


def demo_routes(gateways: DemoGateways, access: PageAccess) -> Sequence[Router]:
    """Make the handlers behind the buttons; they ask for the page's token like all others."""

    def guard(request: ASGIConnection[object, object, object, State], _: BaseRouteHandler) -> None:
        headers = request.headers
        access.require_request(headers.get("host", ""), headers.get("authorization", ""))

    @post("/gateways/{name:str}/kill")
    async def kill(name: Annotated[str, PathParameter()]) -> None:
        """Kill a gateway."""
        await gateways.kill(name)

    @post("/gateways/{name:str}/freeze")
    async def freeze(name: Annotated[str, PathParameter()]) -> None:
        """Freeze a gateway."""
        await gateways.freeze(name)

    @post("/gateways/{name:str}/start")
    async def start(name: Annotated[str, PathParameter()]) -> None:
        """Start or thaw a gateway."""
        await gateways.start(name)

    return [
        Router("/api/demo", route_handlers=[kill, freeze, start], guards=[guard], tags=["chat"])
    ]
