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
from typing import TYPE_CHECKING, Final

from holdfast.apps.i3 import limits, packets
from holdfast.apps.i3.gateway import store
from holdfast.apps.i3.gateway._asking import EVERYBODY, Asking
from holdfast.apps.i3.gateway._channels import Channels
from holdfast.apps.i3.gateway._desk import Desk
from holdfast.apps.i3.gateway._figures import figures, links
from holdfast.apps.i3.gateway._files import Files
from holdfast.apps.i3.gateway._link import Link
from holdfast.apps.i3.gateway._mail import Letters
from holdfast.apps.i3.gateway._news import News
from holdfast.apps.i3.gateway._past import Past
from holdfast.apps.i3.gateway._post import LetterPost
from holdfast.apps.i3.gateway._queue import Queue
from holdfast.apps.i3.gateway._sender import Sender
from holdfast.apps.i3.gateway._visitors import Visitors
from holdfast.apps.i3.gateway._voice import TO_ALL, Voice
from holdfast.apps.i3.gateway.model import GatewayState
from holdfast.apps.i3.gateway.requests import Kind
from holdfast.apps.i3.gateway.text import checked_name, checked_user
from holdfast.health import Supervisor
from holdfast.world import RealWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from holdfast.apps.i3.gateway.events import Event
    from holdfast.apps.i3.gateway.model import Channel, Line, Mud, Player, Sent
    from holdfast.apps.i3.gateway.settings import GatewaySettings, RouterAddress
    from holdfast.apps.i3.packets import FileRow
    from holdfast.resilience import CircuitBreakerManager
    from holdfast.storage import Database
    from holdfast.world import World

MARKS_KEPT: Final = 7 * 86_400.0
"""Seconds that is remembered of a queued message that it was about to be handed over, past its longest life."""


