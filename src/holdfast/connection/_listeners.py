"""Who wants to know what a connection does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.connection.states import StateChange

log = logging.getLogger("holdfast.connection")

Listener = Callable[["StateChange"], object]


class Listeners:
    """Of one connection.

    Args:
        name: of the connection, for the log.

    Attributes:
        of_changes: called with each change and each attempt in vain.
        of_rtt: called with each round trip in seconds.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.of_changes: list[Listener] = []
        self.of_rtt: list[Callable[[float], object]] = []

    def tell(self, changes: list[StateChange]) -> None:
        """Tell of changes, and write them to the log."""
        for change in changes:
            log.info(
                "%s: %s -> %s (%s)",
                self._name,
                change.old,
                change.new,
                f"{change.reason}: {change.message}" if change.reason else change.address,
            )
            for listener in self.of_changes:
                try:
                    listener(change)
                except Exception:  # a listener's bug is not the connection's
                    log.exception("a listener of %s failed", self._name)
