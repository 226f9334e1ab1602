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

OTHER_DATA_BYTES_MAX: Final = 2048
"""Bytes of a mud's "other data" in its row (left out)."""

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

ROUTER_ACCEPT_RATE: Final = 5.0
"""Connections a second from one address in the long run (closed at once)."""

ROUTER_ACCEPT_BURST: Final = 32
"""Connections at once from one address after a rest: as many as it may have."""

ROUTER_PACKET_RATE: Final = 100.0
"""Packets a second that one mud may send in the long run (it is told so, and then read more slowly)."""

ROUTER_PACKET_BURST: Final = 400
"""Packets at once after a rest."""

ROUTER_PACKET_BYTES: Final = 4096
"""Bytes for which a packet counts as one more: most have a fiftieth of it, and a few large ones are a flood too."""

ROUTER_PAUSE_MAX: Final = 10.0
"""Seconds for which a connection is not read from at most; one that has ended is not noticed before."""

ROUTER_PENDING_FILTERS_MAX: Final = 1000
"""Packets that wait for the filter of a channel's host (the oldest is given up, its sender told)."""

ROUTER_FILTER_TIMEOUT: Final = 30.0
"""Seconds that the host of a channel has for its filter (then the packet is given up, its sender told)."""

ROUTER_STARTUP_TIMEOUT: Final = 20.0
"""Seconds from the connection to the startup packet (closed)."""

ROUTER_WRITE_QUEUE_MAX: Final = 4 * 1024 * 1024
"""Bytes that wait for a mud that does not read (it is dropped, and comes back)."""

ROUTER_GONE_MAX: Final = 1000
"""Names of muds, and of channels, that are remembered as gone (the oldest is forgotten)."""

ROUTER_LIST_DELAY: Final = 0.25
"""Seconds for which changes of the lists are collected, so that a thousand muds that come at once are few packets."""

ROUTER_SWEEP_INTERVAL: Final = 3600.0
"""Seconds between two looks for muds that have been gone for long."""

ROUTER_HELD_MAX: Final = 10_000
"""Packets that wait for the disk (who sends more is not read from meanwhile)."""

ROUTER_HELD_PAUSE: Final = 0.1
"""Seconds for which such a one is not read from; then it is looked at again."""

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

UNCONFIRMED_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of them (likewise): what a router that reads no more can make a gateway hold."""

RECENT_MAX: Final = 5000
"""Messages that an error which comes later can still be matched with (the oldest is forgotten)."""

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

TOKENS_MAX: Final = 1000
"""Muds that may connect out of band at any time (the oldest permission is void)."""

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

OOB_CONNECTIONS_MAX: Final = 16
"""Connections out of band at once (a further one is cut)."""

OOB_PER_ADDRESS_MAX: Final = 2
"""Of these from one address (likewise)."""

OOB_PROOF_TIMEOUT: Final = 20.0
"""Seconds until a connection out of band has shown its token (cut)."""

OOB_IDLE_TIMEOUT: Final = 600.0
"""Seconds of silence out of band, as the protocol says (cut)."""

OOB_REQUESTS_MAX: Final = 100
"""Requests of one connection out of band (``not-allowed``, and closed)."""

OOB_MESSAGE_BYTES_MAX: Final = 256 * 1024
"""Bytes of a packet out of band: what others take (cut)."""

OOB_WRITE_QUEUE_MAX: Final = 1024 * 1024
"""Bytes that wait for one who does not read (cut)."""

OOB_FILE_BYTES_MAX: Final = 200 * 1024
"""Bytes of a file out of band: it has to fit into one packet (result -2 or -3)."""

OOB_ASKED_RATE: Final = 3.0
"""Questions a second to one mud out of band in the long run: less than ``ANSWERS_RATE`` (it waits for its turn)."""

OOB_ASKED_BURST: Final = 12
"""Such questions at once after a rest."""

OOB_FILES_MAX: Final = 1000
"""Files of a folder into which others may put some (result -3)."""

OOB_LISTED_MAX: Final = 1000
"""Files of a folder that are told (those past it are left out)."""

OOB_DEPTH_MAX: Final = 8
"""Folders inside each other in the name of a file (result -1)."""

OOB_WORKERS: Final = 2
"""Files that are read or written at once; the others wait."""

MAIL_BODY_BYTES_MAX: Final = 64 * 1024
"""Bytes of a letter's body: one packet carries it even when each has to be escaped (TEXT_INVALID, ``bad-pkt``)."""

