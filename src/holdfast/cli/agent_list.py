"""How ``holdfast agent list`` shows what a node told."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from holdfast.apps.agents import AgentCode, AgentError


class Row(Struct, frozen=True):
    """An agent."""

    name: str
    state: str
    problem: str
    description: str
    active: int
    waiting: int


class PeerRow(Struct, frozen=True):
    """A peer with those of its agents that may be asked."""

    peer: str
    problem: str
    seconds: float
    agents: list[Row]


class Listing(Struct, frozen=True):
    """What a node told."""

    agents: list[Row]
    peers: list[PeerRow]
    invited: list[str]


def shown(told: object) -> Table:
    """Make the table; raises ``AgentError`` (BODY_INVALID) when the node is of another version."""
    try:
        listing = msgspec.convert(told, Listing)
    except msgspec.ValidationError as error:
        raise AgentError(
            AgentCode.BODY_INVALID, f"The running node is of another version: {error}."
        ) from error
    table = Table("agent", "state", "running", "waiting", "what")
    for row in listing.agents:
        _add(table, row, row.name)
    for peer in listing.peers:
        if peer.problem:
            table.add_row(Text(f"@{peer.peer}"), "silent", "", "", Text(peer.problem))
        elif not peer.agents:
            table.add_row(Text(f"@{peer.peer}"), "reached", "", "", "no agent that may be asked")
        for row in peer.agents:
            _add(table, row, f"{row.name}@{peer.peer}")
    for name in listing.invited:
        table.add_row(Text(f"@{name}"), "invited", "", "", "has not accepted yet")
    return table


def _add(table: Table, row: Row, address: str) -> None:
    what = Text(row.problem or row.description)
    table.add_row(Text(address), Text(row.state), str(row.active), str(row.waiting), what)
