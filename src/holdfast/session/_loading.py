"""How a hub reads everything back: at the start, and after a commit failed."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from holdfast import limits
from holdfast.errors import ErrorCode, StorageError
from holdfast.resilience import exponential, jittered
from holdfast.session import store
from holdfast.session.channel import Channel
from holdfast.session.record import PresenceState

if TYPE_CHECKING:
    import sqlite3

    from holdfast.session.hub import Hub

log = logging.getLogger("holdfast.session")

RELOAD_DELAY_MAX: Final = 5.0
"""Seconds between two attempts to use a store that has failed."""


async def restore(hub: Hub) -> None:
    """Read sessions, channels and the application's state; nobody is connected yet."""
    hub.sessions.clear()
    hub.channels.clear()
    if hub.has_store:
        stored = await hub.database.read(store.load)
        for found in stored.channels.values():
            if not found.name.startswith("@"):
                hub.channels[found.name] = Channel(
                    found.name,
                    found.epoch,
                    offset=found.events[-1][0] if found.events else 0,
                    events=found.events,
                    events_max=hub.settings.channel_events_max,
                )
        for session, names, was_connected in stored.sessions:
            own = stored.channels[f"@{session.id}"]
            session.own = Channel(
                session.own.name,
                own.epoch,
                offset=own.events[-1][0] if own.events else 0,
                events=own.events,
                events_max=limits.PERSONAL_EVENTS_MAX,
            )
            for name in names:
                session.channels[name] = None
                hub.channels[name].members.add(session.id)
            hub.sessions[session.id] = session
            _expect(hub, was_connected=was_connected, session_id=session.id)
    await hub.app.load(hub)


def _expect(hub: Hub, *, was_connected: bool, session_id: str) -> None:
    """Give one who was here until the end the whole grace to come back."""
    session = hub.sessions[session_id]
    recently = hub.now_ms() - round(1000 * hub.settings.grace)
    if was_connected or session.last_heard_ms > recently:
        session.presence = PresenceState.TEMPORARILY_DISCONNECTED
        hub.heartbeat.expect(session)


async def reload_for_ever(hub: Hub) -> None:
    """Wait until the store takes writes again, then read everything anew."""
    for delay in exponential(initial=0.1, maximum=RELOAD_DELAY_MAX):
        try:
            await hub.database.write(_probe)
            await restore(hub)
        except StorageError as error:
            log.warning("the store still fails: %s", error)
            if error.code is ErrorCode.STORAGE_CLOSED:
                return
            await asyncio.sleep(jittered(delay, hub.world.random))
            continue
        hub.heartbeat.start(hub.now())
        hub.is_ready = True
        log.warning("the store works again, clients may come back")
        return


def _probe(connection: sqlite3.Connection) -> None:
    """Write and remove a row, which fails while the disk is full."""
    connection.execute(
        "INSERT INTO migration VALUES ('probe', 0) ON CONFLICT (name) DO UPDATE SET version = 0"
    )
    connection.execute("DELETE FROM migration WHERE name = 'probe'")
