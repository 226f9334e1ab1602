"""Which routers there are, which comes first, and the password of each. No I/O.

Theory. The configured ones come first, then those that a router named in its startup-reply; these are kept over
restarts. A reply whose first router is another one sends us there; two may name each other, so moves in a row are
counted, and at the bound we stay. A password belongs to the network that gave it: another router gets it only if a
router of the same network has named it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.apps.i3 import limits
from holdfast.apps.i3.gateway.settings import RouterAddress

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.apps.i3.packets import RouterRow


@dataclass(frozen=True, slots=True)
class Known:
    """A router as it is kept.

    Attributes:
        address: where it is.
        network: the name of a router that stands for its network.
        password: the last one it gave, None before there was one.
    """

    address: RouterAddress
    network: str
    password: int | None = None


class Routers:
    """The routers of one gateway.

    Args:
        configured: the preferred one first.
        kept: as they were kept, in order.
    """

    def __init__(self, configured: Sequence[RouterAddress], kept: Iterable[Known] = ()) -> None:
        self._known = {router.address.name: router for router in kept}
        self._configured = tuple(configured)
        self._moves = 0
        self.current: RouterAddress | None = None
        for address in configured:
            old = self._known.get(address.name)
            network = address.name if old is None else old.network
            password = None if old is None else old.password
            self._known[address.name] = Known(address, network, password)

    @property
    def all(self) -> list[Known]:
        """All that are known."""
        return list(self._known.values())

    def order(self, first: str = "") -> list[RouterAddress]:
        """Return the routers in the order in which to try them, the one of that name before the others."""
        names = [router.name for router in self._configured]
        names += [name for name in self._known if name not in names]
        names.sort(key=lambda name: name != first)
        return [self._known[name].address for name in names]

    def at(self, url: str) -> RouterAddress:
        """Return the router at an endpoint."""
        return next(each.address for each in self._known.values() if each.address.url == url)

    def password(self, name: str) -> int:
        """Return the password for a router: its own, or one of its network, or 0 for a new mud."""
        router = self._known[name]
        if router.password is not None:
            return router.password
        given = (
            other.password
            for other in self._known.values()
            if other.network == router.network and other.password is not None
        )
        return next(given, 0)

    def replied(self, rows: Sequence[RouterRow], password: int) -> str:
        """The current router answered; return the name of the one to go to, which may be the same."""
        assert self.current is not None, "only a router that we are on replies"
        here = self.current.name
        network = self._known[here].network
        self._known[here] = Known(self.current, network, password)
        for row in rows:
            self._learn(row, network)
        first = rows[0].name if rows else here
        if first == here or first not in self._known or self._moves >= limits.MOVES_MAX:
            self._moves = 0
            return here
        self._moves += 1
        return first

    def _learn(self, row: RouterRow, network: str) -> None:
        try:
            address = RouterAddress(row.name, row.host, row.port)
        except ValueError:
            return  # it cannot be reached under that
        old = self._known.get(row.name)
        if old is None and len(self._known) >= limits.ROUTERS_MAX:
            return
        if any(row.name == router.name for router in self._configured):
            assert old is not None, "the configured ones are known"
            address = old.address  # the person who wrote it knows the way from here
        self._known[row.name] = Known(address, network, None if old is None else old.password)
