"""Noise over real sockets, at a router and at a gateway: neither hangs, dies, goes deaf, or grows without end.

Takes ``I3_FUZZ_SECONDS`` in all (60), half of it for each; ``I3_FUZZ_SEED`` repeats what is sent, though not its timing.
Between the noise an honest peer asks something and must be answered, and at the end nothing of it may be in the log of
errors.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.apps.i3 import packets as p
from holdfast.apps.i3.errors import PacketError
from holdfast.apps.i3.gateway import events
from holdfast.apps.i3.lpc import encode
from holdfast.apps.i3.mudmode import Mudmode, packet, packets
from tests.support.i3_network import WireRouter, gateway_on, listed, until
from tests.support.i3_noise import Noise
from tests.support.i3_peers import ANSWERED_WITHIN, Peer, running
from tests.support.processes import free_port
from tests.unit.apps.i3.router.muds import startup

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = float(os.environ.get("I3_FUZZ_SECONDS", "60")) / 2
SEED = int(os.environ.get("I3_FUZZ_SEED") or secrets.randbits(32))
ATTACKERS = 4
NAMES = [
    "Harbour",
    "Old Keep",
    *(f"Fuzz {n}" for n in range(8)),
    "*hub",
    "ale",
    "quiet",
    "ann",
    "bo",
    "",
]

pytestmark = pytest.mark.timeout(2 * SECONDS + 120)


# --- router ---------------------------------------------------------------------------------------


def somewhere(chance: random.Random) -> str:
    """An address of its own for each attacker, so that the limits on one address do not keep the noise out."""
    return f"127.{chance.randrange(1, 255)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


async def attack_router(port: int, chance: random.Random, passwords: dict[str, int]) -> int:
    """One connection: perhaps a mud, then noise, then an end of some kind; return the bytes sent."""
    noise, name = Noise(chance, NAMES), f"Fuzz {chance.randrange(8)}"
    sent = 0
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(somewhere(chance), 0)
        )
    except OSError:
        return 0  # out of ports for a moment
    listening: asyncio.Task[None] | None = None
    try:
        if chance.random() < 0.7:
            start = startup(name, passwords.get(name, 0), player_port=chance.randrange(70_000))
            writer.write(Mudmode(2**21).encode(packet(p.write(start))))
        if chance.random() < 0.8:  # the others do not read what is sent to them
            listening = asyncio.create_task(_listen(reader, passwords))
        for _ in range(chance.randint(1, 8)):
            for piece in noise.pieces(noise.stream()):
                sent += len(piece)
                writer.write(piece)
                await asyncio.wait_for(writer.drain(), 1.0)
                await asyncio.sleep(0)
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random())
    except (OSError, TimeoutError):
        pass  # it was cut off, or is not read from for a while: as it should
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        if chance.random() < 0.5:
            writer.transport.abort()
        else:
            writer.close()
    return sent


async def _listen(reader: asyncio.StreamReader, passwords: dict[str, int]) -> None:
    framing = Mudmode(2**21)
    while data := await reader.read(65_536):
        for frame in framing.feed(data):
            for value in packets(frame).values if isinstance(frame, bytes) else ():
                with contextlib.suppress(PacketError):
                    found = p.read(value)
                    if isinstance(found, p.StartupReply):
                        passwords[found.to_mud] = found.password


async def test_a_router_lives_through_noise(tmp_path: Path) -> None:
    print(f"I3_FUZZ_SEED={SEED}")
    chance = random.Random(SEED)
    loop = asyncio.get_running_loop()
    sent = 0
    async with running(tmp_path, "router", "--name", "*hub", "--port", "0", "--data", str(tmp_path / "router")) as router:  # fmt: skip
        harbour, keep = [await Peer.connect(router.port) for _ in range(2)]
        for mud, name in ((harbour, "Harbour"), (keep, "Old Keep")):
            mud.say(startup(name))
            await mud.hear(lambda each: isinstance(each, p.StartupReply))
        passwords: dict[str, int] = {}
        until_then = loop.time() + SECONDS

        async def attack(mine: random.Random) -> None:
            nonlocal sent
            while loop.time() < until_then:
                sent += await attack_router(router.port, mine, passwords)

        async def ask(number: int) -> None:
            text = f"are you there? {number}"
            harbour.say(p.Tell(from_mud="Harbour", from_user="ann", to_mud="Old Keep", to_user="bo", visname="", text=text))  # fmt: skip
            await keep.hear(lambda each: isinstance(each, p.Tell) and each.text == text)
            for mud, name in (
                (keep, "Old Keep"),
                (harbour, "Harbour"),
            ):  # both read, or one would be cut off
                mud.say(p.AuthMudReq(from_mud=name, to_mud=name))
                await mud.hear(lambda each: isinstance(each, p.AuthMudReq))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(ATTACKERS):
                tasks.create_task(attack(random.Random(chance.random())))
            for number in itertools.count():
                await ask(number)
                if number % 10 == 0:
                    new = await Peer.connect(router.port, somewhere(chance))
                    new.say(startup(f"Newcomer {number % 100}", -1, to_mud="*nobody"))
                    await new.hear(lambda each: isinstance(each, p.ErrorPacket))
                    new.close()
                router.check()
                await asyncio.sleep(0.1)
                if loop.time() >= until_then:
                    break
        await ask(-1)
        harbour.close()
        keep.close()
        print(
            f"router: seed {SEED}, {sent / 2**20:.0f} MiB sent, at most {router.most / 2**20:.0f} MiB held"
        )
    assert sent > 0


# --- gateway --------------------------------------------------------------------------------------


class HostileRouter:
    """Lets a gateway in, makes noise, and now and then asks what a gateway must answer."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._noise = Noise(chance, NAMES)
        self._numbers = itertools.count()
        self.until = 0.0
        self.port = 0
        self.sent = 0
        self.connections = 0
        self.answered = 0
        self.at_rest = asyncio.Event()
        self._open: asyncio.Lock = asyncio.Lock()

    async def listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        async with self._open:  # one connection after the other, as a gateway has them
            self.connections += 1
            peer = Peer(reader, writer)
            try:
                await peer.hear(lambda each: isinstance(each, p.StartupReq3))
                self._let_in(peer)
                await self._ask(peer)
                while loop.time() < self.until:
                    for piece in self._noise.pieces(self._noise.stream()):
                        self.sent += len(piece)
                        writer.write(piece)
                        await asyncio.wait_for(writer.drain(), ANSWERED_WITHIN)
                        await asyncio.sleep(0)
                    if self._chance.random() < 0.05:
                        break
                else:
                    # What is left of the noise may end the connection; if it does, the next one comes here at once.
                    await self._ask(peer)
                    self.at_rest.set()
                    await reader.read()
            except (OSError, AssertionError, TimeoutError):
                pass  # the noise has ended the connection, or left it in the middle of a frame; the gateway comes back
            finally:
                writer.transport.abort()

    def _let_in(self, peer: Peer) -> None:
        here = (p.RouterRow("*hub", f"127.0.0.1 {self.port}"),)
        services = {"tell": 1, "channel": 1, "who": 1, "auth": 1}
        rows: dict[str, p.MudRow | None] = {
            name: p.MudRow(-1, services=services) for name in ("Old Keep", "Harbour")
        }
        peer.say(p.StartupReply(from_mud="*hub", to_mud="Harbour", routers=here, password=17))
        peer.say(p.Mudlist(from_mud="*hub", to_mud="Harbour", id=1, muds=rows))

    async def _ask(self, peer: Peer) -> None:
        """A mud that has asked nothing before asks, twice a second, and is answered."""
        name = f"Asker {next(self._numbers)}"

        async def ask() -> None:
            while True:
                peer.say(p.AuthMudReq(from_mud=name, to_mud="Harbour"))
                await asyncio.sleep(0.5)

        asking = asyncio.create_task(ask())
        try:
            await peer.hear(lambda each: isinstance(each, p.AuthMudReply) and each.to_mud == name)
        finally:
            asking.cancel()
        self.answered += 1


