"""``holdfast chat``: the node of a folder, and its page on this machine."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.apps.chat.app_window import open_app_window
from holdfast.apps.chat.profile import KEY_FILE, Profile, open_node, read_profile, write_profile
from holdfast.apps.chat.window import Window, open_port
from holdfast.errors import ResilienceError
from holdfast.node import Mode
from holdfast.ops import ShutdownManager
from holdfast.server import loop_factory
from holdfast.world import RealWorld

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

PASSPHRASE: Final = "HOLDFAST_PASSPHRASE"  # noqa: S105 - the name of a variable
NO_GATEWAY: Final = (
    "There is no gateway yet. Give the address of one with --gateway (of two for the mode two_hop): "
    "who runs one with `holdfast chat gateway` is shown it. `holdfast chat demo` needs none."
)


def profile_of(
    data: Path, gateways: Sequence[str] | None, mode: str | None, proxy: str | None
) -> Profile:
    """Return the profile of a folder with what the command line says; that is kept.

    Raises:
        ResilienceError: there is no gateway, or the profile cannot be read.
        ValueError: an address or the mode is none, or they do not fit together.
    """
    kept = read_profile(data)
    changes: dict[str, object] = {}
    if gateways:
        changes["gateways"] = list(dict.fromkeys(gateways))
    if mode is not None:
        changes["mode"] = Mode(mode)
    if proxy is not None:
        changes["proxy"] = proxy
    profile = msgspec.structs.replace(kept, **changes)
    if not profile.gateways:
        raise ResilienceError(NO_GATEWAY)
    profile.settings()  # what is kept has to be good
    if changes:
        write_profile(data, profile)
    return profile


def passphrase_for(data: Path) -> str | None:
    """Return the passphrase from the environment, or ask for it; None when there is none.

    Raises:
        ResilienceError: the two that were typed are not the same.
    """
    given = os.environ.get(PASSPHRASE)
    if given is not None:
        return given or None
    path = data / KEY_FILE
    if not sys.stdin.isatty():
        return None
    if path.exists():
        if b'"protected":true' not in path.read_bytes():
            return None
        return getpass.getpass("Passphrase of your keys: ")
    print("Your keys are made now. With a passphrase, whoever takes this disk can not read them.")
    first = getpass.getpass("A passphrase (Enter: none): ")
    if first and getpass.getpass("The same again: ") != first:
        raise ResilienceError("These two were not the same. Nothing was made; try again.")
    return first or None


def run(
    data: Path, profile: Profile, passphrase: str | None, port: int | None, *, with_window: bool
) -> None:
    """Run the node and serve its page until a signal.

    Raises:
        ResilienceError: the folder, the keys or the port cannot be used.
        ValueError: the profile does not make a node.
    """
    with asyncio.Runner(loop_factory=loop_factory("auto")) as runner:
        runner.run(_run(data, profile, passphrase, port, with_window=with_window))


async def _run(
    data: Path, profile: Profile, passphrase: str | None, port: int | None, *, with_window: bool
) -> None:
    world = RealWorld()
    async with open_node(data, profile, passphrase, world) as opened:
        about = {"mode": profile.mode.value, "demo": False}
        window = Window(
            opened.node,
            opened.database,
            opened.errors,
            opened.keystore,
            data,
            world,
            about=about,
        )
        listener = open_port(data, port)
        opening: list[asyncio.Task[bool]] = []

        def ready() -> None:
            announce(window, listener, data)
            if with_window:
                opening.append(asyncio.create_task(open_app_window(data, window.link(listener))))

        await window.serve(listener, ShutdownManager(), on_ready=ready)
        await asyncio.gather(*opening)


def announce(window: Window, listener: socket.socket, data: Path) -> None:
    """Print the link."""
    print(f"Your chat is ready: {window.link(listener)}")
    print("  The part behind # is its key: keep the link to yourself.")
    print(f"  Data  {data.resolve()}")
    print("Ctrl-C ends it.", flush=True)
