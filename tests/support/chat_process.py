"""A person with a node in a process of its own, to be killed: ``python -m … FOLDER NAME OTHER GATEWAY…``.

What happened is written into files of the folder: what was accepted, what was shown, and what left the process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

from holdfast.crypto import Keystore, SealKey
from holdfast.crypto.pair_key import TAG_SIZE
from holdfast.errors import EnvelopeError, InvitationError, ResilienceError
from holdfast.mailbox import GatewayAddress
from holdfast.node import (
    NODE_MIGRATIONS,
    Contact,
    ContactState,
    Message,
    MessageState,
    Mode,
    Node,
    NodeSettings,
)
from holdfast.node.wire import Cipher, read_frame
from holdfast.storage import Database


class Log:
    """Lines that outlive their writer."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def add(self, line: str) -> None:
        os.write(self._file, f"{line}\n".encode())


def note_what_leaves(log: Log) -> None:
    """Write down each ciphertext of the ratchet that is sealed to leave."""
    seal = SealKey.seal

    def noted(self: SealKey, content: bytes) -> bytes:
        try:
            frame = read_frame(content[TAG_SIZE:])
        except EnvelopeError:
            return seal(self, content)  # a self-test
        if frame.cipher in (Cipher.FIRST, Cipher.PAIR):
            log.add(f"{frame.epoch} {frame.seq} {frame.payload.hex()}")
        return seal(self, content)

    SealKey.seal = noted  # type: ignore[method-assign]


def friend(node: Node) -> Contact | None:
    for contact in node.contacts:
        if contact.state is not ContactState.INVITED:
            return contact
    return None


async def meet(node: Node, folder: Path, name: str, other: str) -> Contact:
    """The first in the alphabet leaves a link where the other one finds it."""
    while (contact := friend(node)) is None:
        with suppress(ResilienceError):  # no gateway is there now
            link = folder.parent / "link"
            if name < other:
                if not link.exists():
                    made = await node.invite(node.identities[0].id, name=other)
                    fresh = folder / "link.new"
                    fresh.write_text(made.link)
                    fresh.replace(link)
            elif link.exists():
                with suppress(InvitationError):  # used before a crash
                    await node.accept(node.identities[0].id, link.read_text(), other)
        await asyncio.sleep(0.05)
    return contact


async def report(node: Node, folder: Path, contact: Contact) -> None:
    """Write down what is kept of the other one, in its order."""
    lines: list[str] = []
    after = 0
    while page := await node.history(contact.id, after=after, limit=100):
        after = page[-1].number
        lines += [each.body.decode() for each in page if each.state is MessageState.RECEIVED]
    fresh = folder / "kept.new"
    fresh.write_text(f"{node.queue().waiting}\n" + "".join(f"{line}\n" for line in lines))
    fresh.replace(folder / "kept")


async def live(folder: Path, name: str, other: str, gateways: list[str]) -> None:
    accepted, shown = Log(folder / "accepted"), Log(folder / "shown")
    note_what_leaves(Log(folder / "left"))

    def on_message(message: Message) -> None:
        shown.add(message.body.decode())

    knobs = NodeSettings(
        gateways=tuple(GatewayAddress.parse(each) for each in gateways), mode=Mode.DIRECT
    )
    async with Database(folder / "node.db", NODE_MIGRATIONS) as database:
        async with Node(database, Keystore.open(folder / "node.key"), knobs) as node:
            node.on_message(on_message)
            if not node.identities:
                await node.create_identity(name)
            contact = await meet(node, folder, name, other)
            number = len((folder / "accepted").read_text().splitlines())
            while not (folder.parent / "quiet").exists():
                number += 1
                text = f"{name} {number}"
                await node.send(contact.id, text, message_id=f"{name}-{number:06d}")
                accepted.add(text)
                await asyncio.sleep(0.03)
            while True:
                await report(node, folder, contact)
                await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]))