async def attack_api(port: int, chance: random.Random) -> None:
    """Noise at the client API over TCP."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return  # as many connections as there may be from one address
    lines = [b"{}", b"[]", b'{"jsonrpc":"2.0"', b'{"jsonrpc":"2.0","id":1,"method":"tell","params":[]}', b"[[[[" * 500,
             b'{"jsonrpc":"2.0","id":1,"method":"authenticate","params":{"api_key":"x"}}', b"\xff\xfe", b'"' * 999]  # fmt: skip
    with contextlib.suppress(OSError, TimeoutError):
        for _ in range(chance.randint(1, 30)):
            line = chance.choice([*lines, chance.randbytes(chance.randint(1, 2000))])
            writer.write(line + chance.choice([b"\n", b"\r\n", b"", b"\n\n"]))
            await asyncio.wait_for(writer.drain(), 1.0)
    writer.transport.abort()


async def test_a_gateway_lives_through_noise(tmp_path: Path) -> None:
    print(f"I3_FUZZ_SEED={SEED}")
    chance = random.Random(SEED + 1)
    loop = asyncio.get_running_loop()
    router = HostileRouter(chance)
    server = await router.listen()
    config = tmp_path / "gateway.toml"
    config.write_text(
        "retry_delay = 0.05\nretry_delay_max = 0.5\nattempt_interval = 0.02\npace_rate = 0\nconnect_timeout = 0.5\nstartup_timeout = 5.0\n"
    )
    arguments: tuple[Any, ...] = (
        "gateway", "--mud", "Harbour", "--router", f"*hub=127.0.0.1:{router.port}", "--port", "0", "--config", str(config),
        "--tcp-port", str(api_port := free_port()), "--data", str(tmp_path / "gateway"),
    )  # fmt: skip
    router.until = loop.time() + SECONDS
    async with running(tmp_path, *arguments) as gateway:
        router.until = loop.time() + SECONDS
        while loop.time() < router.until:
            await attack_api(api_port, chance)
            gateway.check()
            await asyncio.sleep(0.1)
        try:
            async with asyncio.timeout(60):
                await router.at_rest.wait()
        except TimeoutError:
            pytest.fail(
                f"the gateway is deaf after the noise (seed {SEED}): {router.answered} answers before"
            )
        await until(lambda: router.answered > 0, "it has answered")
        gateway.check()
        server.close()
        print(f"gateway: seed {SEED}, {router.sent / 2**20:.0f} MiB sent over {router.connections} connections, "
              f"{router.answered} answers, at most {gateway.most / 2**20:.0f} MiB held")  # fmt: skip


# --- what noise has found -------------------------------------------------------------------------


async def test_a_question_in_a_name_that_cannot_be_written_is_not_answered_and_does_no_harm(
    tmp_path: Path,
) -> None:
    async with WireRouter() as router, gateway_on(tmp_path, router.address) as (gateway, heard):
        await listed(gateway)
        body = encode(["who-req", 5, "a-b", "ann", "Harbour", 0]).replace(b"a-b", b"a\0b")
        router._writers[-1].write(len(body).to_bytes(4, "big") + body)
        tell = p.Tell(from_mud="Old Keep", from_user="bo", to_mud="Harbour", to_user="ann", visname="Bo", text="next")  # fmt: skip
        router.say(tell)
        await heard.next(events.TellReceived)
        assert gateway.statistics()["dropped"] == 1
