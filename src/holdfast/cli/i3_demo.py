"""``holdfast i3 demo``: a router, two gateways, and two links for two visitors; each part is a process of its own.

A part that dies is started again, so that one may kill it and watch who notices what.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3.client import ApiError, I3Client
from holdfast.cli.i3_serving import with_keys
from holdfast.errors import NetworkError, ResilienceError
from holdfast.ops import ShutdownManager

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from holdfast.apps.i3.api import ApiKeys

ROUTER: Final = "*demo"
MUDS: Final = (("Harbour", "ann"), ("Old Keep", "bo"))
CHANNEL: Final = "tavern"
READY: Final = re.compile(rb"is ready: (\S+)")
STARTS_WITHIN: Final = 30.0
"""Seconds that a part may take to be ready."""

AGAIN_AFTER: Final = 1.0
"""Seconds after which a part that died is started again."""

LINE_BYTES_MAX: Final = 64 * 1024


@dataclass(slots=True)
class Part:
    """One process of the demonstration.

    Attributes:
        name: for people.
        arguments: of ``holdfast``.
        address: where it is, once it has said so.
        process: of it while it runs.
    """

    name: str
    arguments: tuple[str, ...]
    address: str = ""
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> str:
        """Start it, and return where it is when it is ready.

        Raises:
            ResilienceError: it ended, or said nothing in time; its own words went to our standard error.
        """
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "holdfast.cli.main",
            *self.arguments,
            "--log-level",
            "error",
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end them in order
        )
        assert self.process.stdout is not None, "it was asked for"
        try:
            async with asyncio.timeout(STARTS_WITHIN):
                while line := await self.process.stdout.readline():
                    if found := READY.search(line):
                        self.address = found[1].decode().rstrip("/")
                        return self.address
        except TimeoutError as error:
            raise ResilienceError(f"{self.name} is not ready after {STARTS_WITHIN:g} s.") from error
        raise ResilienceError(f"{self.name} could not be started.")

    async def ended(self) -> int:
        """Read what it says until it ends, and return its status."""
        assert self.process is not None and self.process.stdout is not None  # noqa: PT018 - it was started
        while await self.process.stdout.read(LINE_BYTES_MAX):
            pass
        return await self.process.wait()

    async def stop(self) -> None:
        """End it in peace, or not."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await self.ended()
        except TimeoutError:
            process.kill()
            await process.wait()


def run(port: int, data: Path | None) -> None:
    """Run the demonstration until a signal.

    Raises:
        ResilienceError: a part of it cannot be started.
    """
    folder = Path(tempfile.mkdtemp(prefix="holdfast-i3-")) if data is None else data
    try:
        asyncio.run(_run(port, folder))
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)


async def _run(port: int, folder: Path) -> None:
    async with ShutdownManager() as shutdown, contextlib.AsyncExitStack() as stack:
        print("Starting a router and two gateways …", flush=True)
        router_data = str(folder / "router")
        router = Part("The router", ("i3", "router", "--name", ROUTER, "--port", "0", "--data", router_data,
                                     "--packet-rate", "0"))  # fmt: skip
        stack.push_async_callback(router.stop)
        address = await router.start()
        # When it is started again it has to be where the gateways know it.
        router.arguments = (
            *router.arguments[:5],
            address.rpartition(":")[2],
            *router.arguments[6:],
        )
        parts, links = [router], []
        for place, (mud, visitor) in enumerate(MUDS):
            mud_data = folder / mud.replace(" ", "-").lower()
            key = await with_keys(mud_data, _a_key)
            part = Part(f"The gateway of {mud}", (
                "i3", "gateway", "--mud", mud, "--router", f"{ROUTER}={address}",
                "--port", str(port + place if port else 0), "--data", str(mud_data),
            ))  # fmt: skip
            stack.push_async_callback(part.stop)
            url = await part.start()
            part.arguments = (*part.arguments[:7], url.rpartition(":")[2], *part.arguments[8:])
            parts.append(part)
            links.append((mud, visitor, url, key))
        await _prepare(links)
        _announce(links, parts)
        watches = [asyncio.create_task(_keep(part, shutdown)) for part in parts]
        await shutdown.requested.wait()
        print("Ending …", flush=True)
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)


async def _a_key(keys: ApiKeys) -> str:
    """Make a key for the page; an earlier one of a kept folder is void."""
    if "bridge" in keys.by_name:
        await keys.revoke("bridge")
    return await keys.add("bridge", ["*"])


async def _prepare(links: list[tuple[str, str, str, str]]) -> None:
    """Make the channel, and let both MUDs listen to it."""
    for place, (_, _, url, key) in enumerate(links):
        async with I3Client(url.replace("http", "ws", 1) + "/ws", key) as client:
            if place == 0:
                await _until(partial(client.channel_add, CHANNEL))
            await _until(partial(client.channel_join, CHANNEL))


async def _until(call: Callable[[], Awaitable[object]]) -> None:
    """Call until it is done: router and lists come a moment after the gateway."""
    async with asyncio.timeout(STARTS_WITHIN):
        while True:
            try:
                await call()
            except (ApiError, NetworkError):
                await asyncio.sleep(0.2)
            else:
                return


async def _keep(part: Part, shutdown: ShutdownManager) -> None:
    """Start a part again whenever it ends."""
    while not shutdown.requested.is_set():
        status = await part.ended()
        print(f"{part.name} ended with {status}; it is started again.", flush=True)
        await asyncio.sleep(AGAIN_AFTER)
        try:
            await part.start()
        except ResilienceError as error:
            print(f"holdfast: {error.message}", file=sys.stderr, flush=True)


def _announce(links: list[tuple[str, str, str, str]], parts: list[Part]) -> None:
    print("Two visitors on two MUDs; open each link in a window of its own:")
    for mud, visitor, url, key in links:
        print(f"  {visitor} at {mud:<10} {url}/#key={key}&name={visitor}&channel={CHANNEL}")
    print("Kill any of these and watch both windows:")
    for part in parts:
        assert part.process is not None, "it was started"
        print(f"  kill -9 {part.process.pid:<8} {part.name.lower()}")
    print("Ctrl-C ends it all.", flush=True)
