"""What agents need of the way to other nodes: very little, and nothing that it promises is relied upon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Transport(Protocol):
    """Brings frames to peers; it may lose them, double them and change their order.

    Who a frame is from must be true: what a peer may do depends on its name.
    """

    def peers(self) -> Sequence[str]:
        """Return the names of all peers that are known."""
        ...

    async def send(self, peer: str, data: bytes, *, within: float) -> None:
        """Take a frame for a peer.

        Args:
            peer: its name.
            data: up to ``limits.FRAME_BYTES_MAX`` bytes.
            within: seconds after which it is of no use.

        Raises:
            AgentError: PEER_UNKNOWN.
            NetworkError: there is no way to the peer now; trying again may help.
            ResilienceError: it was not taken.
        """
        ...

    def on_message(self, callback: Callable[[str, bytes], object]) -> Callable[[], None]:
        """Call back with peer and frame; returns how to end that."""
        ...
