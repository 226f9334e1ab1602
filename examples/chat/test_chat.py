"""The chat server under test: six phones in a café, somebody in a tunnel, everybody must hear the others.

Run it with ``pytest examples/chat``; it fails, and says why. With ``CHAT=mended`` it passes.
"""

import asyncio
import importlib
import os
import sys
from pathlib import Path

from holdfast.testing import BlackHole, Cut, Reset, simulate

sys.path.insert(0, str(Path(__file__).parent))
server = importlib.import_module(os.environ.get("CHAT", "server"))


class Phone:
    """Stays in the chat, comes back when it is thrown out, remembers what it heard."""

    def __init__(self, name):
        self.name = name
        self.heard = []
        self.writer = None

    async def live(self):
        """Connect, listen, and again."""
        while True:
            try:
                reader, self.writer = await asyncio.open_connection("server", 8888)
                self.writer.write(f"{self.name}\n".encode())
                async for line in reader:
                    self.heard.append(line.decode().strip())
            except OSError:
                pass
            finally:
                if self.writer is not None:
                    self.writer.close()
            await asyncio.sleep(0.5)

    def say(self, text):
        """Say something."""
        self.writer.write(f"{text}\n".encode())


async def chat(world, program):
    """Phones come and go while one of them drives through a tunnel; then everybody listens to Ada."""
    world.host("server").spawn(program, "0.0.0.0", 8888)
    phones = [Phone(name) for name in ("ada", "bob", "eve", "joe", "kim", "liz")]
    for phone in phones:
        world.host(phone.name, profile="cafe").spawn(phone.live)
    world.inject({Reset: 4}, within=60, links=[("server", "bob"), ("server", "eve")])
    world.inject({Cut: 2}, within=20, links=[("server", "joe"), ("server", "kim")], lasts=(5, 60))
    world.inject({BlackHole: 1}, within=60, links=[("server", "liz")])
    ada, *others = phones
    await asyncio.sleep(5)
    for number in range(60):
        ada.say(f"{number} " + 2000 * "la ")
        await asyncio.sleep(1)
    await world.calm()
    await asyncio.sleep(60)  # after a long cut a stream needs as long again until it tries anew
    ada.say("does everybody hear me?")
    hearing = [phone for phone in others if phone.name not in holes(world)]
    await world.until(
        lambda: all(any("hear me?" in line for line in phone.heard) for phone in hearing),
        within=60,
        what="everybody whose network works hears what is said",
    )
    assert not world.unhandled, world.unhandled


def holes(world):
    """Who may rightly believe to be still connected: nothing tells them that the connection is dead."""
    return {fault.b for fault in world.plan if isinstance(fault, BlackHole)}


@simulate(seeds=100, minutes=15)
async def test_everybody_hears_what_is_said(world):
    """The promise of a chat."""
    await chat(world, server.main)
