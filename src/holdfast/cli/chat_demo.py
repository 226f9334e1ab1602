"""``holdfast chat demo``: three gateways and two people on one machine, who know each other already."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdfast.apps.chat.app_window import open_app_window
from holdfast.apps.chat.demo import DemoGateways, demo_routes
from holdfast.apps.chat.profile import OpenNode, Profile, open_node
from holdfast.apps.chat.window import Window, open_port, when_asked
from holdfast.errors import ResilienceError
from holdfast.node import ContactState, Mode
from holdfast.ops import ShutdownManager
from holdfast.server import loop_factory
from holdfast.world import RealWorld

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from holdfast.node import Node
    from holdfast.world import World

PEOPLE: Final = ("Ada", "Bob")
MEET_WITHIN: Final = 30.0
"""Seconds in which the two have heard of each other; it takes about one."""


def run(data: Path | None, mode: str, *, with_window: bool) -> None:
    """Run the demonstration until a signal.

    Raises:
        ResilienceError: a gateway cannot be started, or a port cannot be used.
        ValueError: there is no such mode.
    """
    chosen = Mode(mode)
    if chosen is Mode.TOR:
        raise ValueError("The demonstration has no Tor: choose two_hop or direct.")
    folder = Path(tempfile.mkdtemp(prefix="holdfast-chat-")) if data is None else data
    try:
        with asyncio.Runner(loop_factory=loop_factory("auto")) as runner:
            runner.run(_run(folder, chosen, with_window=with_window))
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)


async def _run(folder: Path, mode: Mode, *, with_window: bool) -> None:
    print("Starting three gateways …", flush=True)
    world = RealWorld()
    async with AsyncExitStack() as stack:
        gateways = await stack.enter_async_context(DemoGateways(folder))
        # On all of them, so that each lamp of the page is about a gateway that is used.
        profile = Profile(gateways=gateways.addresses, mode=mode, places=len(gateways.gateways))
        opened = [
            await stack.enter_async_context(open_node(folder / name.lower(), profile, None, world))
            for name in PEOPLE
        ]
        await introduce(opened[0].node, opened[1].node)
        await _serve(folder, opened, gateways, world, mode, with_window=with_window)


async def introduce(first: Node, second: Node) -> None:
    """Make two that know nobody each other's contact, as people do it: by an invitation.

    Raises:
        ResilienceError: they did not hear of each other in time.
    """
    for node, name in ((first, PEOPLE[0]), (second, PEOPLE[1])):
        if not node.identities:
            await node.create_identity(name)
    if first.contacts and second.contacts:
        return
    invitation = await first.invite(first.identities[0].id, name=PEOPLE[1])
    met = await second.accept(second.identities[0].id, invitation.link, PEOPLE[0])
    await first.allow_read(invitation.contact, allowed=True)
    await second.allow_read(met.id, allowed=True)
    await _until_ready(first, invitation.contact)
    await _until_ready(second, met.id)


async def _until_ready(node: Node, contact: str) -> None:
    changed = asyncio.Event()
    stop = node.on_change(lambda _: changed.set())
    try:
        async with asyncio.timeout(MEET_WITHIN):
            while True:
                found = node.contact(contact)
                if found is not None and found.state is ContactState.READY:
                    return
                changed.clear()
                await changed.wait()
    except TimeoutError as error:
        raise ResilienceError("The two did not hear of each other in time.") from error
    finally:
        stop()


async def _serve(
    folder: Path,
    opened: list[OpenNode],
    gateways: DemoGateways,
    world: World,
    mode: Mode,
    *,
    with_window: bool,
) -> None:
    """Serve both pages until a signal; the second one hears of it from the first."""
    windows: list[tuple[str, Path, Window, socket.socket]] = []
    for name, each in zip(PEOPLE, opened, strict=True):
        data = folder / name.lower()
        about = {"mode": mode.value, "demo": True}
        window = Window(
            each.node, each.database, each.errors, each.keystore, data, world, about=about
        )
        windows.append((name, data, window, open_port(data, None)))
    main = ShutdownManager()
    others = [ShutdownManager(signals=()) for _ in windows[1:]]
    waiting = len(windows)
    opening: list[asyncio.Task[bool]] = []

    def ready() -> None:
        nonlocal waiting
        waiting -= 1
        if waiting:
            return
        _announce(windows, gateways)
        for _, data, window, listener in windows if with_window else ():
            opening.append(asyncio.create_task(open_app_window(data, window.link(listener))))

    async with asyncio.TaskGroup() as tasks:
        for (_, _, window, listener), shutdown in zip(windows, [main, *others], strict=True):
            tasks.create_task(_one(window, listener, shutdown, gateways, ready))
        tasks.create_task(when_asked(main, others))
    await asyncio.gather(*opening)


async def _one(
    window: Window,
    listener: socket.socket,
    shutdown: ShutdownManager,
    gateways: DemoGateways,
    on_ready: Callable[[], None],
) -> None:
    routes = demo_routes(gateways, window.access)
    await window.serve(listener, shutdown, on_ready=on_ready, routes=routes)


def _announce(
    windows: list[tuple[str, Path, Window, socket.socket]], gateways: DemoGateways
) -> None:
    names = ", ".join(gateway.name for gateway in gateways.gateways)
    print(f"The demonstration is ready: three gateways ({names}) and two people.")
    for name, _, window, listener in windows:
        print(f"  {name}'s window: {window.link(listener)}")
    print("Write in one and read in the other. Press the line at the top of a page to see the")
    print("gateways; there they can be killed, frozen and started. Ctrl-C ends it.", flush=True)
