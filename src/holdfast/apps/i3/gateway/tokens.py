"""Who may connect out of band: tokens that were given, and announcements without one. No I/O."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from typing import Final

from holdfast.apps.i3 import limits

LASTS: Final = 600.0
"""Seconds that a token is good, as the protocol says."""

ANNOUNCED: Final = 60.0
"""Seconds within which a mud connects that has announced itself without a token."""


class Tokens:
    """For each mud the last token, good once."""

    def __init__(self) -> None:
        self._given: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._announced: OrderedDict[str, float] = OrderedDict()

    def give(self, mud: str, token: int, now: float) -> None:
        """Remember a token; an older one of that mud is void."""
        self._given.pop(mud, None)
        self._given[mud] = (token, now + LASTS)
        if len(self._given) > limits.TOKENS_MAX:
            self._given.popitem(last=False)

    def announced(self, mud: str, now: float) -> None:
        """A mud that knows no tokens will connect."""
        self._announced.pop(mud, None)
        self._announced[mud] = now + ANNOUNCED
        if len(self._announced) > limits.TOKENS_MAX:
            self._announced.popitem(last=False)

    def redeem(self, mud: str, token: int | None, now: float) -> bool:
        """Say whether a mud may come in, and use up what allows it.

        Args:
            mud: as it calls itself.
            token: None: it shows none.
            now: seconds.
        """
        if token is None:
            until = self._announced.pop(mud, None)
            return until is not None and now < until
        given, until = self._given.get(mud, (0, float("-inf")))
        is_right = hmac.compare_digest(str(given), str(token)) and now < until
        if is_right:
            del self._given[mud]
        return is_right
