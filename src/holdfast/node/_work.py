"""One transaction of a node: what it works with, and what is to be done once it is committed.

Theory. All that decides about keys and messages runs as a job of the database: it reads the ratchet from its row,
uses it, and writes it back together with what came of it. Nothing of that lives in memory, so a commit that fails, and
a process that is killed, leave a state in which no key was used and nothing was promised. What the world has to hear
of it is collected in an ``Outcome`` and happens after the commit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from holdfast.crypto import IdentityKeys, PairRatchet
from holdfast.errors import NodeError
from holdfast.node.machine import Incoming, Outgoing, Run
from holdfast.node.model import ContactState
from holdfast.node.store import Facts, IdentityFacts, Inbox, figures

if TYPE_CHECKING:
    import sqlite3

    from holdfast.node.model import Change, ContactId, IdentityId, Message
    from holdfast.node.settings import NodeSettings
    from holdfast.node.store import Vault
    from holdfast.ops.errors import ErrorCategory, ErrorSeverity
    from holdfast.world import World


class Problem(NamedTuple):
    """Something to report."""

    category: ErrorCategory
    severity: ErrorSeverity
    code: str
    message: str


class View(NamedTuple):
    """What the shell has to know of a contact after a transaction."""

    identity: IdentityId
    state: ContactState
    is_hidden: bool
    facts: Facts
    inbox: Inbox
    epoch: int
    through: int
    runs: tuple[Run, ...]
    mark: bytes


class Numbered(NamedTuple):
    """A message that has a number now, and can be sent."""

    contact: ContactId
    seq: int
    priority: int


@dataclass(slots=True)
class Outcome:
    """What follows from a transaction, once it is committed."""

    messages: list[Message] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    numbered: list[Numbered] = field(default_factory=list)
    done: list[tuple[ContactId, int]] = field(default_factory=list)
    missing: list[tuple[ContactId, int]] = field(default_factory=list)
    gone: list[tuple[ContactId, int]] = field(default_factory=list)
    renewed: list[ContactId] = field(default_factory=list)
    owed: dict[ContactId, bool] = field(default_factory=dict)
    asked: dict[ContactId, tuple[int, bytes]] = field(default_factory=dict)
    views: dict[ContactId, View] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    duplicates: int = 0
    rooms_changed: bool = False


@dataclass(slots=True)
class Pair:
    """A contact within a transaction.

    Attributes:
        id: of the contact.
        identity: ours.
        state: how far we have come.
        is_hidden: only known from a room.
        facts: what we know of him.
        inbox: how he reaches us.
        ratchet: of the present session; None before there is one.
        incoming: what came.
        outgoing: what goes.
        rekeyed_ms: when a session was begun anew last, 0 for never.
        is_proposer: whether we began the present session anew and have no answer in it.
    """

    id: ContactId
    identity: IdentityId
    state: ContactState
    is_hidden: bool
    facts: Facts
    inbox: Inbox
    ratchet: PairRatchet | None
    incoming: Incoming
    outgoing: Outgoing
    rekeyed_ms: int = 0
    is_proposer: bool = False


@dataclass(slots=True)
class Work:
    """What a job has at hand.

    Attributes:
        connection: within a transaction.
        vault: opens and seals rows.
        world: chance and secrets.
        settings: of the node.
        now_ms: milliseconds since 1970, steady.
        outcome: what follows.
        queued: rows that wait to arrive, once they were counted.
    """

    connection: sqlite3.Connection
    vault: Vault
    world: World
    settings: NodeSettings
    now_ms: int
    outcome: Outcome = field(default_factory=Outcome)
    queued: int | None = None
    pairs: dict[ContactId, Pair] = field(default_factory=dict)
    identities: dict[IdentityId, IdentityKeys] = field(default_factory=dict)

    def pair(self, contact: ContactId) -> Pair:
        """Return a contact; raises ``NodeError`` (9101) when there is none."""
        pair = self.pairs.get(contact)
        if pair is None:
            pair = self.pairs[contact] = self._loaded(contact)
        return pair

    def add(self, pair: Pair) -> None:
        """Add a contact that is new."""
        self.connection.execute(
            "INSERT INTO node_contact (id, identity, state, is_hidden, facts, inbox, epoch, next_seq,"
            " through, rekeyed_ms, is_proposer) VALUES (?, ?, ?, ?, x'', x'', 0, 1, 0, 0, 0)",
            (pair.id, pair.identity, pair.state.value, pair.is_hidden),
        )
        self.pairs[pair.id] = pair

    def keys(self, identity: IdentityId) -> IdentityKeys:
        """Return the keys of an identity; they are stored with the work."""
        keys = self.identities.get(identity)
        if keys is None:
            row = self.connection.execute(
                "SELECT keys FROM node_identity WHERE id = ?", (identity,)
            ).fetchone()
            if row is None:
                raise NodeError("There is no such identity.", details={"identity": identity})
            keys = IdentityKeys.from_bytes(self.vault.unseal(f"identity {identity} keys", row[0]))
            self.identities[identity] = keys
        return keys

    def identity_facts(self, identity: IdentityId) -> IdentityFacts:
        """Return what is told of an identity."""
        row = self.connection.execute(
            "SELECT facts FROM node_identity WHERE id = ?", (identity,)
        ).fetchone()
        if row is None:
            raise NodeError("There is no such identity.", details={"identity": identity})
        return self.vault.unseal_facts(f"identity {identity}", row[0], IdentityFacts)

    def done(self) -> Outcome:
        """Write down what was worked with, and return what follows."""
        for identity, keys in self.identities.items():
            self.connection.execute(
                "UPDATE node_identity SET keys = ? WHERE id = ?",
                (self.vault.seal(f"identity {identity} keys", keys.to_bytes()), identity),
            )
        for pair in self.pairs.values():
            self._store(pair)
        return self.outcome

    def view(self, pair: Pair) -> View:
        """Return what the shell has to know of a contact."""
        return View(
            pair.identity,
            pair.state,
            pair.is_hidden,
            pair.facts,
            pair.inbox,
            pair.outgoing.epoch,
            pair.incoming.through,
            pair.incoming.runs(),
            pair.incoming.mark,
        )

    def _store(self, pair: Pair) -> None:
        name, vault = pair.id, self.vault
        ratchet = None
        if pair.ratchet is not None:
            ratchet = vault.seal(f"contact {name} ratchet", pair.ratchet.to_bytes())
        self.connection.execute(
            "UPDATE node_contact SET state = ?, is_hidden = ?, facts = ?, inbox = ?, ratchet = ?, epoch = ?,"
            " next_seq = ?, through = ?, rekeyed_ms = ?, is_proposer = ?, peer = ?, sent_mark = ?, came_mark = ?"
            " WHERE id = ?",
            (
                pair.state.value,
                pair.is_hidden,
                vault.seal_facts(f"contact {name}", pair.facts),
                vault.seal_facts(f"contact {name} inbox", pair.inbox),
                ratchet,
                pair.outgoing.epoch,
                pair.outgoing.next_seq,
                pair.incoming.through,
                pair.rekeyed_ms,
                pair.is_proposer,
                vault.mark(pair.identity, pair.facts.identity),
                pair.outgoing.mark,
                pair.incoming.mark,
                name,
            ),
        )
        self.outcome.views[name] = self.view(pair)

    def _loaded(self, contact: ContactId) -> Pair:
        row = self.connection.execute(
            "SELECT identity, state, is_hidden, facts, inbox, ratchet, epoch, next_seq, through, rekeyed_ms,"
            " is_proposer, sent_mark, came_mark FROM node_contact WHERE id = ?",
            (contact,),
        ).fetchone()
        if row is None:
            raise NodeError("There is no such contact.", details={"contact": contact})
        epoch, next_seq, through = row[6:9]
        ratchet = None
        if row[5] is not None:
            stored = self.vault.unseal(f"contact {contact} ratchet", row[5])
            ratchet = PairRatchet.from_bytes(stored)
        waiting = figures(
            self.connection,
            "SELECT seq FROM node_outgoing WHERE contact = ? AND seq IS NOT NULL",
            contact,
        )
        held = self.connection.execute(
            "SELECT seq, length(payload) FROM node_held WHERE contact = ?", (contact,)
        )
        return Pair(
            contact,
            row[0],
            ContactState(row[1]),
            bool(row[2]),
            self.vault.unseal_facts(f"contact {contact}", row[3], Facts),
            self.vault.unseal_facts(f"contact {contact} inbox", row[4], Inbox),
            ratchet,
            Incoming(epoch, through, dict(held.fetchall()), row[12]),
            Outgoing(epoch, next_seq, set(waiting), row[11]),
            row[9],
            bool(row[10]),
        )
