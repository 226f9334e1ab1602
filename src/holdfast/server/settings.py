"""What ``holdfast serve`` can be told: arguments over environment over a file over defaults."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.errors import ResilienceError
from holdfast.ops import ShutdownSettings
from holdfast.session import HubSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "HOLDFAST_"
PORT_MAX = 65_535
HUB_NAMES = tuple(item.name for item in fields(HubSettings))


class SettingsError(ResilienceError):
    """A setting has a value that cannot work; the message names it and where it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Settings of the server.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0 picks a free one.
        data: folder for everything that is kept.
        origins: web origins that may connect besides the server's own, separated by commas.
        loop: ``auto``, ``asyncio`` or ``uvloop``.
        log_level: ``debug``, ``info``, ``warning`` or ``error``.
        log_file: JSON lines into this file as well, rotated; empty for none.
        drain: seconds over which clients are told to return when the server is stopped.
        drain_timeout: seconds that telling them may take.
        close_timeout: seconds until open requests are cut.
        cleanup_timeout: seconds for the rest.
        force_timeout: seconds for all of it.
        alert_webhook: URL that is told of alerts; empty for none.
        demo: whether the dashboard may trouble connections.
        hub: times and bounds of sessions.
    """

    host: str = "127.0.0.1"
    port: int = 8400
    data: Path = Path("data")
    origins: tuple[str, ...] = ()
    loop: str = "auto"
    log_level: str = "info"
    log_file: str = ""
    drain: float = 1.0
    drain_timeout: float = 30.0
    close_timeout: float = 10.0
    cleanup_timeout: float = 5.0
    force_timeout: float = 60.0
    alert_webhook: str = ""
    demo: bool = False
    hub: HubSettings = field(default_factory=HubSettings)

    @property
    def shutdown(self) -> ShutdownSettings:
        """How the server ends."""
        return ShutdownSettings(
            drain_timeout=self.drain_timeout,
            close_timeout=self.close_timeout,
            cleanup_timeout=self.cleanup_timeout,
            force_timeout=self.force_timeout,
        )


def read_settings(
    arguments: Mapping[str, object],
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> ServerSettings:
    """Put the settings together.

    Args:
        arguments: from the command line; None means not given.
        environment: ``HOLDFAST_PORT=8400`` and the like; the process's own by default.
        file: TOML with the same names; ``HOLDFAST_CONFIG`` or ``holdfast.toml`` here by default.

    Raises:
        SettingsError: a value cannot be used, a name is unknown, the file cannot be read.
    """
    environment = os.environ if environment is None else environment
    given: dict[str, tuple[object, str]] = {}
    path = file or (
        Path(environment[PREFIX + "CONFIG"]) if PREFIX + "CONFIG" in environment else None
    )
    if path is not None or Path("holdfast.toml").is_file():
        path = path or Path("holdfast.toml")
        given |= {name: (value, str(path)) for name, value in _read_file(path).items()}
    for name, text in environment.items():
        if name.startswith(PREFIX) and name != PREFIX + "CONFIG":
            given[name.removeprefix(PREFIX).lower()] = (text, name)
    for name, value in arguments.items():
        if value is not None:
            given[name] = (value, f"--{name.replace('_', '-')}")
    return _checked(given)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.", original=error) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}.", original=error) from error


def _checked(given: Mapping[str, tuple[object, str]]) -> ServerSettings:
    settings = ServerSettings()
    hub: dict[str, object] = {}
    server: dict[str, object] = {}
    known = {item.name: getattr(settings, item.name) for item in fields(settings)}
    for name, (value, source) in given.items():
        if name in HUB_NAMES:
            hub[name] = _converted(name, value, source, getattr(settings.hub, name))
        elif name in known and name != "hub":
            server[name] = _converted(name, value, source, known[name])
        else:
            names = ", ".join(sorted((*HUB_NAMES, *(n for n in known if n != "hub"))))
            raise SettingsError(f"{source}: there is no setting {name!r}. There are: {names}.")
    _refuse_nonsense(server, given)
    try:
        return replace(settings, **server, hub=HubSettings(**hub))  # type: ignore[arg-type]
    except ValueError as error:
        raise SettingsError(f"{error}.", original=error) from error


def _converted(name: str, value: object, source: str, default: object) -> object:
    try:
        if isinstance(default, Path):
            return Path(str(value)).expanduser()
        if isinstance(default, tuple):
            parts = value if isinstance(value, list | tuple) else str(value).split(",")
            return tuple(str(part).strip() for part in parts if str(part).strip())
        if isinstance(default, bool):
            return _as_bool(value)
        if isinstance(value, bool) or not isinstance(value, str | int | float | Path):
            raise ValueError  # noqa: TRY004 - one message for all wrong kinds, below
        return type(default)(value)  # type: ignore[call-arg]
    except ValueError as error:
        kind = {"int": "a whole number", "float": "a number", "bool": "true or false"}.get(
            type(default).__name__, "a text"
        )
        raise SettingsError(f"{source}: {name} must be {kind}, not {value!r}.") from error


def _as_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    found = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
        str(value).lower()
    )
    if found is None:
        raise ValueError
    return found


def _refuse_nonsense(server: Mapping[str, object], given: Mapping[str, tuple[object, str]]) -> None:
    def wrong(name: str, must: str) -> SettingsError:
        return SettingsError(f"{given[name][1]}: {name} must be {must}, not {server[name]!r}.")

    port = server.get("port", 0)
    if not isinstance(port, int) or not 0 <= port <= PORT_MAX:
        raise wrong("port", f"between 0 and {PORT_MAX}")
    if server.get("loop", "auto") not in {"auto", "asyncio", "uvloop"}:
        raise wrong("loop", "auto, asyncio or uvloop")
    if server.get("log_level", "info") not in {"debug", "info", "warning", "error"}:
        raise wrong("log_level", "debug, info, warning or error")
    if server.get("host", "x") == "":
        raise wrong("host", "an address")
    for name in ("drain", "drain_timeout", "close_timeout", "cleanup_timeout", "force_timeout"):
        seconds = server.get(name, 0.0)
        if not isinstance(seconds, float) or seconds < 0:
            raise wrong(name, "0 or more")
