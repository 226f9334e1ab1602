"""A mud's place on an Intermud-3 network, kept while routers come and go.

::

    settings = GatewaySettings(mud_name="Harbour", routers=(RouterAddress("*hub", "192.0.2.1", 8080),))
    async with Database(path, MIGRATIONS) as database, Gateway(database, settings) as gateway:
        gateway.on_event(print)
        sent = await gateway.tell("Old Keep", "bo", "hello", from_user="ann")

What *sent* promises: the protocol has no acknowledgements. A message is accepted when a router that is ready was
handed it, or, while none is, when it is stored; then it waits until one is, at most ``ttl``. If the connection breaks
before the router is known to have read a message, its sender is told by an ``ErrorOccurred`` with its id, and it is
not sent again: it may have arrived. So what was accepted has been handed on, or its sender hears of it; and nothing
is sent twice.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway.model import GatewayState
from holdfast.resilience import CircuitBreakerManager
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from holdfast.apps.i3.gateway.events import Event
    from holdfast.apps.i3.gateway.model import Channel, Line, Mud, Player, Sent
    from holdfast.apps.i3.gateway.settings import GatewaySettings, RouterAddress
    from holdfast.storage import Database
    from holdfast.world import World

Callback = "Callable[[Event], object]"


class Gateway:
    """A mud's place on the network; use it as an async context manager.

    Args:
        database: with ``MIGRATIONS`` of this package; keeps password, lists, channels, history, and what waits.
        settings: how it appears and where the routers are.
        world: chance, ids, wall time, secrets.

    Raises:
        StorageError: 8xxx; what was kept cannot be read.
    """

    def __init__(
        self, database: Database, settings: GatewaySettings, *, world: World | None = None
    ) -> None:
        self._database = database
        self.settings = settings
        self._world: World = RealWorld() if world is None else world
        self._callbacks: list[Callable[[Event], object]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take leave of the router, and end all tasks; what waits is kept for the next start."""

    # --- what is known ----------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Of the mud."""
        return self.settings.mud_name

    @property
    def state(self) -> GatewayState:
        """Where it stands towards its routers."""
        return GatewayState.CONNECTING

    @property
    def is_ready(self) -> bool:
        """Whether a router has answered the startup, and its connection has not been found dead since."""
        return self.state is GatewayState.READY

    @property
    def router(self) -> RouterAddress | None:
        """The one it is on; None while there is none."""
        return None

    @property
    def heard_at(self) -> float | None:
        """When the router was heard last, in seconds on the loop's clock; None while there is none."""
        return None

    @property
    def muds(self) -> Mapping[str, Mud]:
        """The router's list, by exact name; kept over restarts."""
        return MappingProxyType({})

    @property
    def channels(self) -> Mapping[str, Channel]:
        """The router's list of channels, by exact name; kept over restarts."""
        return MappingProxyType({})

    @property
    def subscriptions(self) -> Mapping[str, bool]:
        """The channels that are listened to; the value says whether only that (``listen_only``)."""
        return MappingProxyType({})

    @property
    def players(self) -> Mapping[str, Player]:
        """Who is here by the mud's last word, by lower-case name; empty when it is older than ``presence_ttl``."""
        return MappingProxyType({})

    @property
    def breakers(self) -> CircuitBreakerManager:
        """A breaker for each mud that was asked something."""
        return CircuitBreakerManager()

    def find_mud(self, name: str) -> Mud | None:
        """Look up a mud as people write it: case does not matter, and a dot may stand for a blank."""

    def statistics(self) -> dict[str, object]:
        """Return figures.

        Returns:
            ``state``, ``router`` (name or None), ``uptime`` (of the router's connection, seconds or None),
            ``mud_count``, ``online_muds``, ``channel_count``, ``subscriptions``, ``mudlist_id``, ``chanlist_id``,
            ``packets_sent``, ``packets_received``, ``bad_packets``, ``bytes_in``, ``bytes_out``, ``reconnects``,
            ``paced`` (packets that wait for their turn), ``queued`` (messages that wait for a router),
            ``unconfirmed``, ``requests`` (open questions), ``expired``, ``fate_unknown``, ``refused`` (counts since
            the start), ``probe_seconds`` (the last probe's round trip or None), ``returns_probes`` (or None).
        """
        return {}

    def on_event(self, callback: Callable[[Event], object]) -> Callable[[Event], object]:
        """Call back with each event, in order and at once; usable as a decorator."""
        self._callbacks.append(callback)
        return callback

    # --- to somebody ------------------------------------------------------------------------

    async def tell(
        self,
        target_mud: str,
        target_user: str,
        text: str,
        *,
        from_user: str = "",
        visname: str = "",
    ) -> Sent:
        """Tell a player on another mud something.

        Args:
            target_mud: as people write it.
            target_user: in any case.
            text: at most ``limits.TEXT_BYTES_MAX`` bytes.
            from_user: who speaks; empty for the mud itself.
            visname: how that is shown; ``from_user`` when empty.

        Returns:
            When a router was handed it, or when it is stored; see the top of this module.

        Raises:
            I3Error: 11020 MUD_UNKNOWN, 11021 MUD_DOWN, 11022 SERVICE_MISSING, 11004 NAME_INVALID,
                11005 TEXT_INVALID, 11011 QUEUE_FULL with ``retry_after``; nothing was accepted.
            StorageError: 8xxx; no router is ready, and it could not be stored.

        Cancelled: it is accepted or not; which, is not known.
        """
        raise self._away(target_mud, target_user, text, from_user, visname)

    async def emoteto(
        self,
        target_mud: str,
        target_user: str,
        text: str,
        *,
        from_user: str = "",
        visname: str = "",
    ) -> Sent:
        """Do something towards a player on another mud, ``$N`` in the text is who does it; as ``tell``."""
        raise self._away(target_mud, target_user, text, from_user, visname)

    async def beep(
        self, target_mud: str, target_user: str, *, from_user: str = "", visname: str = ""
    ) -> Sent:
        """Ask for the attention of a player on another mud; as ``tell``."""
        raise self._away(target_mud, target_user, from_user, visname)

    # --- channels ---------------------------------------------------------------------------

    async def channel_send(
        self, channel: str, text: str, *, from_user: str = "", visname: str = ""
    ) -> Sent:
        """Say something on a channel that is listened to; as ``tell``.

        Raises:
            I3Error: 11032 NOT_SUBSCRIBED; join it first, and not as a listener only. And as ``tell``.
        """
        raise self._away(channel, text, from_user, visname)

    async def channel_emote(
        self, channel: str, text: str, *, from_user: str = "", visname: str = ""
    ) -> Sent:
        """Do something on a channel; ``$N`` in the text is who does it, and is put first where it is missing."""
        raise self._away(channel, text, from_user, visname)

    async def channel_emote_to(
        self,
        channel: str,
        target_mud: str,
        target_user: str,
        text: str,
        *,
        target_text: str = "",
        from_user: str = "",
        visname: str = "",
    ) -> Sent:
        """Do something on a channel towards somebody: ``$O`` in the texts; ``target_text`` is what that one reads."""
        raise self._away(channel, target_mud, target_user, text, target_text, from_user, visname)

    async def channel_join(self, channel: str, *, listen_only: bool = False) -> None:
        """Listen to a channel, now and after each restart; harmless when it is listened to.

        Raises:
            I3Error: 11030 CHANNEL_UNKNOWN (the router's list came and has none such), 11033 CHANNELS_FULL.
            StorageError: 8xxx; nothing was changed.
        """
        raise self._away(channel, listen_only)

    async def channel_leave(self, channel: str) -> None:
        """Listen no more; harmless when it is not listened to."""
        raise self._away(channel)

    async def channel_who(self, channel: str, mud: str = "") -> list[str]:
        """Return who is on a channel, as shown.

        Args:
            channel: its name.
            mud: asks this mud and waits for its answer; otherwise those who were heard here lately,
                as ``user@mud``.

        Raises:
            I3Error: 11015 NO_REPLY; the mud did not answer. And as ``who``.
        """
        raise self._away(channel, mud)

    async def channel_add(self, channel: str, kind: int = 0) -> None:
        """Make a channel and host it; a refusal is an ``ErrorOccurred``.

        Raises:
            I3Error: 11010 ROUTER_AWAY with ``retry_after``, 11011 QUEUE_FULL, 11004 NAME_INVALID.
        """
        raise self._away(channel, kind)

    async def channel_remove(self, channel: str) -> None:
        """Delete a channel that this mud hosts; as ``channel_add``."""
        raise self._away(channel)

    async def channel_admit(
        self, channel: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> None:
        """Invite muds to a channel of type 1 or 2 that this mud hosts, or take it back; as ``channel_add``."""
        raise self._away(channel, add, remove)

    async def channel_ban(
        self, channel: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> None:
        """Ban muds from an open channel that this mud hosts, or take it back; as ``channel_add``."""
        raise self._away(channel, add, remove)

    async def history(
        self, channel: str, limit: int = 50, before: int | None = None, after: int | None = None
    ) -> list[Line]:
        """Return lines of a channel, oldest first.

        Args:
            channel: its name.
            limit: of them, at most 100: the last ones, or with ``after`` the first ones.
            before: the id of a line; older ones only.
            after: the id of a line; newer ones only.

        Raises:
            StorageError: 8xxx.
        """
        raise self._away(channel, limit, before, after)

    # --- questions --------------------------------------------------------------------------

    async def who(self, target_mud: str, *, from_user: str = "") -> str:
        """Ask who is on another mud, and return its exact name; the answer is a ``WhoReply``.

        If none comes within ``request_timeout`` it is an ``ErrorOccurred`` with ``no-answer``.

        Raises:
            I3Error: 11020 MUD_UNKNOWN, 11021 MUD_DOWN, 11022 SERVICE_MISSING, 11010 ROUTER_AWAY and 11011 QUEUE_FULL
                with ``retry_after``.
            CircuitBreakerOpenError: 3001; that mud has not answered for a while.
        """
        raise self._away(target_mud, from_user)

    async def finger(self, target_mud: str, target_user: str, *, from_user: str = "") -> str:
        """Ask a mud about a player; the answer is a ``FingerReply``. As ``who``."""
        raise self._away(target_mud, target_user, from_user)

    async def locate(self, target_user: str, *, from_user: str = "") -> None:
        """Ask all muds for a player; each that has one answers with a ``LocateReply``.

        Raises:
            I3Error: 11010 ROUTER_AWAY and 11011 QUEUE_FULL with ``retry_after``, 11004 NAME_INVALID.
        """
        raise self._away(target_user, from_user)

    def presence(self, players: Iterable[Player]) -> int:
        """Say who is here, all of them; return how many.

        Current for ``presence_ttl`` seconds: who, finger and locate of others are answered from it, and tells to
        others than these are refused.

        Raises:
            I3Error: 11004 NAME_INVALID; a name is empty or not unique, or there are too many.
        """
        raise self._away(players)

    # --- the connection ---------------------------------------------------------------------

    def reconnect(self) -> None:
        """Leave the router and come back; returns at once."""
        raise self._away()

    def _away(self, *_: object) -> I3Error:
        return I3Error(
            I3Code.ROUTER_AWAY,
            f"{self.name} is not connected to a router; try again in a moment.",
            retry_after=self.settings.retry_delay,
        )
