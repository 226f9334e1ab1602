"""Tells a URL of alerts, as JSON."""

from __future__ import annotations

import asyncio
import urllib.request
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from holdfast.server.settings import SettingsError

if TYPE_CHECKING:
    from holdfast.ops.alerts import Webhook

TIMEOUT: Final = 10.0


def webhook_to(url: str) -> Webhook:
    """Return a function that posts to a URL.

    Raises:
        SettingsError: it is no URL of a web server.
    """
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise SettingsError(f"alert_webhook must be a URL, not {url!r}.")

    def send(body: bytes) -> None:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            url, body, {"content-type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - as above
            answer.read(0)

    async def post(description: dict[str, object]) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, send, msgspec.json.encode(description))

    return post
