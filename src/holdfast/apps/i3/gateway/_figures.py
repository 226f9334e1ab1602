"""What a gateway tells about itself: figures, and how things stand with each router."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.apps.i3.gateway._desk import Desk
    from holdfast.apps.i3.gateway._link import Link
    from holdfast.apps.i3.gateway._mail import Letters
    from holdfast.apps.i3.gateway._news import News
    from holdfast.apps.i3.gateway._queue import Queue
    from holdfast.apps.i3.gateway._sender import Sender
    from holdfast.apps.i3.gateway.settings import RouterAddress


def figures(
    desk: Desk, sender: Sender, queue: Queue, link: Link, mail: Letters, news: News
) -> dict[str, object]:
    """Return figures; ``Gateway.statistics`` says what they mean."""
    machine, wire = desk.machine, link.connection.statistics()
    muds = machine.muds.muds
    here = desk.routers.current if machine.is_ready else None
    return {
        "state": machine.state.value,
        "router": None if here is None else here.name,
        "uptime": wire["uptime"],
        "mud_count": len(muds),
        "online_muds": sum(mud.is_up for mud in muds.values()),
        "channel_count": len(machine.channels.channels),
        "subscriptions": len(machine.listens),
        "mudlist_id": machine.muds.id,
        "chanlist_id": machine.channels.id,
        "packets_sent": sender.sent,
        "packets_received": desk.packets_received,
        "bad_packets": machine.bad_packets + desk.bad_frames,
        "bytes_in": wire["bytes_in"],
        "bytes_out": wire["bytes_out"],
        "reconnects": max(0, link.readies - 1),
        "paced": sender.pacer.waiting,
        "queued": queue.waiting,
        "unconfirmed": len(machine.unconfirmed),
        "requests": len(machine.requests),
        "expired": queue.expired,
        "fate_unknown": queue.fate_unknown + machine.fate_unknown,
        "refused": sender.refused,
        "dropped": sender.dropped,
        "probe_seconds": machine.probe.rtt,
        "returns_probes": machine.probe.returns,
        "letters_waiting": mail.post.waiting,
        "letters_delivered": mail.post.delivered,
        "letters_expired": mail.post.expired,
        "letters_received": mail.received,
        "posts": news.posted,
    }


def links(desk: Desk, link: Link, here: RouterAddress | None) -> list[tuple[str, str, str]]:
    """Return each router that is known: its name, its address, and how things stand with it, for a person.

    Args:
        desk: what all share.
        link: to a router.
        here: the one that we are on.
    """
    found: list[tuple[str, str, str]] = []
    for address in desk.routers.order():
        is_here = here is not None and address.name == here.name
        state = "on it" if is_here else link.troubles.get(address.name, "not tried")
        found.append((address.name, f"{address.host} {address.port}", state))
    return found
