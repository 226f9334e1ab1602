"""A private Tor network on this machine: three directory authorities, a relay, a client with a SOCKS port, onion services.

Nothing of it reaches the internet, and nothing in the internet knows it. It is as small as Tor allows: an onion service
and its client need three different relays each, and authorities are relays. They vote as often as Tor permits, so the
first consensus stands after five to ten seconds.

All is ended by its id, and each process looks after us besides (``__OwningControllerProcess``): should the tests be killed,
it ends by itself some seconds later.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

HOST = "127.0.0.1"
AUTHORITIES = 3
READY = "Bootstrapped 100%"
READY_WITHIN = 90.0
"""Seconds until the client is ready; eight are usual, and a missed vote costs ten."""

ENDS_WITHIN = 5.0

ATTEMPTS = 3
"""Times that the network is begun anew when somebody took one of its ports meanwhile."""

TAKEN = "Address already in use"

NOTHING = "/nonexistent"
"""A torrc that is not there: what the system has configured for its own tor is not ours."""

MISSING = (
    "The tests over Tor need Debian's package 'tor' (programs tor and tor-gencert): `sh scripts/tor.sh` installs it "
    "where that is possible, or set TOR to the path of tor."
)


def programs() -> tuple[str, str]:
    """Return the paths of tor and tor-gencert; they lie beside each other, or on the path."""
    marked = Path(__file__).parents[2] / ".venv" / "tor"
    known = [os.environ.get("TOR", ""), marked.read_text().strip() if marked.exists() else ""]
    tor = next((each for each in known if each and os.access(each, os.X_OK)), None)
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/bin", "/usr/sbin", "/usr/local/bin"])
    tor = tor or shutil.which("tor", path=path)
    gencert = shutil.which("tor-gencert", path=path)
    if tor is None or gencert is None:
        raise AssertionError(MISSING)
    return tor, gencert


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has, all different."""
    probes = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class TorProcess:
    """One tor with a folder of its own; may be killed and started again."""

    def __init__(self, program: str, folder: Path, lines: Sequence[str]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.log = folder / "log"
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        torrc = [
            *lines,
            f"DataDirectory {folder}",
            f"__OwningControllerProcess {os.getpid()}",
            "Log notice stdout",
        ]
        (folder / "torrc").write_text("".join(f"{line}\n" for line in torrc))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, without waiting for it."""
        assert not self.is_running
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, "--defaults-torrc", NOTHING, "-f", str(self.folder / "torrc")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the tests alone, and they end it in order
            )

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def is_ready(self) -> bool:
        """Whether it can build circuits; raises when it has ended instead."""
        if not self.is_running:
            raise AssertionError(f"{self.folder.name} has ended by itself:\n{self.said()}")
        return READY in self.said()

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class OnionService(TorProcess):
    """Publishes a port of this machine under an onion name, on the same port."""

    def __init__(self, program: str, folder: Path, lines: Sequence[str], port: int) -> None:
        self.port = port
        self._here = folder / "onion"
        service = [f"HiddenServiceDir {self._here}", f"HiddenServicePort {port} {HOST}:{port}"]
        super().__init__(program, folder, [*lines, "SocksPort 0", *service])

    @property
    def name(self) -> str:
        """``….onion``, once it was started."""
        path = self._here / "hostname"
        wait_for(lambda: path.exists() and path.read_text().strip(), self, "has no name")
        return path.read_text().strip()


class TorNetwork:
    """Authorities, a relay, a client, and an onion service for each port; use it as a context manager.

    Attributes:
        client: the tor whose SOCKS port is ``socks_port``.
        services: an onion service for each of the ports, with a tor of its own.
    """

    def __init__(self, folder: Path, ports: Sequence[int] = ()) -> None:
        self.folder = folder
        self._ports = ports
        self.tor, self._gencert = programs()
        self.client: TorProcess
        self.socks_port = 0
        self.services: list[OnionService] = []
        self._running: list[TorProcess] = []
        self._common: list[str] = []

    @property
    def proxy(self) -> str:
        """The client's SOCKS port as ``host:port``."""
        return f"{HOST}:{self.socks_port}"

    def __enter__(self) -> Self:
        for attempt in range(ATTEMPTS):
            try:
                self._begin(self.folder / f"{attempt}")
                return self
            except AssertionError as error:
                self.stop()
                if TAKEN not in str(error) or attempt == ATTEMPTS - 1:
                    raise
            except BaseException:
                self.stop()
                raise
        raise AssertionError("the last attempt has raised or returned")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End all of it; nothing of it is worth a farewell."""
        for process in self._running:
            process.kill()
        self._running = []

    def _begin(self, folder: Path) -> None:
        *ports, self.socks_port = free_ports(2 * (AUTHORITIES + 1) + 1)
        places = [(folder / f"relay-{number}", *ports[2 * number : 2 * number + 2]) for number in range(AUTHORITIES + 1)]  # fmt: skip
        self._common = [
            "TestingTorNetwork 1",
            "Schedulers Vanilla",
            *self._authorities(places[:-1]),
        ]
        self.client = TorProcess(
            self.tor, folder / "client", [*self._common, f"SocksPort {HOST}:{self.socks_port}"]
        )
        self._running.append(self.client)
        for number, (place, or_port, dir_port) in enumerate(places):
            lines = [*self._common, *RELAY, f"Nickname relay{number}", f"OrPort {HOST}:{or_port}"]
            if number < AUTHORITIES:
                lines += [*AUTHORITY, f"DirPort {HOST}:{dir_port}"]
            self._running.append(TorProcess(self.tor, place, lines))
        self.services = [
            OnionService(self.tor, folder / f"service-{number}", self._common, port)
            for number, port in enumerate(self._ports)
        ]
        self._running += self.services
        for process in self._running:
            process.start()
        everybody_is_ready = lambda: all([each.is_ready() for each in self._running])  # noqa: E731
        wait_for(everybody_is_ready, self.client, "is not ready")

    def _authorities(self, places: Sequence[tuple[Path, int, int]]) -> list[str]:
        """Make the keys of all authorities; returns how they are named in a torrc."""
        making = [self._keys(*place) for place in places]
        return [self._known_as(n, *place, made) for n, (place, made) in enumerate(zip(places, making, strict=True))]  # fmt: skip

    def _keys(self, folder: Path, or_port: int, dir_port: int) -> subprocess.Popen[bytes]:
        keys = folder / "keys"
        keys.mkdir(mode=0o700, parents=True)
        process = subprocess.Popen(
            [self._gencert, "--create-identity-key", "--passphrase-fd", "0", "-m", "12",
             "-a", f"{HOST}:{dir_port}", "-i", "authority_identity_key",
             "-s", "authority_signing_key", "-c", "authority_certificate"],
            cwd=keys, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(b"a passphrase of nothing\n")
        process.stdin.close()
        process.stdin = None
        return process

    def _known_as(
        self,
        number: int,
        folder: Path,
        or_port: int,
        dir_port: int,
        making: subprocess.Popen[bytes],
    ) -> str:
        _, said = making.communicate(timeout=READY_WITHIN)
        assert making.returncode == 0, said.decode("utf-8", "replace")
        certificate = (folder / "keys" / "authority_certificate").read_text()
        ident = found(r"^fingerprint ([0-9A-F]{40})$", certificate)
        listed = subprocess.run(
            [self.tor, "--hush", "--list-fingerprint", "--DataDirectory", str(folder), "--ORPort", "1",
             "--ignore-missing-torrc", "--defaults-torrc", NOTHING, "-f", NOTHING, "--Nickname", f"relay{number}",
             "--DirAuthority", f"relay{number} {HOST}:1 {'F' * 40}"],
            check=True, capture_output=True, timeout=READY_WITHIN,
        )  # fmt: skip
        fingerprint = found(r"^relay\d ((?:[0-9A-F]{4} ?){10})$", listed.stdout.decode())
        return (
            f"DirAuthority relay{number} orport={or_port} no-v2 v3ident={ident} "
            f"{HOST}:{dir_port} {fingerprint.replace(' ', '')}"
        )


RELAY = (
    f"Address {HOST}",
    "AssumeReachable 1",
    "ExitRelay 1",
    "ExitPolicyRejectPrivate 0",
    "ExitPolicy accept *:*",
    "SocksPort 0",
    "ShutdownWaitLength 0",
    "ContactInfo nobody@example.invalid",
)

AUTHORITY = (
    "AuthoritativeDirectory 1",
    "V3AuthoritativeDirectory 1",
    "TestingV3AuthInitialVotingInterval 5",
    "TestingV3AuthInitialVoteDelay 2",
    "TestingV3AuthInitialDistDelay 2",
    "V3AuthVotingInterval 10",
    "V3AuthVoteDelay 2",
    "V3AuthDistDelay 2",
    "TestingDirAuthVoteExit *",
    "TestingDirAuthVoteGuard *",
    "TestingDirAuthVoteHSDir *",
    "TestingMinExitFlagThreshold 0",
)


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    assert match is not None, f"no {pattern} in:\n{text}"
    return match[1]


def wait_for(look, whose: TorProcess, what: str, within: float = READY_WITHIN) -> None:
    """Wait for a condition; the log of the process is shown when it does not come."""
    deadline = time.monotonic() + within
    while not look():
        if time.monotonic() > deadline:
            raise AssertionError(f"{whose.folder.name} {what} after {within:g} s:\n{whose.said()}")
        time.sleep(0.05)
