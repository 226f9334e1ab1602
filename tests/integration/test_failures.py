"""The table of failures in docs/guides/delivery.md, with real disks, files and processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast.delivery import MIGRATIONS, Message, Outbox
from holdfast.errors import ErrorCode, StorageError
from holdfast.storage import Database

ROOT = Path(__file__).parents[2]
MILLION = 1_000_000


def in_a_mount(options: str, folder: Path, *command: str) -> str:
    """Run a command with a file system of its own on a folder."""
    folder.mkdir(exist_ok=True)
    script = f'mount -t tmpfs -o {options} tmpfs "$1" && shift && exec "$@"'
    done = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
            str(folder),
            *command,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_full_disk_refuses_new_messages_and_goes_on_by_itself_when_there_is_room(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "small"
    seen = json.loads(
        in_a_mount("size=1m", folder, sys.executable, "-m", "tests.support.small_disk", str(folder))
    )
    assert "STORAGE_FULL" in seen["errors"]
    assert set(seen["errors"]) <= {"STORAGE_FULL", "STORAGE_UNAVAILABLE"}, (
        "the second: left in peace"
    )
    assert seen["acknowledged"] > 5
    assert seen["lost"] == []
    assert seen["doubled"] == 0


async def test_a_read_only_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with Database(path, MIGRATIONS):
        pass
    probe = (
        "import asyncio, os, pathlib, sys\n"
        "from holdfast.errors import StorageError\n"
        "from holdfast.storage import Database\n"
        "if os.geteuid() == 0: os.setgid(65534), os.setuid(65534)\n"
        "async def main():\n"
        "    async with Database(pathlib.Path(sys.argv[1]), {'x': ('CREATE TABLE x (y)',)}): pass\n"
        "try: asyncio.run(main())\n"
        "except StorageError as error: print(error.name, error.message)\n"
    )
    # Somebody who may write the folder but not the file; the way to it must be open to him.
    with_way = Path(shutil.copytree(tmp_path, Path("/tmp") / f"holdfast-{os.getpid()}"))  # noqa: S108
    try:
        with_way.chmod(0o777)
        (with_way / "a.db").chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        (with_way / "holdfast.lock").unlink()
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", probe, str(with_way / "a.db")],
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        shutil.rmtree(with_way)
    assert done.stdout.startswith("STORAGE_READ_ONLY"), done.stdout + done.stderr
    assert "check the owner and the mount" in done.stdout


async def test_a_damaged_page_is_an_error_with_its_code_and_a_backup_brings_all_back(
    tmp_path: Path,
) -> None:
    path = tmp_path / "data" / "holdfast.db"
    is_open = asyncio.Event()
    arrived: list[str] = []

    async def send(message: Message) -> None:
        await is_open.wait()
        arrived.append(message.id)

    async with Database(path, MIGRATIONS) as database, Outbox(database, send) as outbox:
        ids = await outbox.submit_many(("gate", b"x" * 500) for _ in range(400))
        await database.backup(tmp_path / "copy.db")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    with pytest.raises(StorageError) as caught:
        async with Database(path, MIGRATIONS) as database, Outbox(database, send):
            pass
    assert caught.value.code == ErrorCode.STORAGE_CORRUPT
    assert "restore a backup" in caught.value.message

    def holdfast(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from holdfast.cli import main; main()", "store", *command],
            capture_output=True,
            text=True,
            timeout=60,
        )

    data = ["--data", str(path.parent)]
    checked = await asyncio.to_thread(holdfast, "check", *data)
    assert checked.returncode == 1
    restored = await asyncio.to_thread(holdfast, "restore", str(tmp_path / "copy.db"), *data)
    assert restored.returncode == 0, restored.stderr
    is_open.set()
    async with Database(path, MIGRATIONS) as database, Outbox(database, send) as outbox:
        async with asyncio.timeout(20):
            while outbox.queued:
                await asyncio.sleep(0.01)
    assert sorted(arrived) == sorted(ids)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(400)
async def test_a_million_messages_wait_on_the_disk_and_not_in_memory(tmp_path: Path) -> None:
    arrived = 0
    is_open = asyncio.Event()

    async def send(_: Message) -> None:
        nonlocal arrived
        await is_open.wait()
        arrived += 1

    def per_second(count: int, began: float) -> float:
        return count / (time.perf_counter() - began)

    before = resident_bytes()
    rates = []
    async with (
        Database(tmp_path / "a.db", MIGRATIONS) as database,
        Outbox(database, send) as outbox,
    ):
        for hundred in range(10):
            began = time.perf_counter()
            for chunk in range(50):
                base = hundred * 100_000 + chunk * 2_000
                await outbox.submit_many(
                    (f"gate-{number % 1000}", b"%0100d" % number)
                    for number in range(base, base + 2_000)
                )
            rates.append(per_second(100_000, began))
        grown = resident_bytes() - before
        in_memory = outbox._desk.lanes.in_memory
        assert outbox.queued == MILLION
    began = time.perf_counter()
    async with (
        Database(tmp_path / "a.db", MIGRATIONS) as database,
        Outbox(database, send) as outbox,
    ):
        opened = time.perf_counter() - began
        assert outbox.queued == MILLION
        began = time.perf_counter()
        is_open.set()
        while arrived < 50_000:
            await asyncio.sleep(0.01)
        rate = per_second(arrived, began)
        grown_again = resident_bytes() - before
    print(
        f"1,000,000 queued: submits {rates[0] / 1000:.0f} k/s at first, {rates[-1] / 1000:.0f} k/s at last; "
        f"{grown / 1e6:.0f} MB more memory, {in_memory:,} messages of it; opened again in {opened:.2f} s, "
        f"then delivered at {rate / 1000:.1f} k/s, {grown_again / 1e6:.0f} MB"
    )
    assert in_memory <= 128 * 1000
    assert max(grown, grown_again) < 250e6
