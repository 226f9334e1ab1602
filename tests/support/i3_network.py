"""Intermud-3 on 127.0.0.1: a router whose every misbehaviour can be chosen, and gateways that note what they hear."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.apps.i3 import packets
from holdfast.apps.i3.gateway import MIGRATIONS, Gateway, GatewaySettings, RouterAddress, events
from holdfast.apps.i3.mudmode import Mudmode, packet
from holdfast.apps.i3.mudmode import packets as packets_of
from holdfast.storage import Database, Durability

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from holdfast.apps.i3.gateway import Event
    from holdfast.apps.i3.lpc import Key, Value

P = TypeVar("P", bound=packets.Packet)
E = TypeVar("E", bound="Event")

PASSWORD = 172_556_104
QUICK: dict[str, Any] = {
    "retry_delay": 0.05,
    "retry_delay_max": 0.2,
    "attempt_interval": 0.02,
    "pace_rate": None,
    "request_timeout": 1.0,
}
"""Settings of a gateway that does not make a test wait."""


class WireRouter:
    """A router that knows one mud, its own list of manners, and notes all that it was sent.

    ``manner`` decides what a startup meets: ``reply``, ``mute``, ``refuse``, ``close``, or ``reset``.
    """

    def __init__(self, name: str = "*hub", manner: str = "reply") -> None:
        self.name = name
        self.manner = manner
        self.password = PASSWORD
        self.rows: list[list[str]] | None = None
        self.returns_probes = True
        self.is_deaf = False
        self.port = 0
        self.accepted = 0
        self.open = 0
        self.most_open = 0
        self.heard: list[list[packets.Packet]] = []
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> RouterAddress:
        return RouterAddress(self.name, "127.0.0.1", self.port)

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.die()

    async def listen(self) -> None:
        """Be there, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        """Be gone: nobody listens, and every connection is reset."""
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def fin(self) -> None:
        """Close every connection in the orderly way."""
        for writer in self._writers:
            writer.close()

    def reset(self) -> None:
        """End every connection without a word."""
        for writer in self._writers:
            writer.transport.abort()

    def say(self, said: packets.Packet) -> None:
        """Send something on the newest connection."""
        self.say_value(packets.write(said))

    def say_value(self, value: list[object] | dict[Key, Value]) -> None:
        """As ``say``, whatever it is."""
        self._writers[-1].write(Mudmode(2**20).encode(packet(value)))

    def got(self, kind: type[P]) -> list[P]:
        """Return all packets of a kind that came, over all connections."""
        return [each for of_one in self.heard for each in of_one if isinstance(each, kind)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        self._tasks.add(task)
        self._writers.append(writer)
        self.accepted += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        mine: list[packets.Packet] = []
        self.heard.append(mine)
        framing = Mudmode(2**21)
        try:
            while data := await reader.read(65_536):
                if self.is_deaf:
                    continue
                for frame in framing.feed(data):
                    assert isinstance(frame, bytes), "there is no control in this framing"
                    for value in packets_of(frame).values:
                        read = packets.read(value)
                        mine.append(read)
                        self._answer(read, writer)
        except OSError:
            pass  # the connection broke, as the test wanted
        finally:
            self.open -= 1
            self._writers.remove(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    def _answer(self, read: packets.Packet, writer: asyncio.StreamWriter) -> None:
        if isinstance(read, packets.StartupReq3):
            if self.manner == "reply":
                self.let_in()
            elif self.manner == "refuse":
                self.say(
                    packets.ErrorPacket(
                        from_mud=self.name,
                        to_mud=read.from_mud,
                        code="not-allowed",
                        message="wrong password",
                        packet=None,
                    )
                )
            elif self.manner == "close":
                writer.close()
            elif self.manner == "reset":
                writer.transport.abort()
        elif isinstance(read, packets.AuthMudReq) and self.returns_probes:
            self.say(read)

    def let_in(self) -> None:
        """Answer the startup, and name two muds and a channel."""
        rows = self.rows or [[self.name, f"127.0.0.1 {self.port}"]]
        self.say_value(["startup-reply", 5, self.name, 0, "Harbour", 0, rows, self.password])
        services = {"tell": 1, "who": 1, "channel": 1, "finger": 1}
        row = [
            -1,
            "192.0.2.1",
            4000,
            0,
            0,
            "Lib",
            "Base",
            "Driver",
            "LP",
            "open for public",
            "",
            services,
            0,
        ]
        muds = {"Old Keep": row, "Harbour": row}
        self.say_value(["mudlist", 5, self.name, 0, "Harbour", 0, 41, muds])
        self.say_value(
            ["chanlist-reply", 5, self.name, 0, "Harbour", 0, 9, {"ale": ["Old Keep", 0]}]
        )


class Heard:
    """The events of a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.all: list[Event] = []
        self._came = asyncio.Event()
        gateway.on_event(self._on_event)

    def _on_event(self, event: Event) -> None:
        self.all.append(event)
        self._came.set()

    def of(self, kind: type[E]) -> list[E]:
        """Return all events of a kind."""
        return [each for each in self.all if isinstance(each, kind)]

    async def next(self, kind: type[E], count: int = 1) -> E:
        """Wait for so many events of a kind; return the last of them."""
        async with asyncio.timeout(20):
            while len(self.of(kind)) < count:
                self._came.clear()
                await self._came.wait()
        return self.of(kind)[count - 1]


@asynccontextmanager
async def gateway_on(
    folder: Path, *routers: RouterAddress, name: str = "Harbour", **more: Any
) -> AsyncIterator[tuple[Gateway, Heard]]:
    """A gateway with its file in a folder."""
    settings = GatewaySettings(mud_name=name, routers=routers, **{**QUICK, **more})
    async with Database(
        folder / name / "gateway.db", MIGRATIONS, durability=Durability.PROCESS_DEATH
    ) as database:
        gateway = Gateway(database, settings)
        heard = Heard(gateway)
        async with gateway:
            yield gateway, heard


async def until(condition: Callable[[], object], what: str, within: float = 20.0) -> None:
    """Wait for something that must come, and say what it was if it does not."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while not condition():
        assert loop.time() < deadline, what
        await asyncio.sleep(0.005)


MINE = ("holdfast-connection", "i3 ", "holdfast-i3", "holdfast-outbox")


def tasks_of_gateways() -> list[str]:
    return [name for task in asyncio.all_tasks() if (name := task.get_name()).startswith(MINE)]


async def ready(gateway: Gateway) -> None:
    await until(lambda: gateway.is_ready, "a router lets the gateway in")


async def listed(gateway: Gateway) -> None:
    await until(lambda: gateway.is_ready and "Old Keep" in gateway.muds, "it has the router's list")


def each_connection_started_once(router: WireRouter) -> None:
    """On every connection at most one startup, before all else, and no channel is listened to twice."""
    for heard in router.heard:
        startups = [each for each in heard if isinstance(each, packets.StartupReq3)]
        listens = [each.channel for each in heard if isinstance(each, packets.ChannelListen)]
        assert len(startups) <= 1, "a startup came twice"
        assert not heard or heard[0] in startups, "something came before the startup"
        assert len(listens) == len(set(listens)), "a channel was subscribed to twice"


async def after_trouble(
    router: WireRouter, gateway: Gateway, heard: Heard, more: WireRouter | None = None
) -> None:
    """All works as before, once each: ready, one connection, one startup each, no event twice, no task more."""
    await ready(gateway)
    now_on = more or router
    await until(lambda: now_on.open == 1, "there is one connection")
    for number in (1, 2):
        now_on.say(
            packets.Tell(
                from_mud="Old Keep", from_user="bo", to_mud="Harbour", to_user="ann",
                visname="Bo", text=f"{number} still here",
            )
        )  # fmt: skip
    await until(lambda: heard.of(events.TellReceived)[1:], "tells arrive")
    each_connection_started_once(now_on)
    last = [each for each in now_on.heard if each][-1]
    assert [each.channel for each in last if isinstance(each, packets.ChannelListen)] == ["ale"]
    texts = [each.message for each in heard.of(events.TellReceived)]
    assert texts == ["1 still here", "2 still here"]
    connecting = [name for name in tasks_of_gateways() if name.startswith("holdfast-connection")]
    assert len(connecting) <= 1, connecting
