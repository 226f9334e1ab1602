"""Logs as JSON lines, rotated, with secrets removed; and the same for a person at a terminal."""

from __future__ import annotations

import logging
import logging.handlers
import re
import sys
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from holdfast import limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET_NAMES: Final = re.compile(
    r"token|secret|password|passwd|authorization|cookie|api[_-]?key|(^|[_-])key$|credential",
    re.IGNORECASE,
)
SECRET_TEXTS: Final = re.compile(
    r"""((?:token|secret|password|authorization|cookie|api[_-]?key|key)["']?\s*[=:]\s*["']?)"""
    r"""((?:Bearer\s+|Basic\s+)?[^\s"',;&}]{6,})""",
    re.IGNORECASE,
)
BEARER: Final = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)
REMOVED: Final = "[removed]"


def without_secrets(text: str) -> str:
    """Replace what looks like a secret."""
    return BEARER.sub(rf"\1 {REMOVED}", SECRET_TEXTS.sub(rf"\1{REMOVED}", text))


def _clean(value: object, depth: int = 0) -> object:
    if isinstance(value, str):
        return without_secrets(value)[: limits.LOG_TEXT_MAX]
    if isinstance(value, dict) and depth < limits.LOG_DEPTH_MAX:
        return {
            str(name): REMOVED if SECRET_NAMES.search(str(name)) else _clean(each, depth + 1)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple) and depth < limits.LOG_DEPTH_MAX:
        return [_clean(each, depth + 1) for each in value]
    return value if isinstance(value, int | float | bool | None) else without_secrets(str(value))


def remove_secrets(
    _logger: object, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Clean one log line; a processor of structlog."""
    cleaned = _clean(dict(event))
    assert isinstance(cleaned, dict)
    return cleaned


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that is kept in memory for the dashboard.

    Attributes:
        at: seconds since 1970.
        level: ``info`` and the like.
        logger: its name.
        text: without secrets.
    """

    at: float
    level: str
    logger: str
    text: str


class RecentLog(logging.Handler):
    """Keeps the last lines in memory, and tells whoever listens."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[LogLine] = deque(maxlen=limits.LOG_LINES_KEPT)
        self._listeners: list[Callable[[LogLine], object]] = []

    def on_line(self, listener: Callable[[LogLine], object]) -> None:
        """Call back with each line, in the thread that wrote it."""
        self._listeners.append(listener)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        try:
            text = without_secrets(record.getMessage())[: limits.LOG_TEXT_MAX]
            line = LogLine(record.created, record.levelname.lower(), record.name, text)
            self.lines.append(line)
            for listener in self._listeners:
                listener(line)
        except Exception:  # noqa: BLE001 - as all handlers: a log line never ends the program
            self.handleError(record)


def configure_logging(
    level: str = "info",
    *,
    as_json: bool | None = None,
    file: Path | None = None,
    file_bytes: int = limits.LOG_FILE_BYTES,
    files: int = limits.LOG_FILES,
) -> RecentLog:
    """Send all log lines of the process where they belong.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        as_json: JSON lines on standard error; None: unless it is a terminal.
        file: JSON lines into this file as well, rotated.
        file_bytes: size at which it is rotated.
        files: old ones that are kept.

    Returns:
        The last lines, for a dashboard.

    Raises:
        OSError: the file cannot be written.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    as_json = not sys.stderr.isatty() if as_json is None else as_json
    lines: structlog.typing.Processor = structlog.processors.JSONRenderer()
    shown = lines if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())

    def formatter(renderer: structlog.typing.Processor) -> logging.Formatter:
        more = [structlog.processors.format_exc_info] if renderer is lines else []
        return structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *more,
                remove_secrets,
                renderer,
            ],
        )

    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    console = logging.StreamHandler()
    console.setFormatter(formatter(shown))
    recent = RecentLog()
    handlers: list[logging.Handler] = [console, recent]
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        rotated = logging.handlers.RotatingFileHandler(
            file, maxBytes=file_bytes, backupCount=files, encoding="utf-8"
        )
        rotated.setFormatter(formatter(lines))
        handlers.append(rotated)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.getLogger("websockets").setLevel(logging.WARNING)  # it logs each connection
    return recent
