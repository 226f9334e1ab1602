"""Opens the page as a window of its own: Chromium and its relatives without an address bar, or else a browser's tab.

The link contains the page's key, and whatever stands on a command line can be read by every user of the machine.
So the browser is given a file of the data folder, which only its owner can read and which goes on to the link.
"""

from __future__ import annotations

import asyncio
import html
import json
import logging
import os
import shutil
import sys
import webbrowser
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger("holdfast.chat")

FILE: Final = "open.html"
APP_BROWSERS: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "brave-browser",
    "microsoft-edge",
)
"""Browsers that know ``--app``."""


def has_screen() -> bool:
    """Say whether a window could be seen here."""
    if sys.platform in {"win32", "darwin"}:
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def write_opener(data: Path, link: str) -> Path:
    """Write the file that goes on to the link; only its owner can read it."""
    script = f"location.replace({json.dumps(link)})".replace("</", "<\\/")
    text = (
        '<!doctype html><meta charset="utf-8"><title>Holdfast</title>'
        f'<script>{script}</script><p><a href="{html.escape(link)}">Open the chat</a></p>\n'
    )
    path = data / FILE
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def command_for(address: str) -> list[str] | None:
    """Return what opens an address in a window of its own, None when no browser here can."""
    for name in APP_BROWSERS:
        found = shutil.which(name)
        if found is not None:
            return [found, f"--app={address}"]
    return None


async def open_app_window(data: Path, link: str) -> bool:
    """Open the page for whoever sits in front of the machine; say whether something was opened.

    Args:
        data: folder in which the file is put that the browser is given.
        link: of the page, with its key.
    """
    if not has_screen():
        return False
    address = write_opener(data, link).resolve().as_uri()
    command = command_for(address)
    try:
        if command is None:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, webbrowser.open, address)
        await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # it outlives us, and Ctrl-C is not for it
        )
    except OSError as error:
        # The link was printed: whoever wants to see the page can.
        log.warning("no browser could be started: %s", error)
        return False
    return True