class Gateway:
    """A mud's place on the network; use it as an async context manager.

    Args:
        database: with ``MIGRATIONS`` of this package; keeps password, lists, channels, history, letters, posts, and
            what waits.
        settings: how it appears and where the routers are.
        world: chance, ids, wall time, secrets.
        on_given_up: called with name and error when a task without which it is deaf keeps dying; the program should
            end then.

    Attributes:
        settings: as given.
        mail: letters of users here and for them.
        news: groups of posts, here and on other muds.

    Raises:
        StorageError: 8xxx; what was kept cannot be read.
        NetworkError: 1002; the address for other muds is taken.
        I3Error: 11040; the public folder is not there.
    """

    def __init__(
        self,
        database: Database,
        settings: GatewaySettings,
        *,
        world: World | None = None,
        on_given_up: Callable[[str, BaseException], object] | None = None,
    ) -> None:
        self._database = database
        self.settings = settings
        self._world: World = RealWorld() if world is None else world
        self._callbacks: list[Callable[[Event], object]] = []
        self._supervisor = Supervisor(on_given_up=on_given_up, world=self._world)
        self._build(store.Kept())

    def _build(self, kept: store.Kept) -> None:
        """Put the parts together around what was kept."""
        self._desk = desk = Desk(self.settings, self._database, self._world, kept)
        desk.callbacks = self._callbacks
        if self._callbacks:
            desk.is_heard.set()
        self._link = Link(desk)
        self._sender = Sender(desk, self._link.connection)
        self._queue = Queue(desk, self._sender)
        self._link.sender, self._link.queue = self._sender, self._queue
        desk.sender, desk.link, desk.waits_again = self._sender, self._link, self._queue.again
        desk.settles = self._queue.settled
        self._voice = Voice(desk, self._sender, self._queue)
        self._subscriptions = Channels(desk, self._sender)
        self._asking = Asking(desk, self._sender)
        past = Past(desk, self._sender, self._asking)
        self._files = Files(desk, past)
        self._post = self._queue.letters = LetterPost(desk, self._queue.outbox, past)
        self.mail = Letters(desk, self._post)
        self.news = News(desk, past, self._voice)
        self._visitors = Visitors(desk, self.mail, self.news)

    async def __aenter__(self) -> Self:
        name, wall = self.name, self._world.wall_now()
        forget_before_ms = int((wall - self.settings.ttl - MARKS_KEPT) * 1000)
        kept = await self._database.write(lambda c: store.begin(c, name, forget_before_ms))
        self._build(kept)
        self._link.oob_services = self._visitors.services
        self._link.oob_port = await self._visitors.start()
        await self._post.start()
        await self._queue.start()
        self._link.connection.start()
        self._supervisor.start(f"i3 {name} reads", self._link.read)
        self._supervisor.start(f"i3 {name} reports", self._queue.report)
        self._supervisor.start(f"i3 {name} reports letters", self._post.report)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take leave of the router, and end all tasks; what waits is kept for the next start."""
        await self._asking.stop()
        await self._visitors.stop()
        await self._link.stop()
        self._desk.disarm()
        await self._supervisor.__aexit__(kind, error, trace)
        await self._post.stop()
        await self._queue.stop()
        await self._desk.keeper.close()

    # --- what is known ----------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Of the mud."""
        return self.settings.mud_name

    @property
    def state(self) -> GatewayState:
        """Where it stands towards its routers."""
        return self._desk.machine.state

    @property
    def is_ready(self) -> bool:
        """Whether a router has answered the startup, and its connection has not been found dead since."""
        return self.state is GatewayState.READY

    @property
    def router(self) -> RouterAddress | None:
        """The one it is on; None while there is none."""
        return self._desk.routers.current if self.is_ready else None

    @property
    def heard_at(self) -> float | None:
        """When the router was heard last, in seconds on the loop's clock; None while there is none."""
        return self._desk.machine.probe.heard_at if self.is_ready else None

    @property
    def muds(self) -> Mapping[str, Mud]:
        """The router's list, by exact name; kept over restarts."""
        return MappingProxyType(self._desk.machine.muds.muds)

    @property
    def channels(self) -> Mapping[str, Channel]:
        """The router's list of channels, by exact name; kept over restarts."""
        return MappingProxyType(self._desk.machine.channels.channels)

    @property
    def subscriptions(self) -> Mapping[str, bool]:
        """The channels that are listened to; the value says whether only that (``listen_only``)."""
        return MappingProxyType(self._desk.machine.listens)

    @property
    def players(self) -> Mapping[str, Player]:
        """Who is here by the mud's last word, by lower-case name; empty when it is older than ``presence_ttl``."""
        return MappingProxyType(self._desk.machine.presence.players(self._desk.now()))

    @property
    def breakers(self) -> CircuitBreakerManager:
        """A breaker for each mud that was asked something."""
        return self._asking.breakers

    def find_mud(self, name: str) -> Mud | None:
        """Look up a mud as people write it: case does not matter, and a dot may stand for a blank."""
        return self._desk.machine.muds.find(name)

    def links(self) -> list[tuple[str, str, str]]:
        """Return each router that is known: its name, its address, and how things stand with it, for a person."""
        return links(self._desk, self._link, self.router)

    def statistics(self) -> dict[str, object]:
        """Return figures.

        Returns:
            ``state``, ``router`` (name or None), ``uptime`` (of the router's connection, seconds or None),
            ``mud_count``, ``online_muds``, ``channel_count``, ``subscriptions``, ``mudlist_id``, ``chanlist_id``,
            ``packets_sent``, ``packets_received``, ``bad_packets``, ``bytes_in``, ``bytes_out``, ``reconnects``,
            ``paced`` (packets that wait for their turn), ``queued`` (messages that wait for a router),
            ``unconfirmed``, ``requests`` (open questions), ``expired``, ``fate_unknown``, ``refused``, ``dropped``
            (counts since the start; the last are answers to others for which there was no room),
            ``probe_seconds`` (the last probe's round trip or None), ``returns_probes`` (or None); ``letters_waiting``,
            ``letters_delivered``, ``letters_expired``, ``letters_received``, ``posts`` (the last four since the start).
        """
        return figures(self._desk, self._sender, self._queue, self._link, self.mail, self.news)

    def on_event(self, callback: Callable[[Event], object]) -> Callable[[Event], object]:
        """Call back with each event, in order and at once; usable as a decorator."""
        self._callbacks.append(callback)
        self._desk.is_heard.set()
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
        return await self._voice.tell(target_mud, target_user, text, from_user, visname)

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
        return await self._voice.emoteto(target_mud, target_user, text, from_user, visname)

    async def beep(
        self, target_mud: str, target_user: str, *, from_user: str = "", visname: str = ""
    ) -> Sent:
        """Ask for the attention of a player on another mud; as ``tell``."""
        return await self._voice.beep(target_mud, target_user, from_user, visname)

    # --- channels ---------------------------------------------------------------------------

    async def channel_send(
        self, channel: str, text: str, *, from_user: str = "", visname: str = ""
    ) -> Sent:
        """Say something on a channel that is listened to; as ``tell``.

        Raises:
            I3Error: 11032 NOT_SUBSCRIBED; join it first, and not as a listener only. And as ``tell``.
        """
        return await self._voice.channel_send(channel, text, from_user, visname)

    async def channel_emote(
        self, channel: str, text: str, *, from_user: str = "", visname: str = ""
    ) -> Sent:
        """Do something on a channel; ``$N`` in the text is who does it, and is put first where it is missing."""
        return await self._voice.channel_emote(channel, text, from_user, visname)

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
        texts = (text, target_text)
        return await self._voice.channel_emote_to(
            channel, target_mud, target_user, texts, from_user, visname
        )

    async def channel_join(self, channel: str, *, listen_only: bool = False) -> None:
        """Listen to a channel, now and after each restart; harmless when it is listened to.

        Raises:
            I3Error: 11030 CHANNEL_UNKNOWN (the router's list came and has none such), 11033 CHANNELS_FULL.
            StorageError: 8xxx; nothing was changed.
        """
        await self._subscriptions.join(channel, listen_only=listen_only)

    async def channel_leave(self, channel: str) -> None:
        """Listen no more; harmless when it is not listened to."""
        await self._subscriptions.leave(channel)

    async def channel_who(self, channel: str, mud: str = "") -> list[str]:
        """Return who is on a channel, as shown.

        Args:
            channel: its name.
            mud: asks this mud and waits for its answer; otherwise those who were heard here lately,
                as ``user@mud``.

        Raises:
            I3Error: 11015 NO_REPLY; the mud did not answer. And as ``who``.
        """
        if not mud:
            members = self._desk.machine.members.of(channel)
            return [f"{each.visname or each.user}@{each.mud}" for each in members]
        target = self._voice.mud(mud, "channel").name
        packet = packets.ChanWhoReq(from_mud=self.name, to_mud=target, channel=channel)
        found = await self._asking.answer(Kind.CHANNEL_WHO, target, channel, packet)
        assert isinstance(found, list), "it is a list of names"
        return found

    async def channel_add(self, channel: str, kind: int = 0) -> None:
        """Make a channel and host it; a refusal is an ``ErrorOccurred``.

        Raises:
            I3Error: 11010 ROUTER_AWAY with ``retry_after``, 11011 QUEUE_FULL, 11004 NAME_INVALID.
        """
        await self._subscriptions.add(channel, kind)

    async def channel_remove(self, channel: str) -> None:
        """Delete a channel that this mud hosts; as ``channel_add``."""
        await self._subscriptions.remove(channel)

    async def channel_admit(
        self, channel: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> None:
        """Invite muds to a channel of type 1 or 2 that this mud hosts, or take it back; as ``channel_add``."""
        muds = list(add), list(remove)
        await self._subscriptions.change(channel, *muds)

    async def channel_ban(
        self, channel: str, *, add: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> None:
        """Ban muds from an open channel that this mud hosts, or take it back; as ``channel_add``."""
        muds = list(add), list(remove)
        await self._subscriptions.change(channel, *muds)

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
        most = max(1, min(limit, limits.HISTORY_PAGE_MAX))
        await self._desk.keeper.flushed()
        return await self._database.read(
            lambda c: store.lines(c, channel, most, before=before, after=after)
        )

    # --- questions --------------------------------------------------------------------------

    async def who(self, target_mud: str, *, from_user: str = "") -> str:
        """Ask who is on another mud, and return its exact name; the answer is a ``WhoReply``.

        If none comes within ``request_timeout`` it is an ``ErrorOccurred`` with ``no-answer``.

        Raises:
            I3Error: 11020 MUD_UNKNOWN, 11021 MUD_DOWN, 11022 SERVICE_MISSING, 11010 ROUTER_AWAY and 11011 QUEUE_FULL
                with ``retry_after``.
            CircuitBreakerOpenError: 3001; that mud has not answered for a while.
        """
        by, target = checked_user(from_user), self._voice.mud(target_mud, "who").name
        packet = packets.WhoReq(from_mud=self.name, from_user=by, to_mud=target)
        await self._asking.ask(Kind.WHO, target, by, packet)
        return target

    async def finger(self, target_mud: str, target_user: str, *, from_user: str = "") -> str:
        """Ask a mud about a player; the answer is a ``FingerReply``. As ``who``."""
        by, target = checked_user(from_user), self._voice.mud(target_mud, "finger").name
        packet = packets.FingerReq(
            from_mud=self.name,
            from_user=by,
            to_mud=target,
            user=checked_name(target_user, "user").lower(),
        )
        await self._asking.ask(Kind.FINGER, target, by, packet)
        return target

    async def locate(self, target_user: str, *, from_user: str = "") -> None:
        """Ask all muds for a player; each that has one answers with a ``LocateReply``.

        Raises:
            I3Error: 11010 ROUTER_AWAY and 11011 QUEUE_FULL with ``retry_after``, 11004 NAME_INVALID.
        """
        by = checked_user(from_user)
        packet = packets.LocateReq(
            from_mud=self.name,
            from_user=by,
            to_mud=TO_ALL,
            user=checked_name(target_user, "user").lower(),
        )
        await self._asking.ask(Kind.LOCATE, EVERYBODY, by, packet)

    def presence(self, players: Iterable[Player]) -> int:
        """Say who is here, all of them; return how many.

        Current for ``presence_ttl`` seconds: who, finger and locate of others are answered from it, and tells to
        others than these are refused.

        Raises:
            I3Error: 11004 NAME_INVALID; a name is empty or not unique, or there are too many.
        """
        return self._desk.machine.presence.told(players, self._desk.now())

    # --- files ------------------------------------------------------------------------------

    async def file_list(
        self, target_mud: str, directory: str = "", *, from_user: str = ""
    ) -> tuple[FileRow, ...]:
        """Return what is in a public folder of another mud.

        Raises:
            I3Error: 11040 FILE_REFUSED, 11041 OOB_FAILED (it could not be reached past the router, or did not
                answer), 11020 MUD_UNKNOWN, 11021 MUD_DOWN, 11022 SERVICE_MISSING, 11010 ROUTER_AWAY, 11015 NO_REPLY.
            CircuitBreakerOpenError: 3001; that mud has not answered for a while.
        """
        mud = self._voice.mud(target_mud, "file")
        return await self._files.list(mud, directory, checked_user(from_user))

    async def file_get(self, target_mud: str, name: str, *, from_user: str = "") -> str:
        """Return what is in a public file of another mud; as ``file_list``."""
        mud = self._voice.mud(target_mud, "file")
        return await self._files.get(mud, name, checked_user(from_user))

    async def file_put(
        self, target_mud: str, name: str, contents: str, *, from_user: str = ""
    ) -> None:
        """Put a file into the public folder of another mud; as ``file_list``."""
        mud = self._voice.mud(target_mud, "file")
        await self._files.put(mud, name, contents, checked_user(from_user))

    # --- the connection ---------------------------------------------------------------------

    def reconnect(self) -> None:
        """Leave the router and come back; returns at once."""
        self._link.renew()
