"""A private Tor network on this machine: three directory authorities, two relays, a client with a SOCKS port, onion services.

Nothing of it reaches the internet, and nothing in the internet knows it. It is about as small as Tor allows: an onion
service and its client need three different relays each, and authorities are relays. They vote as often as Tor permits, so the
first consensus stands after five to ten seconds.

All is ended by its id, and each process looks after us besides (``__OwningControllerProcess``): should the tests be killed,
it ends by itself some seconds later.
"""

from __future__ import annotations

import os
import random
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
RELAYS = 5
"""With the authorities. Four are enough, but then a circuit now and then finds no way for half a minute."""

PORTS = (12_000, 32_000)
"""Below those that Linux picks from for whoever does not care."""

READY = "Bootstrapped 100%"
READY_WITHIN = 180.0
"""Seconds until the client is ready; eight are usual, and a missed vote costs ten."""

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
    path = os.pathsep.join([str(Path(tor or "").parent), path])
    gencert = shutil.which("tor-gencert", path=path)
    if tor is None or gencert is None:
        raise AssertionError(MISSING)
    return tor, gencert


def free_ports(count: int) -> list[int]:
    """Return ports that nobody has, all different, of those that the system gives to nobody by itself.

    A proxy that is dead for a while comes back to its port: meanwhile no connection of somebody else may have got it.
    """
    found: set[int] = set()
    while len(found) < count:
        port = random.randrange(*PORTS)
        if can_bind(port):
            found.add(port)
    return sorted(found)


def can_bind(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False  # somebody has it
    return True


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
    """Authorities, relays, a client, and an onion service for each port; use it as a context manager.

    Attributes:
        client: the tor whose SOCKS port is ``socks_port``.
        services: an onion service for each of the ports, with a tor of its own.
    """

    def __init__(self, folder: Path, ports: Sequence[int] = ()) -> None:
        self.folder = folder
        self._ports = ports
        self._tor, self._gencert = programs()
        self.client: TorProcess
        self.socks_port = 0
        self.services: list[OnionService] = []
        self._running: list[TorProcess] = []
        self._tools: list[subprocess.Popen[bytes]] = []

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
        for tool in self._tools:
            tool.kill()
            tool.communicate()
        self._running, self._tools = [], []

    def _begin(self, folder: Path) -> None:
        *ports, self.socks_port = free_ports(2 * RELAYS + 1)
        places = list(zip(ports[::2], ports[1::2], strict=True))
        relays = [folder / f"relay{number}" for number in range(RELAYS)]
        common = [
            *("TestingTorNetwork 1", "Schedulers Vanilla", "ConfluxEnabled 0"),
            *("UseEntryGuards 0", "VanguardsLiteEnabled 0"),  # there are too few to prefer some
            *(f"GeoIPFile {NOTHING}", f"GeoIPv6File {NOTHING}"),  # reading them takes a second each
            *self._authorities(relays[:-1], places),
        ]
        self.client = TorProcess(
            self._tor, folder / "client", [*common, f"SocksPort {HOST}:{self.socks_port}"]
        )
        self.services = [
            OnionService(self._tor, folder / f"service{number}", common, port)
            for number, port in enumerate(self._ports)
        ]
        for number, (relay, (or_port, dir_port)) in enumerate(zip(relays, places, strict=True)):
            lines = [*common, *RELAY, f"Nickname {relay.name}", f"OrPort {HOST}:{or_port}"]
            if number < AUTHORITIES:
                lines += [*AUTHORITY, f"DirPort {HOST}:{dir_port}"]
            self._running.append(TorProcess(self._tor, relay, lines))
        self._running += [self.client, *self.services]
        for process in self._running:
            process.start()

        def is_usable() -> bool:
            ready = [process for process in self._running if process.is_ready()]
            return all(needed in ready for needed in (self.client, *self.services))

        wait_for(is_usable, self.client, "is not ready")

    def _authorities(self, folders: Sequence[Path], places: Sequence[tuple[int, int]]) -> list[str]:
        """Make the keys of all authorities, all at once; returns how they are named in a torrc."""
        making = []
        for folder, (_, dir_port) in zip(folders, places, strict=False):
            keys = folder / "keys"
            keys.mkdir(mode=0o700, parents=True)
            names = ["authority_identity_key", "authority_signing_key", "authority_certificate"]
            options = [
                each for pair in zip(("-i", "-s", "-c"), names, strict=True) for each in pair
            ]
            certified = self._tool(
                [self._gencert, "--create-identity-key", "--passphrase-fd", "0", "-m", "12"]
                + ["-a", f"{HOST}:{dir_port}", *options],
                keys,
            )
            listed = self._tool(
                [self._tor, "--hush", "--list-fingerprint", "--DataDirectory", str(folder)]
                + ["--ignore-missing-torrc", "--defaults-torrc", NOTHING, "-f", NOTHING]
                + ["--ORPort", "1", "--Nickname", folder.name]
                + ["--DirAuthority", f"nobody {HOST}:1 {'F' * 40}"],
                folder,
            )
            making.append((certified, listed))
        lines = []
        for (certified, listed), folder, (or_port, dir_port) in zip(making, folders, places, strict=False):  # fmt: skip
            output(certified)
            certificate = (folder / "keys" / "authority_certificate").read_text()
            ident = found(r"^fingerprint ([0-9A-F]{40})$", certificate)
            words = found(rf"^{folder.name} ((?:[0-9A-F]{{4}} ?){{10}})$", output(listed))
            lines.append(
                f"DirAuthority {folder.name} orport={or_port} no-v2 v3ident={ident} "
                f"{HOST}:{dir_port} {words.replace(' ', '')}"
            )
        return lines

    def _tool(self, command: list[str], folder: Path) -> subprocess.Popen[bytes]:
        """Start something that ends by itself; it is asked for a passphrase, for a key that lives a minute."""
        pipe = subprocess.PIPE
        tool = subprocess.Popen(
            command, cwd=folder, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT
        )
        self._tools.append(tool)
        return tool


def output(tool: subprocess.Popen[bytes]) -> str:
    said, _ = tool.communicate(b"a passphrase of nothing\n", timeout=READY_WITHIN)
    assert tool.returncode == 0, said.decode("utf-8", "replace")
    return said.decode()


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
