"""``holdfast doctor``: looks at an installation and a running server, and says in plain words what is wrong."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import shutil
import socket
import sqlite3
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from holdfast.storage import maintenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

GOOD, WARN, BAD = "ok", "warning", "wrong"
ROOM_NEEDED: Final = 500e6
FILES_NEEDED: Final = 4_096
SQLITE_NEEDED: Final = (3, 35, 0)
PYTHON_NEEDED: Final = (3, 11)
TIMEOUT: Final = 5.0
UPGRADE: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "aG9sZGZhc3QtZG9jdG9yIQ==",
    "Sec-WebSocket-Protocol": "holdfast.v1.json",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found.

    Attributes:
        state: ok, warning or wrong.
        what: in a sentence.
        advice: what to do; empty when there is nothing to do.
    """

    state: str
    what: str
    advice: str = ""


def examine(data: Path, url: str) -> Iterator[Finding]:
    """Look at everything, one after the other.

    Args:
        data: folder of the server's data.
        url: of the running server.
    """
    looks: list[Callable[[], Iterator[Finding]]] = [
        _installation,
        _pages,
        _files,
        lambda: _data(data),
        lambda: _store(data / "holdfast.db"),
        lambda: _server(url),
    ]
    for look in looks:
        yield from look()


def _installation() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_NEEDED:
        yield Finding(BAD, f"Python is {version}.", "Install Python 3.11 or newer.")
    else:
        yield Finding(GOOD, f"Python {version}, SQLite {sqlite3.sqlite_version}.")
    if sqlite3.sqlite_version_info < SQLITE_NEEDED:
        yield Finding(
            BAD,
            f"SQLite is {sqlite3.sqlite_version}.",
            "Install a Python that was built with SQLite 3.35 or newer.",
        )
    missing = [name for name in ("litestar", "uvicorn", "structlog", "psutil", "prometheus_client")
               if importlib.util.find_spec(name) is None]  # fmt: skip
    if missing:
        yield Finding(BAD, f"Missing: {', '.join(missing)}.", "pip install 'holdfast[server]'")
    else:
        yield Finding(GOOD, "Everything that the server needs is installed.")


def _pages() -> Iterator[Finding]:
    from holdfast.server.pages import BUILT  # noqa: PLC0415 - it may be what is missing

    if (BUILT / "index.html").is_file():
        yield Finding(GOOD, "The web pages are built.")
    else:
        yield Finding(BAD, "The web pages are not built.", "In a checkout: make pages.")


def _files() -> Iterator[Finding]:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES_NEEDED:
        yield Finding(
            WARN,
            f"This process may open {soft} files: about {max(0, soft - 100)} connections.",
            "For more: ulimit -n 65536, or LimitNOFILE= for a service.",
        )
    else:
        yield Finding(GOOD, f"{soft} files and sockets may be open at once.")


def _data(data: Path) -> Iterator[Finding]:
    if not data.exists():
        yield Finding(
            WARN, f"There is no folder {data} yet.", "It is made at the first start; see --data."
        )
        return
    if not data.is_dir():
        yield Finding(BAD, f"{data} is not a folder.", "Give another one with --data.")
        return
    if not os.access(data, os.W_OK | os.X_OK):
        yield Finding(
            BAD,
            f"{data} cannot be written by this user.",
            f"chown -R $(id -u) {data}, or another --data.",
        )
        return
    free = shutil.disk_usage(data).free
    if free < ROOM_NEEDED:
        yield Finding(
            WARN, f"{free / 1e6:.0f} MB are free on the disk of {data}.", "Free some room."
        )
    else:
        yield Finding(GOOD, f"{data} can be written, {free / 1e9:.1f} GB are free.")


def _store(path: Path) -> Iterator[Finding]:
    if not path.exists():
        return
    problems = maintenance.check(path)
    if problems:
        yield Finding(
            BAD,
            f"{path} is damaged: {problems[0]}",
            "Stop the server and put a backup back: holdfast store restore.",
        )
    else:
        yield Finding(GOOD, f"{path} is whole, {path.stat().st_size / 1e6:.1f} MB.")


def _server(url: str) -> Iterator[Finding]:
    try:
        body, status = _get(f"{url}/health")
    except (OSError, ValueError) as error:
        yield Finding(
            WARN,
            f"No server answers at {url}: {_reason(error)}.",
            "Start it with holdfast serve, or say where it is with --url.",
        )
        return
    parts = body.get("components", {})
    assert isinstance(parts, dict)
    for name, part in parts.items():
        if part.get("status") != "healthy":
            state = BAD if part.get("status") == "unhealthy" else WARN
            yield Finding(
                state,
                f"The server's {name}: {part.get('message', part['status'])}.",
                f"See {url}/admin",
            )
    if status == 200:  # noqa: PLR2004 - of HTTP
        yield Finding(GOOD, f"The server at {url} answers, up for {body.get('uptime_s')} s.")
    else:
        yield Finding(
            BAD,
            f"The server at {url} says that it is {body.get('status')}.",
            f"See {url}/admin and its log.",
        )
    yield from _websocket(url)


def _websocket(url: str) -> Iterator[Finding]:
    """Ask for an upgrade as a browser does: proxies that do not pass it on are the usual trouble."""
    parts = urlsplit(url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", f"{parts.path}/ws", headers=UPGRADE)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        yield Finding(
            BAD, f"WebSockets do not come through: {_reason(error)}.", "See docs/guides/serving.md."
        )
        return
    finally:
        connection.close()
    if status == 101:  # noqa: PLR2004 - of HTTP
        yield Finding(GOOD, "WebSockets come through.")
    else:
        yield Finding(
            BAD,
            f"An upgrade to a WebSocket is answered with {status}.",
            "A proxy before the server has to pass on Upgrade and Connection: docs/guides/serving.md.",
        )


def _get(url: str) -> tuple[dict[str, object], int]:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - as above
            return json.load(answer), answer.status
    except urllib.error.HTTPError as error:
        return json.load(error), error.code


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", error)
    if isinstance(inner, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(inner, socket.gaierror):
        return "the name is not known"
    if isinstance(inner, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    return str(inner)
