"""Who may see the page's data: whoever has the token, from this machine, under this machine's own name.

Theory. The program listens on loopback, where every user of the machine and, through the browser, every web
site can knock. Three things keep them out. The *token* stands in the part of the link behind ``#``, which a
browser never sends and no log contains; the page sends it with each request, and it is no cookie, because
browsers send cookies to every port of a host. The *Host* must be a name of this machine: a site whose own name
was bent to 127.0.0.1 has another one. The *Origin* of a WebSocket is compared with the Host by the server
floor.

The token is in a file that only the owner can read: who reads it could read the whole folder.
"""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, Final

from holdfast.apps.chat import limits
from holdfast.apps.chat.errors import ChatCode, ChatError
from holdfast.errors import RateLimitError, ResilienceError
from holdfast.resilience import RateLimitConfig, RateLimiter
from holdfast.world import text_of

if TYPE_CHECKING:
    from pathlib import Path

    from litestar.types import (
        ASGIApp,
        HTTPResponseBodyEvent,
        HTTPResponseStartEvent,
        Receive,
        Scope,
        Send,
    )

    from holdfast.world import World

FILE: Final = "page-token"
SCHEME: Final = "Bearer "
OWN_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})


class PageAccess:
    """Checks tokens and the name under which we were called.

    Args:
        data: folder in which the token is kept; it is made at the first start.
        world: secrets and time.

    Raises:
        ResilienceError: the token can neither be read nor written.
    """

    def __init__(self, data: Path, world: World) -> None:
        self._world = world
        path = data / FILE
        self._wrong = RateLimiter(
            RateLimitConfig(limits.TOKEN_TRIES, 60.0, limits.TOKEN_TRIES), name="wrong page tokens"
        )
        try:
            if not path.exists():
                _write(path, text_of(world.secret_bytes(limits.TOKEN_BYTES)))
            self.token = path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ResilienceError(f"{path} cannot be used: {error}.", original=error) from error
        if not self.token:
            raise ResilienceError(f"{path} is empty: delete it, and a new token is made.")

    def require(self, token: str) -> None:
        """Let whoever has the token pass.

        Raises:
            RateLimitError: 2001; too many wrong ones.
            ChatError: 12001; it is not the token.
        """
        if hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode()):
            return
        wait = self._wrong.check("", now=self._world.wall_now())
        if wait:
            raise RateLimitError("Too many wrong tokens.", retry_after=wait)
        raise ChatError(
            ChatCode.NOT_ALLOWED,
            "This page has no key (any more). Open it with the link that the program prints.",
        )

    def require_request(self, host: str, authorization: str) -> None:
        """Let a request pass that came to one of our own names and carries the token.

        Raises:
            RateLimitError: 2001; too many wrong ones.
            ChatError: 12001; it may not.
        """
        require_own_name(host)
        if not authorization.startswith(SCHEME):
            raise ChatError(ChatCode.NOT_ALLOWED, "The request carries no token.")
        self.require(authorization.removeprefix(SCHEME))


def require_own_name(host: str) -> None:
    """Refuse who calls us by a name that is not this machine's.

    Raises:
        ChatError: 12001.
    """
    name, _, port = host.rpartition(":")
    if (name if port.isdigit() else host) not in OWN_NAMES:
        raise ChatError(ChatCode.NOT_ALLOWED, "This program answers to 127.0.0.1 only.")


class OwnNameOnly:
    """Answers 421 to who calls us by a name that is not this machine's, whatever he asks for.

    Args:
        app: to which all other requests go.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if str(scope["type"]) == "http":
            host = next((value for name, value in scope["headers"] if name == b"host"), b"")
            try:
                require_own_name(host.decode("latin-1"))
            except ChatError as error:
                await send(_start(421))
                await send(_body(error.message))
                return
        await self._app(scope, receive, send)


def _start(status: int) -> HTTPResponseStartEvent:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    return {"type": "http.response.start", "status": status, "headers": headers}


def _body(text: str) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": text.encode(), "more_body": False}


def _write(path: Path, token: str) -> None:
    """Keep the token where only the owner reads it, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
