"""``kill -9`` of nodes and gateways at any moment: nothing accepted is lost or shown twice, no message key is used twice."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from holdfast.apps.chat.demo import DemoGateways

SECONDS = float(os.environ.get("HOLDFAST_CHAT_KILLS_SECONDS", "15"))
"""How long there is killing; ten minutes are worth a try before a release."""

ROOT = Path(__file__).parents[2]
NAMES = ("ann", "bob")
INNER = b"\x03\x0a\x20"
"""How a message of the ratchet begins: its version, and a key of 32 bytes."""


class Processes:
    """Both people, each in a process."""

    def __init__(self, folder: Path, gateways: list[str]) -> None:
        self.folder = folder
        self.gateways = gateways
        self.running: dict[str, asyncio.subprocess.Process] = {}
        for name in NAMES:
            (folder / name).mkdir()

    async def start(self, name: str) -> None:
        other = next(each for each in NAMES if each != name)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.support.chat_process",
                str(self.folder / name), name, other, *self.gateways,
                cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip

    def all_live(self) -> None:
        """None ended by itself."""
        for name, process in self.running.items():
            assert process.returncode is None, (self.folder / f"{name}.log").read_text()

    async def kill(self, name: str) -> None:
        self.all_live()
        process = self.running[name]
        process.kill()
        await process.wait()

    def lines(self, name: str, file: str) -> list[str]:
        path = self.folder / name / file
        return path.read_text().splitlines() if path.exists() else []


async def until_all_is_kept(processes: Processes) -> None:
    """Each has, in order, all that the other one was told is accepted, and nothing waits."""
    async with asyncio.timeout(120):
        while True:
            processes.all_live()
            ends = True
            for name, other in (NAMES, NAMES[::-1]):
                said = processes.lines(other, "accepted")
                kept = processes.lines(name, "kept")
                ends &= len(kept) > len(said) and kept[0] == "0"
            if ends:
                return
            await asyncio.sleep(0.1)


def keys_of(lines: list[str]) -> dict[tuple[bytes, bytes], set[str]]:
    """Group what left by the message key it needs: the ratchet's key and the number in its chain."""
    found: dict[tuple[bytes, bytes], set[str]] = defaultdict(set)
    for line in lines:
        payload = bytes.fromhex(line.split()[2])
        at = payload.find(INNER)
        while payload[at + 35 : at + 36] != b"\x10":  # then the number follows
            at = payload.find(INNER, at + 1)
            assert at >= 0, "a message of the ratchet"
        end = at + 36
        while payload[end] & 0x80:
            end += 1
        found[payload[at + 3 : at + 35], payload[at + 36 : end + 1]].add(line)
    return found


@pytest.mark.timeout(SECONDS + 240)
async def test_kills_at_any_moment_lose_nothing_and_use_no_key_twice(tmp_path: Path) -> None:
    """Threat model P21: kill -9 at any instant neither loses an accepted message nor uses a message key twice."""
    source = random.Random(20261126)
    loop = asyncio.get_running_loop()
    killed: Counter[str] = Counter()
    async with DemoGateways(tmp_path / "gateways") as gateways:
        processes = Processes(tmp_path, gateways.addresses)
        try:
            for name in NAMES:
                await processes.start(name)
            async with asyncio.timeout(60):
                while not all(processes.lines(name, "shown") for name in NAMES):
                    processes.all_live()
                    await asyncio.sleep(0.05)
            ends = loop.time() + SECONDS
            while loop.time() < ends:
                await asyncio.sleep(source.uniform(0.3, 2.0))  # a random moment is what is tested
                if source.random() < 0.3:
                    victim = source.choice(gateways.gateways).name
                    await gateways.kill(victim)
                    await gateways.start(victim)
                    killed["gateway"] += 1
                    continue
                name = source.choice(NAMES)
                await processes.kill(name)
                await processes.start(name)
                killed["node"] += 1
            (tmp_path / "quiet").touch()
            await until_all_is_kept(processes)
        finally:
            for process in processes.running.values():
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    total = 0
    for name, other in (NAMES, NAMES[::-1]):
        said = processes.lines(other, "accepted")
        kept = processes.lines(name, "kept")[1:]
        assert [text for text in kept if text in set(said)] == said, f"{other} to {name}"
        assert len(kept) == len(set(kept)), "something is kept twice"
        again = {text: n for text, n in Counter(processes.lines(name, "shown")).items() if n > 1}
        assert not again, "something was shown twice"
        keys = keys_of(processes.lines(name, "left"))
        reused = {key: lines for key, lines in keys.items() if len(lines) > 1}
        assert not reused, "a message key was used for two messages"
        assert len(keys) >= len(said) // 2
        total += len(said)
    print(
        f"kill -9: {killed['node']} nodes and {killed['gateway']} gateways in {SECONDS:g} s, "
        f"{total} messages accepted, none lost, none twice, no key used twice"
    )
    assert killed["node"]
    assert total > len(NAMES)
