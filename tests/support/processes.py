"""A real ``holdfast serve`` in a process of its own, to be killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [sys.executable, "-c", "from holdfast.cli import main; main()", "serve"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """Starts, kills and restarts a server on one port and one data directory."""

    def __init__(
        self,
        data: Path,
        port: int | None = None,
        *,
        listener: socket.socket | None = None,
        **settings: object,
    ) -> None:
        self.data = data
        self._listener = listener
        if listener is not None:
            port = listener.getsockname()[1]
        self.port = free_port() if port is None else port
        self.log = data.parent / f"{data.name}.log"
        self._settings = {
            f"HOLDFAST_{name.upper()}": str(value) for name, value in settings.items()
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def spawn(self) -> None:
        """Start the process, without waiting for it."""
        command = [*COMMAND, "--port", str(self.port), "--data", str(self.data)]
        given: tuple[int, ...] = ()
        if (
            self._listener is not None
        ):  # as systemd does it: the third file, and the number of the process
            given = (self._listener.fileno(),)
            hand_over = f'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&{given[0]}'
            command = ["bash", "-c", hand_over, "bash", *command]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=os.environ | {"HOLDFAST_LOG_LEVEL": "warning"} | self._settings,
                pass_fds=given,
            )

    def start(self, within: float = 20.0) -> None:
        """Start the process and return when it listens."""
        self.spawn()
        deadline = time.monotonic() + within
        while not self.is_listening():
            self._check(deadline)
            time.sleep(0.01)

    async def start_async(self, within: float = 20.0) -> None:
        """As ``start``, for tests with a loop."""
        self.spawn()
        deadline = time.monotonic() + within
        while not self.is_listening():
            self._check(deadline)
            await asyncio.sleep(0.005)

    def is_listening(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """End it as a crash would: kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def terminate(self, number: int = signal.SIGTERM, within: float = 15.0) -> int:
        """End it as an operator would; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(within)
        self._process = None
        return code

    def _check(self, deadline: float) -> None:
        assert self._process is not None
        if self._process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
