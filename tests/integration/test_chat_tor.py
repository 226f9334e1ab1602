"""The chat over a private Tor network: real tors, real gateways behind onion services, people in processes of their own."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from holdfast.apps.chat.demo import DemoGateways
from holdfast.mailbox import GatewayAddress
from tests.support.tor_network import TorNetwork
from tests.support.tor_person import CONTROL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

pytestmark = [pytest.mark.xdist_group("tor"), pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
NAMES = ("ann", "bob")
LOOPS = {"ann": "asyncio", "bob": "uvloop"}
COUNT = 2
"""Gateways, each behind an onion service of its own."""

NOWHERE = "gateway.invalid"
"""The name that each gateway has outside of Tor: nobody may look it up."""

ENOUGH = 90.0
"""Seconds that nothing here needs; the network alone may take some to find another way."""


@pytest.fixture(scope="module")
def gateway_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateways")


@pytest.fixture(scope="module")
def tor(tmp_path_factory: pytest.TempPathFactory, gateway_folder: Path) -> Iterator[TorNetwork]:
    ports = [each.address.port for each in DemoGateways(gateway_folder, COUNT).gateways]
    with TorNetwork(tmp_path_factory.mktemp("tor"), ports) as network:
        yield network


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

    async def ends_well(self) -> int:
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
        return total

    def touched(self, name: str) -> set[str]:
        """What left the process or was looked up; the look-up that shows that one would be seen is left out."""
        lines = self.lines(name, "touched")
        control = f"socket.getaddrinfo {CONTROL}"
        assert lines[0] == control
        return set(lines) - {control}


@asynccontextmanager
async def town(tor: TorNetwork, gateway_folder: Path, folder: Path) -> AsyncIterator[Town]:
    async with DemoGateways(gateway_folder, COUNT) as gateways:
        made = Town(tor, gateways, folder)
        try:
            yield made
        finally:
            await made.stop()
            for process in (tor.client, *tor.services):
                if not process.is_running:
                    process.start()  # for the next test


def silence(times: list[float]) -> float:
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)


async def test_gateways_and_their_onion_services_die_and_nothing_that_was_said_over_tor_is_lost(
    tor: TorNetwork, gateway_folder: Path, tmp_path: Path
) -> None:
    async with town(tor, gateway_folder, tmp_path) as people:
        longest: dict[str, float] = {}
        for name in NAMES:
            await people.start(name)
        await people.talked("they have met")
        await people.until(
            lambda: people.is_connected(0) and people.is_connected(1), "both are read"
        )

        await people.talked("all is well")
        marks = {"well": {name: len(people.lines(name, "shown")) for name in NAMES}}
        await people.kill(0)
        await people.talked("one gateway is enough")
        await people.said(10)
        marks["one killed"] = {name: len(people.lines(name, "shown")) for name in NAMES}
        await people.restart(0)
        await people.until(lambda: people.is_connected(0), "the first is found again")
        await people.kill(1)
        await people.talked("the other one is enough")
        marks["the other killed"] = {name: len(people.lines(name, "shown")) for name in NAMES}
        await people.kill(0)
        await people.said(20)
        await people.restart(0)
        await people.restart(1)
        await people.talked("both are back")
        marks["both killed"] = {name: len(people.lines(name, "shown")) for name in NAMES}
        total = await people.ends_well()
        for (_, before), (what, after) in pairwise(marks.items()):
            longest[what] = max(
                silence([float(line.split()[0]) for line in people.lines(name, "shown")[before[name] - 1 : after[name]]])
                for name in NAMES
            )  # fmt: skip
    print(f"over Tor: {total} messages, none lost, none twice; longest silence " + ", ".join(
        f"{seconds:.1f} s ({what})" for what, seconds in longest.items()
    ))  # fmt: skip


async def test_no_byte_goes_past_tor_also_when_it_is_stopped_and_the_state_says_so(
    tor: TorNetwork, gateway_folder: Path, tmp_path: Path
) -> None:
    """Threat model P22: in the mode tor nothing leaves but through the proxy, no name is looked up, and the state tells."""
    async with town(tor, gateway_folder, tmp_path) as people:
        without_onion = str(GatewayAddress(NOWHERE, 8410, b"n" * 32))
        for name in NAMES:
            await people.start(name, without_onion)
        await people.talked("they have met")

        tor.client.kill()
        refused = f"The proxy {tor.proxy} cannot be reached"

        def all_say_so() -> bool:
            return all(
                state != "connected" and refused in trouble
                for name in NAMES
                for state, trouble in people.states(name).values()
            )

        await people.until(all_say_so, "the state says that the proxy is gone")
        await people.said(10)

        served = 0

        async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """A proxy that says yes to all and hangs up."""
            nonlocal served
            try:
                await reader.readexactly(1)
                writer.write(b"\x05\x00")
                await reader.read(1000)
                writer.write(b"\x05\x00\x00\x01" + bytes(6))
                await reader.read(1)
            except (OSError, asyncio.IncompleteReadError):
                pass  # it was quicker
            finally:
                served += 1
                writer.close()

        host, port = tor.proxy.split(":")
        liar = await asyncio.start_server(swallow, host, int(port))
        await people.until(lambda: served > 2 * len(NAMES), "the proxy that lies was tried again")
        await people.said(10)
        liar.close()
        await liar.wait_closed()

        tor.client.start()
        await people.talked("Tor is back")
        total = await people.ends_well()
        for name in NAMES:
            # The second is no look-up, for it is a number: uvloop asks in this way for each address.
            numbers = {f"socket.connect {tor.proxy}", f"socket.getaddrinfo {host}"}
            assert f"socket.connect {tor.proxy}" in people.touched(name) <= numbers
    print(f"Tor stopped: {total} messages, none lost, none twice, nothing went past it")
