"""A gateway that loses its life at the worst moment: ``python -m … FOLDER PORT`` dies after its next commit of an envelope.

The envelope is on the disk then, and nobody has been told.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.mailbox.gateway import Gateway
from holdfast.mailbox.machine import MailboxMachine
from holdfast.mailbox.record import NewEnvelope
from holdfast.mailbox.store import MIGRATIONS
from holdfast.mailbox.tls import pin_of_file, server_context
from holdfast.storage import Database
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.mailbox.record import Kept, Note


def die_after_a_commit() -> None:
    """From now on the first envelope that is committed ends the process, before anything is said about it."""
    committed = MailboxMachine.committed

    def dying(self: MailboxMachine, notes: Sequence[Note], kept: Sequence[Kept]) -> None:
        if any(isinstance(note, NewEnvelope) for note in notes):
            os.kill(os.getpid(), signal.SIGKILL)
        committed(self, notes, kept)

    MailboxMachine.committed = dying  # type: ignore[method-assign]


async def serve(folder: Path, port: int) -> None:
    pem = folder / "key.pem"
    die_after_a_commit()
    async with Database(folder / "gateway.db", {"mailbox": MIGRATIONS}) as database:
        gateway = Gateway(
            database, pin=pin_of_file(pem), tls=server_context(pem), world=RealWorld()
        )
        await gateway.start("127.0.0.1", port)
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
