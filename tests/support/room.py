"""The reference application of the protocol's vectors: one room, in which things are said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from holdfast.errors import ErrorCode, ResilienceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.session import Handshake, Hub, PresenceState, Session, Transaction


class Room:
    """``{"say": text}`` is published in ``room`` and answered with ``{"n": count}``."""

    name = "room"
    migrations: Sequence[str] = (
        "CREATE TABLE said (n INTEGER PRIMARY KEY, session TEXT NOT NULL, text TEXT NOT NULL);"
        "CREATE TABLE reply (n INTEGER REFERENCES said (n) DEFERRABLE INITIALLY DEFERRED)",
    )

    def __init__(self) -> None:
        self.said: list[str] = []
        self.presences: list[tuple[str, PresenceState]] = []
        self.loads = 0

    async def load(self, hub: Hub) -> None:
        self.loads += 1
        self.said = []
        if hub.has_store:
            rows = await hub.database.read(
                lambda connection: connection.execute("SELECT text FROM said ORDER BY n").fetchall()
            )
            self.said = [text for (text,) in rows]

    def open(self, tx: Transaction, session: Session, auth: bytes, handshake: Handshake) -> None:
        wish = msgspec.json.decode(auth)
        if isinstance(wish, dict) and wish.get("refuse"):
            raise ResilienceError("Not today.", code=ErrorCode.SESSION_REFUSED)
        session.principal = "somebody"
        tx.join(session, "room")

    def message(self, tx: Transaction, session: Session, body: bytes) -> object | None:
        wish = msgspec.json.decode(body)
        if "say" in wish:
            self.hear(tx, wish["say"], session.id)
            return {"n": len(self.said)}
        if "refuse" in wish:
            raise ResilienceError("I will not.", code=ErrorCode.RETRY_FAILED)
        if "fail" in wish:
            raise RuntimeError("a fault of the program")
        if "break at commit" in wish:
            tx.execute("INSERT INTO reply VALUES (999)")
        if "break" in wish:
            tx.execute("INSERT INTO no_such_table VALUES (1)")
        return None

    def hear(self, tx: Transaction, text: str, session_id: str = "") -> None:
        self.said.append(text)
        tx.execute("INSERT INTO said VALUES (?, ?, ?)", (len(self.said), session_id, text))
        tx.publish("room", {"say": text})

    def snapshot(self, session: Session, channel: str) -> object:
        return {"count": len(self.said)} if channel == "room" else {}

    def presence(self, tx: Transaction, session: Session, state: PresenceState) -> None:
        self.presences.append((session.id, state))
