"""What a program on the hub provides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.session.connection import Handshake
    from holdfast.session.hub import Hub
    from holdfast.session.record import PresenceState, Session
    from holdfast.session.transaction import Transaction


class Application(Protocol):
    """Decides who may open a session, what a message does and what a newcomer sees.

    The methods are called on the event loop, one at a time, and do not wait: state is kept in memory,
    and what must survive is written through the transaction. A handler decides before it changes anything:
    when it raises, what the transaction collected is dropped.
    """

    @property
    def name(self) -> str:
        """Names its migrations."""
        ...

    @property
    def migrations(self) -> Sequence[str]:
        """SQL scripts that build its tables, each run once, in order."""
        ...

    async def load(self, hub: Hub) -> None:
        """Read everything from the store: at the start, and again after a failed commit."""
        ...

    def open(self, tx: Transaction, session: Session, auth: bytes, handshake: Handshake) -> None:
        """Admit a new session: set its principal, put it into channels.

        Args:
            tx: the unit of work in which the session is opened.
            session: new, with an id.
            auth: JSON as the client sent it; hostile.
            handshake: cookies and headers of the request.

        Raises:
            ResilienceError: to refuse; the client is told its code and message.
        """
        ...

    def message(self, tx: Transaction, session: Session, body: bytes) -> object | None:
        """Handle one message, exactly once.

        Args:
            tx: the unit of work; the message is acknowledged when it is committed.
            session: of the sender.
            body: JSON as the client sent it; hostile.

        Returns:
            A reply for the sender, or None for none.

        Raises:
            ResilienceError: the reply is this error.
        """
        ...

    def snapshot(self, session: Session, channel: str) -> object:
        """Return the state of a channel as this session may see it; ``"@me"`` is its own."""
        ...

    def presence(self, tx: Transaction, session: Session, state: PresenceState) -> None:
        """Take note that a session came, went away, or is gone."""
        ...
