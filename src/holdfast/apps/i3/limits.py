"""Every bound of Intermud-3, with its unit and its reason; what happens at it stands in parentheses.

Those of values and frames stand where they are kept: ``lpc`` and ``mudmode``.
"""

from __future__ import annotations

from typing import Final

# --- names and texts ------------------------------------------------------------------------------

NAME_LENGTH_MAX: Final = 80
"""Characters of the name of a mud, a user or a channel; more than one router takes (``bad-pkt``, NAME_INVALID)."""

DESCRIPTION_LENGTH_MAX: Final = 256
"""Characters of a mud's library, driver, type, status and e-mail, which every mud is sent (cut off)."""

SERVICES_MAX: Final = 64
"""Services of a mud in its row (those past it are left out)."""

ERROR_PACKET_BYTES_MAX: Final = 4096
"""Bytes of a packet that an error carries back; a larger one is not returned (0 stands for it)."""

# --- router ---------------------------------------------------------------------------------------

ROUTER_MUDS_MAX: Final = 5000
"""Muds that a router knows, gone ones included (a newcomer is refused with ``not-allowed``)."""

ROUTER_CHANNELS_MAX: Final = 1000
"""Channels of a router (``not-allowed``)."""

ROUTER_CHANNELS_PER_MUD_MAX: Final = 64
"""Channels that one mud may own (``not-allowed``)."""

ROUTER_LISTED_MAX: Final = 1000
"""Muds on the list of a channel, banned or invited (``not-allowed``)."""

ROUTER_CONNECTIONS_MAX: Final = 2000
"""Connections of a router; one more is closed at once."""

ROUTER_PER_ADDRESS_MAX: Final = 32
"""Connections from one address; live routers have the same (one more is closed at once)."""

ROUTER_PACKET_RATE: Final = 100.0
"""Packets a second that one mud may send in the long run (told with ``not-allowed``, then waited for)."""

ROUTER_PACKET_BURST: Final = 400
"""Packets at once after a rest."""

ROUTER_PENDING_FILTERS_MAX: Final = 1000
"""Packets that wait for the filter of a channel's host (the oldest is given up, its sender told)."""

ROUTER_FILTER_TIMEOUT: Final = 30.0
"""Seconds that the host of a channel has for its filter (then the packet is given up, its sender told)."""

ROUTER_STARTUP_TIMEOUT: Final = 20.0
"""Seconds from the connection to the startup packet (closed)."""

ROUTER_WRITE_QUEUE_MAX: Final = 4 * 1024 * 1024
"""Bytes that wait for a mud that does not read (it is dropped, and comes back)."""

ROUTER_FORGET_AFTER: Final = 7 * 24 * 3600.0
"""Seconds after which a mud that is gone is deleted, as the protocol says."""

ROUTER_DOWN_AFTER: Final = 15.0
"""Seconds that a mud may be gone before the others are told, so that a reconnect is no news."""

ROUTER_LIST_BYTES_MAX: Final = 60_000
"""Bytes of a frame with a list: one common client loses its place on frames over 65,536."""

ROUTER_BAD_PACKETS_MAX: Final = 100
"""Packets of one connection that cannot be read, in a row without a good one (closed)."""

# --- gateway --------------------------------------------------------------------------------------

TEXT_BYTES_MAX: Final = 16 * 1024
"""Bytes of a text that a client sends to the network (TEXT_INVALID); a page of prose has a quarter of it."""

PACED_MAX: Final = 240
"""Packets that wait for their turn at a router that allows few: half a minute of them (QUEUE_FULL, ``retry_after``)."""

QUEUED_MAX: Final = 10_000
"""Messages that wait durably while no router answers (QUEUE_FULL)."""

UNCONFIRMED_MAX: Final = 20_000
"""Messages handed to a router whose arrival is not confirmed yet (QUEUE_FULL until a probe has returned)."""

REQUESTS_MAX: Final = 1000
"""Questions to other muds that wait for their answers (QUEUE_FULL)."""

MUDS_MAX: Final = 10_000
"""Muds of a router's list (those past it are left out)."""

CHANNELS_MAX: Final = 5000
"""Channels of a router's list (those past it are left out)."""

SUBSCRIPTIONS_MAX: Final = 200
"""Channels that a gateway listens to (CHANNELS_FULL)."""

MEMBERS_MAX: Final = 1000
"""Players that are remembered for each channel (the one unheard longest is forgotten)."""

MEMBER_SILENCE: Final = 1800.0
"""Seconds after which a player who says nothing counts as gone from a channel."""

PLAYERS_MAX: Final = 512
"""Players that a mud may name in one list of who is there (refused)."""

SEEN_MAX: Final = 10_000
"""Players elsewhere whose shown name and gender are remembered (the ones unused longest are forgotten)."""

ROUTERS_MAX: Final = 32
"""Routers that are remembered for failover (those past it are not taken)."""

MOVES_MAX: Final = 3
"""Times in a row that a router may send a gateway on to another; two may name each other (then it stays)."""

HISTORY_LINES_MAX: Final = 2000
"""Lines of each channel that are kept (the oldest are deleted)."""

HISTORY_PENDING_MAX: Final = 20_000
"""Lines that wait to be written (further ones are not kept, and counted)."""

HISTORY_PAGE_MAX: Final = 100
"""Lines that one question for the history returns."""

ANSWERS_RATE: Final = 4.0
"""Packets a second of another mud that are answered in the long run (silence); who asks more is not asking."""

ANSWERS_BURST: Final = 20
"""Answers to another mud at once."""

ROUTER_ARRIVALS_MAX: Final = 10_000
"""Frames of a router that wait to be read (then it is not read from)."""
