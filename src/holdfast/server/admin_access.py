"""Who may see the dashboard: whoever has the token that was printed at the first start.

The token is stored as a hash only. Signing in with it gives a cookie that is good for a day and for this process.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.errors import ErrorCode, RateLimitError, ResilienceError
from holdfast.resilience import RateLimitConfig, RateLimiter
from holdfast.world import text_of

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.world import World

COOKIE: Final = "holdfast_admin"
HASH_FILE: Final = "admin-token.sha256"
LASTS: Final = 24 * 3600.0
TOKEN_BYTES: Final = 24


class NotAllowedError(ResilienceError):
    """The dashboard is not for whoever asked."""

    default_code = ErrorCode.SESSION_REFUSED
    http_status = 401


class AdminAccess:
    """Checks tokens and cookies.

    Args:
        data: folder in which the hash is kept; it is made at the first start.
        world: chance and time.

    Attributes:
        new_token: to be printed, once; None when there was one before.

    Raises:
        ResilienceError: the hash can neither be read nor written.
    """

    def __init__(self, data: Path, world: World) -> None:
        self._world = world
        self._path = data / HASH_FILE
        self._cookies: dict[str, float] = {}
        self._tries = RateLimiter(
            RateLimitConfig(limits.ADMIN_TRIES, 60.0, limits.ADMIN_TRIES),
            keys_max=limits.ADDRESSES_MAX,
            name="admin sign-in",
        )
        self.new_token: str | None = None
        try:
            if not self._path.exists():
                self.renew()
            self._hash = self._path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ResilienceError(
                f"{self._path} cannot be used: {error}.", original=error
            ) from error

    def renew(self) -> str:
        """Make a new token; the old one and all cookies are good for nothing from now on."""
        token = self.new_token = text_of(self._world.secret_bytes(TOKEN_BYTES))
        self._hash = _hashed(token)
        self._cookies.clear()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(self._hash + "\n")
        return token

    def sign_in(self, token: str, address: str) -> str:
        """Return a cookie for a token.

        Raises:
            RateLimitError: 2001; too many tries from this address.
            NotAllowedError: 6002; it is not the token.
        """
        wait = self._tries.check(address, now=self._world.wall_now())
        if wait:
            raise RateLimitError("Too many tries.", retry_after=wait)
        if not hmac.compare_digest(_hashed(token), self._hash):
            raise NotAllowedError("This is not the token.")
        cookie = text_of(self._world.secret_bytes(TOKEN_BYTES))
        while len(self._cookies) >= limits.ADMIN_COOKIES_MAX:
            del self._cookies[next(iter(self._cookies))]
        self._cookies[_hashed(cookie)] = self._world.wall_now() + LASTS
        return cookie

    def sign_out(self, cookie: str) -> None:
        """Forget a cookie."""
        self._cookies.pop(_hashed(cookie), None)

    def require(self, cookie: str | None) -> None:
        """Let whoever has a cookie pass.

        Raises:
            NotAllowedError: 6002; it is none, or too old.
        """
        ends = self._cookies.get(_hashed(cookie or ""))
        if ends is None or ends < self._world.wall_now():
            raise NotAllowedError("Sign in with the token that was printed at the first start.")


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
