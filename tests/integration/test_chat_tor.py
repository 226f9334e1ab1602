"""The chat over a private Tor network: real tors, real gateways behind onion services, people in processes of their own."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from holdfast.apps.chat.demo import DemoGateways
from holdfast.mailbox import GatewayAddress
from tests.support.tor_network import HOST, TorNetwork
from tests.support.tor_person import CONTROL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Self

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("tor"),
    pytest.mark.timeout(500),
]

ROOT = Path(__file__).parents[2]
NAMES = ("ann", "bob")
LOOPS = {"ann": "asyncio", "bob": "uvloop"}
COUNT = 2
"""Gateways, each behind an onion service of its own."""

NOWHERE = "gateway.invalid"
"""The name that each gateway has outside of Tor: nobody may look it up."""

NO_ONION = GatewayAddress(NOWHERE, 8410, b"n" * 32)
"""A gateway of the second one's that has no onion service, and is nowhere."""

ENOUGH = 120.0
"""Seconds that nothing here needs; the network alone may take some to find another way."""


class Liar:
    """In the place of the proxy: says yes to all, and hangs up."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._swallow, HOST, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _swallow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            _, count = await reader.readexactly(2)
            await reader.readexactly(count)
            writer.write(b"\x05\x00")
            await reader.read(1000)
            writer.write(b"\x05\x00\x00\x01" + bytes(6))
            await reader.read(1)
        self.asked += 1
        writer.close()


class Town:
    """Two people, gateways, and the Tor between them."""

    def __init__(self, tor: TorNetwork, gateways: DemoGateways, folder: Path) -> None:
        self.tor, self.gateways, self.folder = tor, gateways, folder
        self.running: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str, *more: str) -> None:
        (self.folder / name).mkdir()
        (other,) = set(NAMES) - {name}
        known = [
            str(GatewayAddress(NOWHERE, each.address.port, each.address.pin, service.name))
            for each, service in zip(self.gateways.gateways, self.tor.services, strict=True)
        ]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.support.tor_person", str(self.folder / name)),
                *(name, other, LOOPS[name], self.tor.proxy, *known, *more),
                cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip

    async def stop(self) -> None:
        for process in self.running.values():
            if process.returncode is None:
                process.kill()
            await process.wait()

    def lines(self, name: str, file: str) -> list[str]:
        path = self.folder / name / file
        return path.read_text().splitlines() if path.exists() else []

    def shown(self, name: str) -> list[str]:
        return [line.partition(" ")[2] for line in self.lines(name, "shown")]

    def states(self, name: str) -> dict[str, tuple[str, str]]:
        """What a node says of each gateway: its state, and what is wrong."""
        path = self.folder / name / "gateways"
        found = json.loads(path.read_text()) if path.exists() else {}
        return {gateway: (state, trouble) for gateway, (state, trouble) in found.items()}

    async def until(self, look: Callable[[], object], what: str) -> None:
        """Wait for a condition, as long as both live."""
        try:
            async with asyncio.timeout(ENOUGH):
                while not look():
                    for name, process in self.running.items():
                        said = (self.folder / f"{name}.log").read_text()
                        assert process.returncode is None, f"{name} has ended:\n{said}"
                    await asyncio.sleep(0.02)
        except TimeoutError:
            state = {name: self.states(name) for name in NAMES}
            raise AssertionError(f"not within {ENOUGH:g} s: {what}; {state}") from None

    async def talked(self, what: str, count: int = 5) -> None:
        """Wait until each has heard lines that were said after this moment."""
        said = {name: len(self.lines(name, "accepted")) for name in NAMES}

        def heard() -> bool:
            return all(
                sum(int(text.split()[1]) > said[other] for text in self.shown(name)[-20 * count :]) >= count
                for name, other in (NAMES, NAMES[::-1])
            )  # fmt: skip

        await self.until(heard, what)

    async def said(self, count: int) -> None:
        """Wait until each has said so many lines more."""
        goal = {name: len(self.lines(name, "accepted")) + count for name in NAMES}
        await self.until(
            lambda: all(len(self.lines(name, "accepted")) >= goal[name] for name in NAMES),
            "more is said",
        )

    async def kill(self, number: int) -> None:
        """End a gateway and the tor of its onion service, as a machine does whose power is gone."""
        self.tor.services[number].kill()
        await self.gateways.kill(self.gateways.gateways[number].name)

    async def restart(self, number: int) -> None:
        self.tor.services[number].start()
        await self.gateways.start(self.gateways.gateways[number].name)

    def is_connected(self, number: int) -> bool:
        port = self.gateways.gateways[number].address.port
        return all(
            self.states(name).get(f"{NOWHERE}:{port}", ("", ""))[0] == "connected" for name in NAMES
        )

    def count(self, file: str) -> dict[str, int]:
        return {name: len(self.lines(name, file)) for name in NAMES}

    def silence(self, name: str, before: int, after: int) -> float:
        """The longest time in which nothing was shown, from one line to another."""
        lines = self.lines(name, "shown")[max(0, before - 1) : after]
        times = [float(line.split()[0]) for line in lines]
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    async def arrived(self) -> int:
        """Let everything arrive; nothing is lost, nothing comes twice, all is in order. Returns how much was said."""
        (self.folder / "quiet").touch()

        def all_is_kept() -> bool:
            for name, other in (NAMES, NAMES[::-1]):
                kept = self.lines(name, "kept")
                if not kept or kept[0] != "0" or len(kept) <= len(self.lines(other, "accepted")):
                    return False
            return True

        await self.until(all_is_kept, "all that was said has arrived")
        total = 0
        for name, other in (NAMES, NAMES[::-1]):
            said = self.lines(other, "accepted")
            assert self.lines(name, "kept")[1:] == said, (
                f"{other} to {name}: each once and in order"
            )
            assert self.shown(name) == said
            total += len(said)
        (self.folder / "quiet").unlink()
        return total

    def touched(self, name: str) -> set[str]:
        """What left the process or was looked up; the look-up that shows that one would be seen is left out."""
        lines = self.lines(name, "touched")
        control = f"socket.getaddrinfo {CONTROL}"
        assert lines[0] == control
        return set(lines) - {control}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """Two people who have met over Tor, and go on talking."""
    gateways = DemoGateways(tmp_path_factory.mktemp("gateways"), COUNT)
    ports = [each.address.port for each in gateways.gateways]
    with TorNetwork(tmp_path_factory.mktemp("tor"), ports) as tor:
        async with gateways:
            town = Town(tor, gateways, tmp_path_factory.mktemp("people"))
            try:
                await town.start("ann")
                await town.start("bob", str(NO_ONION))
                await town.talked("they have met")
                yield town
            finally:
                await town.stop()


async def test_gateways_and_their_onion_services_die_and_nothing_that_was_said_over_tor_is_lost(
    people: Town,
) -> None:
    await people.until(lambda: people.is_connected(0) and people.is_connected(1), "both are read")
    await people.talked("all is well")
    marks = {"": people.count("shown")}
    await people.kill(0)
    await people.talked("one gateway is enough")
    marks["one killed"] = people.count("shown")
    await people.restart(0)
    await people.until(lambda: people.is_connected(0), "the first is found again")
    await people.kill(1)
    await people.talked("the other one is enough")
    marks["the other killed"] = people.count("shown")
    await people.kill(0)
    await people.said(10)
    await asyncio.gather(people.restart(0), people.restart(1))
    await people.talked("both are back")
    marks["both killed"] = people.count("shown")

    total = await people.arrived()
    longest = {
        what: max(people.silence(name, before[name], after[name]) for name in NAMES)
        for (_, before), (what, after) in pairwise(marks.items())
    }
    told = ", ".join(f"{seconds:.1f} s ({what})" for what, seconds in longest.items())
    print(f"over Tor: {total} messages, none lost, none twice; longest silence {told}")


async def test_no_byte_goes_past_tor_also_when_it_is_stopped_and_the_state_says_so(
    people: Town,
) -> None:
    """Threat model P22: in the mode tor nothing leaves but through the proxy, no name is looked up, and the state tells."""
    tor = people.tor
    await people.talked("all is well")
    tor.client.kill()
    refused = f"The proxy {tor.proxy} cannot be reached"
    await people.until(
        lambda: all(
            state != "connected" and refused in trouble
            for name in NAMES
            for state, trouble in people.states(name).values()
        ),
        "the state says that the proxy is gone",
    )
    await people.said(5)

    async with Liar(tor.socks_port) as liar:
        await people.until(lambda: liar.asked > 2 * len(NAMES), "the one that lies was tried again")
        await people.said(5)

    tor.client.start()
    await people.talked("Tor is back")
    total = await people.arrived()
    for name in NAMES:
        assert len(people.states(name)) == COUNT + 1, "the one without an onion service is known"
        # The second is no look-up, for it is a number: uvloop asks in this way for each address.
        allowed = {f"socket.connect {tor.proxy}", f"socket.getaddrinfo {HOST}"}
        assert f"socket.connect {tor.proxy}" in people.touched(name) <= allowed
    print(f"Tor stopped: {total} messages, none lost, none twice, nothing went past it")