MAIL_SUBJECT_LENGTH_MAX: Final = 256
"""Characters of the subject of a letter or a post (TEXT_INVALID, ``bad-pkt``)."""

MAIL_RECIPIENTS_MAX: Final = 100
"""Users to whom one letter goes, on all muds together (NAME_INVALID, ``bad-pkt``)."""

MAIL_WAITING_MAX: Final = 1000
"""Letters that wait for other muds, one for each mud of a letter (QUEUE_FULL)."""

MAIL_MUDS_MAX: Final = 32
"""Muds for which letters wait at once, so that none of them holds up what goes to the router (QUEUE_FULL)."""

MAIL_PER_USER_MAX: Final = 200
"""Letters in the box of one user (the name fails, and who wrote is told)."""

MAIL_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of all letters that are kept for users here (all names fail)."""

MAIL_PER_MUD_BYTES_MAX: Final = 8 * 1024 * 1024
"""Bytes of these from one mud, so that no mud fills it for the others (all names fail)."""

MAIL_RATE: Final = 2.0
"""Letters a second that one mud may bring in the long run (hung up on; it comes again)."""

MAIL_BURST: Final = 100
"""Letters of one mud at once after a rest: those of one connection."""

MAIL_PAGE_MAX: Final = 100
"""Letters that one question for a box returns."""

NEWS_GROUPS_MAX: Final = 100
"""Groups that a mud hosts (ValueError), and that are taken of another mud's list (those past it are left out)."""

NEWS_POSTS_MAX: Final = 1000
"""Posts of each group that are kept (the oldest is deleted)."""

NEWS_TEXT_BYTES_MAX: Final = 64 * 1024
"""Bytes of a post's text (TEXT_INVALID, ``bad-pkt``)."""

NEWS_RATE: Final = 0.2
"""Posts a second of one mud in the long run (``not-allowed``)."""

NEWS_BURST: Final = 20
"""Posts of one mud at once after a rest."""

# --- client API -----------------------------------------------------------------------------------

API_MESSAGE_BYTES_MAX: Final = 256 * 1024
"""Bytes of one message of a client: a list of 512 players with everything about them (closed)."""

API_BATCH_MAX: Final = 100
"""Calls in one batch (refused whole with -32600)."""

API_CALLS_PENDING_MAX: Final = 1000
"""Calls of one connection that are being done (-32001 with ``retry_after``)."""

API_CONNECTIONS_MAX: Final = 1000
"""Connections of clients, WebSocket and TCP together (503, or cut)."""

API_AUTHENTICATE_TIMEOUT: Final = 10.0
"""Seconds until a client has said who it is (closed)."""

API_TRIES: Final = 20
"""Wrong keys a minute and address (-32001 with ``retry_after``)."""

API_REFUSED_MAX: Final = 200
"""Refused messages in a row after which a connection is closed instead of answered."""

API_BYTE_RATE: Final = 4 * 1024 * 1024
"""Bytes a second and connection in the long run (-32001, and after many of these closed)."""

API_BYTE_BURST: Final = 8 * 1024 * 1024
"""Bytes at once and connection."""

API_UNPROVED_BYTES_MAX: Final = 4096
"""Bytes of one message before a client has said who it is (refused)."""

API_KEYS_MAX: Final = 1000
"""Keys of one gateway (refused)."""

API_KEY_LENGTH_MIN, API_KEY_LENGTH_MAX = 16, 200
"""Characters of a key: those that were in use elsewhere may be kept, guessable ones may not."""

API_LINK_BYTES_MAX: Final = 256 * 1024
"""Bytes that wait for a client above which events stay in the log until it has read."""

EVENTS_KEPT: Final = 20_000
"""Events that a client which was away can still get (the oldest is deleted, and the client told)."""

EVENT_BYTES_KEPT: Final = 16 * 1024 * 1024
"""Bytes of these (likewise)."""

EVENTS_IN_MEMORY: Final = 2000
"""Events that are not read from the disk again for a client that comes back soon."""

EVENTS_UNSTORED_MAX: Final = 20_000
"""Events that wait to be written (the oldest are not kept; a client that was away is told)."""

EVENTS_PAGE: Final = 500
"""Events that are read at once for a client that was away."""

RESENDS_KNOWN: Final = 10_000
"""Messages of one key whose answer is remembered, so that they are not sent twice (the oldest is forgotten)."""
