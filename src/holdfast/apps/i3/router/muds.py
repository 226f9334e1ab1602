"""The muds that a router knows: their rows, their passwords, who is there."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from holdfast.apps.i3 import limits
from holdfast.apps.i3.lpc import Written, encode
from holdfast.apps.i3.router.names import with_state
from holdfast.apps.i3.router.versions import Versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.apps.i3.packets import MudRow
    from holdfast.apps.i3.router.versions import Change

SALT: Final = 16
KEY: Final = SALT + 32
PASSWORD_MAX: Final = 2**31 - 1
OLD_ROW: Final = 10
"""Fields of a row before the e-mail, which the muds of versions 1 and 2 do not know."""
DOWN: Final = 0
TODAY: Final = 3


@dataclass(frozen=True, slots=True)
class Mud:
    """A mud, there or not.

    Attributes:
        name: by which all is addressed.
        row: as in the list.
        key: salt and hash of its password, and until the mud has said something since it was given that, the address
            to which it went: a reply can be lost on the way, and the name with it. A password is a number of 31
            bits, so that the hash hides it from a glance at the file and not from one who tries all of them; the
            protocol has no better.
        seen: seconds since 1970 when it was last there.
    """

    name: str
    row: MudRow
    key: bytes
    seen: float


def write_row(name: str, row: MudRow | None, version: int = TODAY) -> str:
    """Write a row as an element of the mapping of a mudlist, with its comma."""
    if row is None:
        return f"{encode(name).decode()}:0,"
    values: list[object] = msgspec.to_builtins(row)
    if version < TODAY:
        values = [*values[:OLD_ROW], values[OLD_ROW + 1]]
    return f"{encode(name).decode()}:{encode(values).decode()},"


def write_old(change: Change[Mud], version: int) -> str:
    """Write a change for a mud of an older version."""
    return write_row(change.name, None if change.value is None else change.value.row, version)


def mapping(elements: Iterable[str]) -> Written:
    """Make a mapping of elements that are written."""
    return Written(f"([{''.join(elements)}])")


class Muds:
    """All muds by name.

    Args:
        secret_bytes: makes bytes that nobody can guess.

    Attributes:
        versions: the list, by the numbers of its changes.
    """

    def __init__(self, secret_bytes: Callable[[int], bytes]) -> None:
        self._secret_bytes = secret_bytes
        self.versions: Versions[Mud] = Versions(
            lambda name, mud: write_row(name, None if mud is None else mud.row),
            limits.ROUTER_GONE_MAX,
        )

    def __len__(self) -> int:
        return len(self.versions)

    def get(self, name: str) -> Mud | None:
        """Return what is known of a mud."""
        return self.versions.get(name)

    def is_password(self, mud: Mud, password: int) -> bool:
        """Say whether it is the one that the mud was given; takes the same time for all wrong ones."""
        salt, kept = mud.key[:SALT], mud.key[SALT:KEY]
        return hmac.compare_digest(_hash(salt, password), kept)

    def may_be_lost(self, mud: Mud, address: str) -> bool:
        """Say whether its password went to this address, and nothing has come since that shows that it arrived."""
        return len(mud.key) > KEY and mud.key[KEY:] == address.encode()

    def new_password(self, address: str) -> tuple[int, bytes]:
        """Draw a password for somebody at an address, and return it with what is kept of it."""
        password = int.from_bytes(self._secret_bytes(8), "big") % PASSWORD_MAX + 1
        salt = self._secret_bytes(SALT)
        return password, salt + _hash(salt, password) + address.encode()

    def has_password(self, name: str) -> bool:
        """A mud has shown that its password arrived; return whether that was not known before."""
        known = self.versions.get(name)
        if known is None or len(known.key) == KEY:
            return False
        self.versions.amend(name, replace(known, key=known.key[:KEY]))
        return True

    def put(self, mud: Mud) -> Mud | None:
        """Keep a mud; return it when that is news to the others."""
        known = self.versions.get(mud.name)
        if known is not None and known.row == mud.row:
            if known.key != mud.key:
                self.versions.amend(mud.name, mud)
            return None
        self.versions.put(mud.name, mud)
        return mud

    def down(self, name: str, state: int, seen: float) -> Mud | None:
        """Show a mud as down; return it when that is news."""
        known = self.versions.get(name)
        if known is None or (known.row.state == state and not known.row.is_up):
            return None
        return self.put(replace(known, row=with_state(known.row, state), seen=seen))

    def long_gone(self, before: float) -> list[str]:
        """Return the names of those who are down and were last there before a time."""
        return [mud.name for mud in self.versions if not mud.row.is_up and mud.seen < before]


def _hash(salt: bytes, password: int) -> bytes:
    return hashlib.sha256(salt + str(password).encode()).digest()
