"""``holdfast chat terminal`` in a terminal, on a real node: somebody types, and what comes disturbs no typing."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.support.nodes import World, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WITHIN = 60.0
REDRAW = "\x0c"
"""Ctrl-L."""

CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>78]|\r")
"""What a terminal obeys and does not show."""


class Terminal:
    """A pseudo terminal of 80 columns and the program in it."""

    def __init__(self, ours: int, process: asyncio.subprocess.Process) -> None:
        self._ours = ours
        self.process = process
        self._raw = bytearray()
        self._begin = 0
        asyncio.get_running_loop().add_reader(ours, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # the program has closed its side
            data = b""
        if not data:
            self.close()
            return
        self._raw += data
        if b"\x1b[6n" in data:  # where is the cursor? A terminal answers that.
            os.write(self._ours, b"\x1b[1;1R")

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._ours)

    @property
    def shown(self) -> str:
        """All that was written since the last key, without what is only obeyed."""
        return CONTROL.sub("", self._raw[self._begin :].decode("utf-8", "replace"))

    @property
    def everything(self) -> str:
        return CONTROL.sub("", self._raw.decode("utf-8", "replace"))

    def types(self, text: str) -> None:
        self._begin = len(self._raw)
        os.write(self._ours, text.encode())

    async def shows(self, *words: str) -> str:
        """Wait until all of these were written since the last key."""
        try:
            await until(lambda: all(word in self.shown for word in words), WITHIN)
        except TimeoutError:
            raise AssertionError(f"{words} are not in:\n{self.everything[-3000:]}") from None
        return self.shown

    async def bar(self, words: str) -> None:
        """Wait until the line at the bottom says so; only what changes of it is written, so all is drawn anew."""
        async with asyncio.timeout(WITHIN):
            while words not in self.shown:
                self.types(REDRAW)
                await asyncio.sleep(0.3)

    async def says(self, line: str, *words: str) -> str:
        self.types(f"{line}\r")
        return await self.shows(*words)


@asynccontextmanager
async def a_terminal(folder: Path, gateways: list[str]) -> AsyncIterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    options = [word for address in gateways for word in ("--gateway", address)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "holdfast.cli.main", "chat", "terminal"),
        *("--data", str(folder), "--mode", "direct", *options),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=os.environ | {"HOLDFAST_PASSPHRASE": "a sentence for keys", "TERM": "xterm-256color"},
    )
    os.close(theirs)
    terminal = Terminal(ours, process)
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        terminal.close()
        os.close(ours)


async def test_somebody_meets_a_friend_and_talks_in_a_terminal(tmp_path: Path) -> None:
    async with World(tmp_path, gateways=2) as world:
        ada = await world.person("ada", mode="direct")
        gateways = [str(gateway.address) for gateway in world.gateways]
        async with a_terminal(tmp_path / "tess", gateways) as terminal:
            await terminal.shows("Your name, for your friends")
            await terminal.says("Tess", "Nobody yet", "/help lists the commands")
            await terminal.bar("0 of 0 gateways")

            invited = await terminal.says("/invite Ada", "it is good once", "holdfast:")
            await until(lambda: re.search(r"holdfast:1[\w-]{200,}\n", terminal.shown), WITHIN)
            link = re.findall(r"holdfast:1[\w-]+", terminal.shown)[-1]
            assert "Give this to Ada" in invited
            tess = await ada.node.accept(ada.me, link, "Tess")
            await ada.node.send(tess.id, "hello from Ada")
            await terminal.shows("* Ada: hello from Ada")

            await terminal.says("/open Ada", "--- Ada", "hello from Ada")
            await terminal.bar("Ada · 2 of 2 gateways")
            terminal.types("half a sen")
            await ada.node.send(tess.id, "I interrupt")
            await terminal.shows("Ada: I interrupt")
            await terminal.says("tence", "✓✓  half a sentence")
            await until(lambda: ada.texts() == ["half a sentence"], WITHIN)

            words = " ".join(ada.node.safety_words(tess.id))
            await terminal.says("/words", words)
            await terminal.says("/open nobody", "Nobody is called 'nobody'")
            await terminal.says("/nonsense", "There is no command /nonsense")
            await terminal.says("/search INTERRUPT", "Ada: ", "I interrupt")

            await world.gateways[0].stop()
            await terminal.bar("1 of 2 gateways")
            await terminal.says("all the same", "✓✓  all the same")
            await world.gateways[0].start()
            await terminal.says("/retry", "Trying everything now")
            await terminal.bar("2 of 2 gateways")
            await terminal.says("/status", "waiting: 0")

            terminal.types("/quit\r")
            async with asyncio.timeout(WITHIN):
                assert await terminal.process.wait() == 0
            assert "Traceback" not in terminal.everything
