"""What a data folder says about its node: which gateways, and how they are reached; and how it is opened.

``chat.json`` is plain text that may be edited. It names gateways and no person; everything about people is in
the database, sealed with the key of ``node.key``.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Struct

from holdfast.apps.chat import limits, store
from holdfast.crypto import Keystore
from holdfast.errors import ResilienceError
from holdfast.mailbox import GatewayAddress
from holdfast.node import Mode, Node, NodeSettings
from holdfast.node.store import NODE_MIGRATIONS
from holdfast.ops import ErrorHandler
from holdfast.session.store import MIGRATIONS as SESSION_MIGRATIONS
from holdfast.storage import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from holdfast.world import World

FILE: Final = "chat.json"
KEY_FILE: Final = "node.key"
DATABASE: Final = "node.db"
MIGRATIONS: Final = {
    **NODE_MIGRATIONS,
    "session": SESSION_MIGRATIONS,
    "chat": store.MIGRATIONS,
}


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a node reaches its gateways.

    Attributes:
        gateways: their addresses, as ``holdfast chat gateway`` prints them.
        mode: ``direct``, ``two_hop`` or ``tor``.
        proxy: SOCKS5 proxy of Tor as ``host:port``; empty for the usual one.
        places: gateways that each mailbox is put on.
    """

    gateways: Annotated[list[str], Meta(max_length=limits.GATEWAYS_MAX)] = []
    mode: Mode = Mode.TWO_HOP
    proxy: str = ""
    places: Annotated[int, Meta(ge=1, le=limits.GATEWAYS_MAX)] = 2

    def settings(self) -> NodeSettings:
        """Return what the node is made with.

        Raises:
            ValueError: a gateway is none, there are too few, or the proxy is none.
        """
        addresses = tuple(GatewayAddress.parse(text) for text in self.gateways)
        return NodeSettings(
            gateways=addresses, mode=self.mode, proxy=self.proxy or None, places=self.places
        )


@dataclass(frozen=True, slots=True)
class OpenNode:
    """A node that runs, and what its faces need."""

    node: Node
    database: Database
    keystore: Keystore
    errors: ErrorHandler


def read_profile(data: Path) -> Profile:
    """Read the profile of a folder; an empty one when there is none.

    Raises:
        ResilienceError: it can not be read.
    """
    path = data / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Profile)
    except FileNotFoundError:
        return Profile()
    except (OSError, msgspec.MsgspecError) as error:
        raise ResilienceError(
            f"{path} can not be read: {error}. Correct it, or delete it and give --gateway again.",
            original=error,
        ) from error


def write_profile(data: Path, profile: Profile) -> None:
    """Keep a profile, whole or not at all."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = data / f"{FILE}.new"
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(profile), indent=2) + b"\n")
    fresh.replace(data / FILE)


@asynccontextmanager
async def open_node(
    data: Path, profile: Profile, passphrase: str | None, world: World
) -> AsyncIterator[OpenNode]:
    """Run the node of a folder; everything is made at the first start.

    Args:
        data: the folder; one process at a time.
        profile: of the node.
        passphrase: of its keys, None for none.
        world: wall time, chance, ids and secrets.

    Raises:
        KeystoreError: 9004; the passphrase is wrong or missing.
        StorageLockedError: 8003; another process has the folder.
        ValueError: the profile does not make a node.
    """
    settings = profile.settings()
    keystore = Keystore.open(data / KEY_FILE, passphrase, world=world)
    errors = ErrorHandler(world=world)
    async with (
        Database(data / DATABASE, MIGRATIONS) as database,
        Node(database, keystore, settings, errors=errors, world=world) as node,
    ):
        yield OpenNode(node, database, keystore, errors)
