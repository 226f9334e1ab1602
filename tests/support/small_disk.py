"""What an outbox does on a disk of a megabyte: run by ``test_failures`` in a mount of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from holdfast.delivery import MIGRATIONS, Message, Outbox
from holdfast.errors import StorageError
from holdfast.storage import Database


async def main(folder: Path) -> dict[str, object]:
    """Fill the disk with messages, make room, go on; tell what was seen."""
    is_open = asyncio.Event()
    arrived: list[str] = []

    async def send(message: Message) -> None:
        await is_open.wait()
        arrived.append(message.id)

    ballast = folder / "ballast"
    ballast.write_bytes(b"\0" * 600_000)
    acknowledged: list[str] = []
    errors: list[str] = []
    async with Database(folder / "a.db", MIGRATIONS) as database, Outbox(database, send) as outbox:
        while not errors:
            try:
                acknowledged.append(await outbox.submit("gate", b"x" * 2_000))
            except StorageError as error:
                errors.append(error.name)
        for _ in range(20):
            try:
                await outbox.submit("gate", b"x" * 2_000)
            except StorageError as error:
                errors.append(error.name)
        ballast.unlink()
        async with asyncio.timeout(30):  # the breaker lets a probe through after a second
            while True:
                try:
                    acknowledged.append(await outbox.submit("gate", b"after"))
                    break
                except StorageError as error:
                    await asyncio.sleep(error.retry_after or 1.0)
            is_open.set()
            while outbox.queued:
                await asyncio.sleep(0.01)
    return {
        "errors": sorted(set(errors)),
        "acknowledged": len(acknowledged),
        "lost": sorted(set(acknowledged) - set(arrived)),
        "doubled": len(arrived) - len(set(arrived)),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
