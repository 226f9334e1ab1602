"""Resume tokens: random, hashed at rest, rotated at each resume.

Theory. A token is *current* once its holder confirmed it. A resume issues the next one, and until
that is confirmed both are good: the answer that carried it may have been lost. Two resumes that show
the same token before either confirmed (two tabs) are given the same next one, so that none of
them is left with a token that the other made worthless. The plain next token is kept in memory
only; after a restart a fresh one is issued, and what the store knows by hash still opens.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from holdfast.errors import TokenRejectedError
from holdfast.world import text_of

if TYPE_CHECKING:
    from holdfast.world import World

TOKEN_BYTES: Final = 20


def digest(token: str) -> bytes:
    """Hash a token of full entropy for the store; no salt is needed for 160 random bits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


@dataclass(slots=True)
class TokenState:
    """What is known of a session's tokens.

    Attributes:
        current: hash of the token that opens the session.
        following: hash of the token issued last, not yet confirmed; None when there is none.
    """

    current: bytes
    following: bytes | None = None
    _issued: str | None = None

    def verify(self, token: str) -> bool:
        """Say whether this token opens the session; in constant time for a wrong one."""
        shown = digest(token)
        is_current = hmac.compare_digest(shown, self.current)
        is_following = self.following is not None and hmac.compare_digest(shown, self.following)
        return is_current or is_following

    def rotate(self, token: str, world: World) -> str:
        """Take a token and issue the next one.

        Raises:
            TokenRejectedError: 6003; the token is wrong or was used up.
        """
        if not self.verify(token):
            raise TokenRejectedError("This resume token does not open the session (any more).")
        if self._issued is not None and hmac.compare_digest(digest(token), self.current):
            return self._issued
        if self.following is not None and hmac.compare_digest(digest(token), self.following):
            self.current = self.following  # showing it is as good as confirming it
        issued = text_of(world.secret_bytes(TOKEN_BYTES))
        self.following = digest(issued)
        self._issued = issued
        return issued

    def confirm(self) -> bool:
        """Retire the older token: its successor is stored. Say whether anything changed."""
        if self.following is None or self._issued is None:
            return False
        self.current, self.following, self._issued = self.following, None, None
        return True


def first_token(world: World) -> tuple[str, TokenState]:
    """Issue the token of a new session."""
    token = text_of(world.secret_bytes(TOKEN_BYTES))
    return token, TokenState(current=digest(token))
