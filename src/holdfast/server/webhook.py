"""Tells a URL of alerts, as JSON: within a time, without following where it is sent on to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from holdfast.errors import NetworkError
from holdfast.server.settings import SettingsError

if TYPE_CHECKING:
    from holdfast.ops.alerts import Webhook

TIMEOUT: Final = 10.0
"""Seconds for all of it: a server that answers a byte at a time is left as well."""


def webhook_to(url: str, *, timeout: float = TIMEOUT) -> Webhook:
    """Return a function that posts to a URL, and raises NetworkError when that was not taken.

    Args:
        url: of a web server; its answer has to be a success, and nothing of it is read.
        timeout: seconds.

    Raises:
        SettingsError: it is no URL of a web server.
    """
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise SettingsError(f"alert_webhook must be a URL, not {url!r}.")

    async def post(description: dict[str, object]) -> None:
        headers = {"content-type": "application/json"}
        try:
            async with (
                asyncio.timeout(timeout),
                httpx.AsyncClient(timeout=None, trust_env=False) as client,  # noqa: S113 - the line above
                client.stream("POST", url, content=msgspec.json.encode(description), headers=headers) as answer,
            ):  # fmt: skip
                if not answer.is_success:
                    raise NetworkError(f"the webhook answered {answer.status_code}")
        except TimeoutError as error:
            raise NetworkError(f"the webhook did not answer within {timeout:g} s") from error
        except httpx.HTTPError as error:
            raise NetworkError(f"the webhook cannot be reached: {error}") from error

    return post
