"""Jobs of identities and contacts: made, invited, met, forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import limits
from holdfast.crypto import EnvelopeKey, IdentityKeys, InvitationKey
from holdfast.errors import InvitationError, NodeError, RatchetError
from holdfast.mailbox.key import SEED_BYTES, TOKEN_BYTES
from holdfast.node import _sending
from holdfast.node._room_rows import load
from holdfast.node._work import Pair
from holdfast.node.invitation import Invitation, Offer, write_link
from holdfast.node.machine import Incoming, Outgoing
from holdfast.node.model import ContactChanged, ContactState
from holdfast.node.store import Facts, IdentityFacts, Inbox, OwnPlace

if TYPE_CHECKING:
    from holdfast.node._work import Work

FRESH_SECRET: int = 32


def add_identity(work: Work, identity: str, facts: IdentityFacts) -> bytes:
    """Make the keys of an identity; returns the public one."""
    (count,) = work.connection.execute("SELECT count(*) FROM node_identity").fetchone()
    if count >= limits.NODE_IDENTITIES_MAX:
        raise NodeError(f"There are {count} identities already; that is the limit.")
    keys = IdentityKeys.generate()
    work.connection.execute(
        "INSERT INTO node_identity (id, facts, keys) VALUES (?, ?, x'')",
        (identity, work.vault.seal_facts(f"identity {identity}", facts)),
    )
    work.identities[identity] = keys
    return keys.public


def invite(
    work: Work, identity: str, *, name: str, note: str, is_hidden: bool = False
) -> Invitation:
    """Make a contact-to-be and the link that makes somebody this contact."""
    _require_room(work)
    facts = work.identity_facts(identity)
    keys = work.keys(identity)
    invitation = InvitationKey.generate(work.world)
    pair = Pair(
        work.world.new_id(),
        identity,
        ContactState.INVITED,
        is_hidden,
        Facts(
            name=name,
            told_name="",
            note=note,
            is_host=True,
            is_verified=False,
            may_see_read=False,
            secret=invitation.secret,
            first_secret=b"",
            identity=b"",
            prekey=b"",
            seal=b"",
            places=(),
        ),
        _new_inbox(work, invitation.raw),
        None,
        Incoming(),
        Outgoing(),
    )
    work.add(pair)
    link = write_link(
        Offer(
            facts.shown_name,
            note,
            keys.public,
            keys.new_prekey(),
            invitation.public,
            invitation.secret,
            tuple(_sending.public_place(place) for place in pair.inbox.places),
        )
    )
    work.outcome.changes.append(ContactChanged(pair.id))
    return Invitation(link, pair.id, identity, note)


def accept(work: Work, identity: str, offer: Offer, *, name: str, is_hidden: bool = False) -> str:
    """Become the contact of somebody who made an invitation; returns the contact's id."""
    _require_room(work)
    keys = work.keys(identity)
    if _is_own(work, offer.identity):
        raise InvitationError("This invitation is of this node: it is for somebody else.")
    if find(work, identity, offer.identity) is not None:
        raise InvitationError("You know each other already, or this invitation was used here.")
    try:
        ratchet = keys.begin(offer.identity, offer.prekey)
    except RatchetError as error:
        raise InvitationError("The invitation's keys are none.", original=error) from error
    fresh = work.world.secret_bytes(FRESH_SECRET)
    pair = Pair(
        work.world.new_id(),
        identity,
        ContactState.JOINING,
        is_hidden,
        Facts(
            name=name,
            told_name=offer.name,
            note=offer.note,
            is_host=False,
            is_verified=False,
            may_see_read=False,
            secret=fresh,
            first_secret=offer.secret,
            identity=offer.identity,
            prekey=b"",
            seal=offer.seal,
            places=offer.places,
        ),
        _new_inbox(work, b""),
        ratchet,
        Incoming(),
        Outgoing(),
    )
    work.add(pair)
    _sending.enqueue(
        work,
        pair,
        _sending.card(work, pair, secret=fresh),
        priority=_sending.CARD_PRIORITY,
    )
    _sending.pump(work, pair)
    work.outcome.changes.append(ContactChanged(pair.id))
    return pair.id


def find(work: Work, identity: str, public: bytes) -> str | None:
    """Return the contact of an identity with this public key."""
    for pair in work.pairs.values():  # not stored yet
        if pair.identity == identity and pair.facts.identity == public:
            return pair.id
    row = work.connection.execute(
        "SELECT id FROM node_contact WHERE peer = ?", (work.vault.mark(identity, public),)
    ).fetchone()
    return None if row is None else str(row[0])


def forget(work: Work, contact: str) -> None:
    """Delete a contact with all that belongs to it.

    Raises:
        NodeError: 9101; both are in a room, which needs them to know each other.
    """
    pair = work.pair(contact)
    for (room,) in work.connection.execute(
        "SELECT id FROM node_room WHERE identity = ? AND is_open", (pair.identity,)
    ).fetchall():
        found = load(work, room)
        assert found is not None, "it was listed a moment ago"
        if any(member.key == pair.facts.identity for member in found.facts.members):
            raise NodeError(
                f"You are both in the room “{found.facts.name}”: leave it, or remove this contact from it, first."
            )
    for statement in (
        "DELETE FROM node_contact WHERE id = ?",
        "DELETE FROM node_message WHERE conversation = ?",
        "DELETE FROM node_outgoing WHERE contact = ?",
        "DELETE FROM node_held WHERE contact = ?",
        "DELETE FROM node_room_key WHERE contact = ?",
    ):
        work.connection.execute(statement, (contact,))
    work.pairs.pop(contact, None)


def _is_own(work: Work, public: bytes) -> bool:
    rows = work.connection.execute("SELECT id FROM node_identity").fetchall()
    return any(work.keys(row[0]).public == public for row in rows)


def _require_room(work: Work) -> None:
    (count,) = work.connection.execute("SELECT count(*) FROM node_contact").fetchone()
    if count >= limits.NODE_CONTACTS_MAX:
        raise NodeError(
            f"There are {count} contacts already, open invitations counted; remove some first."
        )


def _new_inbox(work: Work, invitation_key: bytes) -> Inbox:
    """Choose gateways for a contact's mailboxes: any of ours, so that the load is spread."""
    world, settings = work.world, work.settings
    gateways = list(settings.gateways)
    world.random.shuffle(gateways)
    places = tuple(
        OwnPlace(str(gateway), world.secret_bytes(SEED_BYTES), world.secret_bytes(TOKEN_BYTES))
        for gateway in gateways[: min(settings.places, limits.NODE_PLACES_MAX)]
    )
    return Inbox(EnvelopeKey.generate(world).raw, invitation_key, places)
