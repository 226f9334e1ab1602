"""Every bound of the floors below the applications, with its unit and its reason.

What happens at each bound stands behind it in parentheses. House units: bytes, seconds, counts.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024

# --- frames of the session protocol ---------------------------------------------------------

FRAME_BYTES_MAX: Final = 64 * KIB
"""One WebSocket message from a client (closed with 1009). A quiz answer has about 100 bytes."""

FRAMES_PER_MESSAGE_MAX: Final = 64
"""Frames that a client may join into one message (refused as malformed)."""

STREAMS_PENDING_MAX: Final = 8
"""Streams that one resume may name (refused as malformed)."""

STREAMS_PER_SESSION_MAX: Final = 16
"""Streams whose last number a session remembers (the one unused longest is forgotten)."""

CHANNELS_PER_SYNC_MAX: Final = 64
"""Positions that one resume or sync may name (refused as malformed)."""

HANDSHAKE_TIMEOUT: Final = 10.0
"""Seconds until the first frame, and for the HTTP part before it (closed)."""

FRAME_RATE: Final = 40.0
"""Frames a second and connection in the long run (error with retry_after, then closed)."""

FRAME_BURST: Final = 80
"""Frames at once; a client that comes back sends its whole outbox."""

BYTE_RATE: Final = 256 * KIB
"""Bytes a second and connection in the long run (as for frames)."""

BYTE_BURST: Final = 512 * KIB
"""Bytes at once."""

RATE_VIOLATIONS_MAX: Final = 40
"""Refused frames after which a connection is closed instead of answered."""

# --- what the server keeps ------------------------------------------------------------------

CONNECTIONS_MAX: Final = 20_000
"""Connections of one hub (handshake answered with 503 and Retry-After)."""

SESSIONS_MAX: Final = 100_000
"""Sessions of one hub, connected or not (new ones refused with retry_after)."""

CHANNELS_MAX: Final = 200_000
"""Channels of one hub, the personal ones apart (publishing into a new one raises)."""

SESSION_TTL: Final = 24 * 3600.0
"""Seconds that a session without connection can be resumed (then swept)."""

CHANNEL_EVENTS_MAX: Final = 256
"""Events that the log of a channel keeps (oldest dropped; a reader behind it gets a snapshot)."""

CHANNEL_BYTES_MAX: Final = 256 * KIB
"""Bytes that the log of a channel keeps (as for events)."""

PERSONAL_EVENTS_MAX: Final = 64
"""Events that the log of a session's own channel keeps."""

QUEUE_BYTES_MAX: Final = 1024 * KIB
"""Bytes that wait for one slow reader (dropped, and it is told to resync)."""

OUTBOX_MESSAGES_MAX: Final = 1000
"""Unacknowledged messages that a Python client keeps (OutboxFullError)."""

CLIENT_UNACKNOWLEDGED_MAX: Final = 64
"""Messages of a client's outbox that are on their way at once (the others wait in the outbox)."""

CLIENT_MESSAGE_BYTES_MAX: Final = 63 * KIB
"""One message of a client as JSON (7003); the rest of a frame is room for its envelope."""

# --- heartbeat, presence, storms ------------------------------------------------------------

PING_INTERVAL: Final = 15.0
"""Seconds between two pings of the server (requirement C7.1)."""

PING_JITTER: Final = 0.1
"""Share by which each interval is varied, so that 10 000 timers do not fire together."""

PONG_TIMEOUT: Final = 10.0
"""Seconds of silence after a ping until the connection counts as dead (closed)."""

GRACE: Final = 30.0
"""Seconds without connection until a session is called disconnected (requirement C7.1)."""

SWEEP_INTERVAL: Final = 60.0
"""Seconds between two sweeps over expired sessions (requirement C7.1)."""

RTT_SAMPLES_MAX: Final = 16
"""Round trips that are remembered for each session (oldest dropped)."""

LISTEN_BACKLOG: Final = 4096
"""Connections that the kernel keeps waiting; with 100 a storm of 1000 takes ten seconds."""

HANDSHAKE_RATE: Final = 4000.0
"""Handshakes a second (503 with Retry-After past it)."""

HANDSHAKE_BURST: Final = 8000
"""Handshakes at once: a full house that comes back after a restart is welcome."""

ADDRESS_HANDSHAKE_RATE: Final = 200.0
"""Handshakes a second and address in the long run (503 with Retry-After past it)."""

ADDRESS_HANDSHAKE_BURST: Final = 4000
"""Handshakes at once and address: a hall sits behind one address and comes back together."""

MESSAGE_RATE: Final = 20.0
"""Messages a second of a session in the long run, over all its connections (error with retry_after; the client sends
them again after that time)."""

MESSAGE_BURST: Final = 80
"""Messages of a session at once."""

TIERS: Final = {"anonymous": 0.25, "member": 1.0, "operator": 2.0}
"""What a session of each tier may send, as a multiple of the two above."""

# --- storage --------------------------------------------------------------------------------

WRITE_QUEUE_MAX: Final = 50_000
"""Jobs that wait for the writer (``write`` waits for room, ``submit`` raises StorageBusyError)."""

WRITE_PATIENCE: Final = 10.0
"""Seconds that ``write`` waits for room in that queue (StorageBusyError with retry_after)."""

READ_QUEUE_MAX: Final = 10_000
"""Reads in threads that run or wait (StorageBusyError with retry_after)."""

WRITE_BATCH_MAX: Final = 2_000
"""Jobs in one transaction; more would make the first of them wait for long."""

BUSY_TIMEOUT: Final = 5.0
"""Seconds that SQLite waits for a lock of another connection."""

STORE_LOG_PAGES: Final = 4_000
"""Pages of 4 KiB in the write-ahead log of a database before it is written into the file (a checkpoint)."""

STORE_CACHE_BYTES: Final = 8 * 1024 * KIB
"""Pages that the writer of a database keeps in memory (the one unused longest is dropped)."""

# --- connections ----------------------------------------------------------------------------

GATEWAYS_MAX: Final = 1_000
"""Connections of one manager (refused)."""

ATTEMPT_RATE: Final = 50.0
"""Attempts to connect a second of one manager (others wait for their turn)."""

ATTEMPT_BURST: Final = 50
"""Attempts to connect at once."""

LISTENER_CONNECTIONS_MAX: Final = 10_000
"""Connections that one listener over TCP holds (a further one is cut)."""

# --- operations -----------------------------------------------------------------------------

ADMIN_TRIES: Final = 10
"""Tries to sign in to the dashboard a minute and address (429 with Retry-After)."""

ADMIN_COOKIES_MAX: Final = 100
"""Browsers that are signed in (the oldest is signed out)."""

COMMITS_COUNTED: Final = 1_000
"""Commits whose time is kept until it is read (the oldest is forgotten)."""

PANELS_MAX: Final = 20
"""Sections that programs add to one dashboard (the next one is a mistake of the program and refused)."""

PANEL_TABLES_MAX: Final = 10
"""Tables of one of them (a panel with more is shown as failing)."""

PANEL_ROWS_MAX: Final = 100
"""Rows of one table, so that an answer stays small (further ones are only counted)."""

TRENDS_MAX: Final = 20
"""Plots of one dashboard (the next one is a mistake of the program and refused)."""

METRIC_LABELS_MAX: Final = 50
"""Labels of one metric (further ones are counted as "other")."""

ALERTS_KEPT: Final = 500
"""Alerts that can still be looked at (the oldest is forgotten)."""

WEBHOOKS_PENDING_MAX: Final = 10
"""Alerts on their way to the webhook (the next one is only logged)."""

ERRORS_KEPT: Final = 1_000
"""Errors that can still be looked at (the oldest is forgotten)."""

ERROR_TEXT_MAX: Final = 1_000
"""Characters of an error's message (cut)."""

RECOVERIES_PENDING_MAX: Final = 100
"""Recoveries under way (the next error is not recovered from, and the log says so)."""

LOG_LINES_KEPT: Final = 2_000
"""Log lines in memory for the dashboard (the oldest is forgotten)."""

LOG_TEXT_MAX: Final = 8_000
"""Characters of one value in the log (cut)."""

LOG_DEPTH_MAX: Final = 5
"""Levels of a nested value in the log (deeper ones are written as text)."""

LOG_FILE_BYTES: Final = 20 * 1024 * KIB
"""Size at which the log file is rotated."""

LOG_FILES: Final = 5
"""Rotated log files that are kept (the oldest is deleted)."""

# --- delivery -------------------------------------------------------------------------------

OUTBOX_QUEUED_MAX: Final = 2_000_000
"""Messages that wait in one outbox (OutboxFullError)."""

OUTBOX_BODY_BYTES_MAX: Final = 1024 * KIB
"""One message (refused)."""

OUTBOX_DELIVERED_MAX: Final = 100_000
"""Delivered messages that can be asked for (the oldest is forgotten)."""

OUTBOX_DEAD_MAX: Final = 100_000
"""Dead letters (the oldest is forgotten, with a line in the log)."""

OUTBOX_WINDOW: Final = 128
"""Messages of one destination in memory (the others wait in the store)."""

OUTBOX_LANES_MAX: Final = 10_000
"""Destinations in memory (the others wait in the store for their turn)."""

OUTBOX_MEMORY_MAX: Final = 16 * 1024 * KIB
"""Bytes of bodies in memory (others are read when their turn comes)."""

OUTBOX_UNSTORED_MAX: Final = 4_000
"""Outcomes that are not stored yet (workers pause)."""

CHANGES_QUEUED_MAX: Final = 1_000
"""Changes that wait for one subscriber (the oldest is dropped, and counted)."""

INBOX_IDS_PER_SENDER: Final = 10_000
"""Ids of one sender that are remembered (the oldest is forgotten)."""

INBOX_IDS_MAX: Final = 2_000_000
"""Ids of all senders that are remembered (the oldest is forgotten)."""

INBOX_TTL: Final = 8 * 24 * 3600.0
"""Seconds that an id is remembered: longer than a message lives in its outbox."""

# --- node -----------------------------------------------------------------------------------

NODE_TTL: Final = 14 * 24 * 3600.0
"""Seconds until a message of a node expires: as long as a gateway keeps it."""

NODE_BODY_BYTES_MAX: Final = 48 * KIB
"""One message of a node (refused); fits the largest envelope with all that is around it."""

NODE_PAYLOAD_BYTES_MAX: Final = 63 * KIB
"""The ciphertext of one frame (refused); with its frame and seal it is the largest envelope."""

NODE_ID_MAX: Final = 64
"""Characters of a message's or a room's id (refused)."""

NODE_PLACES_MAX: Final = 4
"""Gateways that one mailbox is put on (refused)."""

NODE_LINK_MAX: Final = 2_900
"""Characters of an invitation (refused): what a QR code holds."""

NODE_KIND_MAX: Final = 32
"""Characters of a message's kind (refused)."""

NODE_NAME_MAX: Final = 80
"""Characters of a name of an identity, a contact, a room (refused; of a stranger: cut)."""

NODE_NOTE_MAX: Final = 200
"""Characters of the note in an invitation (refused)."""

NODE_IDENTITIES_MAX: Final = 20
"""Identities of one node (refused): each has connections of its own."""

NODE_CONTACTS_MAX: Final = 1_000
"""Contacts of one node, open invitations counted (refused)."""

NODE_ROOMS_MAX: Final = 100
"""Rooms of one node (refused)."""

NODE_ROOMS_PER_CONTACT: Final = 20
"""Rooms that one contact may open with us in them (a further one is not taken), so that he does not fill the list."""

NODE_INTRODUCED_MAX: Final = 250
"""Members of rooms who were invited for their owners and have not answered (a further one is not invited)."""

NODE_ROOM_CLOCK_STEP: Final = 1_000_000
"""Numbers by which one message may put a room's clock forward: a false one neither stops the clock nor leads it far."""

NODE_ROOM_MEMBERS_MAX: Final = 64
"""Members of one room (refused): a message is sealed for each."""

NODE_QUEUED_MAX: Final = 100_000
"""Messages of a node that nobody has acknowledged (OutboxFullError)."""

NODE_WINDOW: Final = 64
"""Messages to one contact that have a number and no acknowledgement (others wait for their turn)."""

NODE_HELD_MAX: Final = 256
"""Messages of one contact that are held back until earlier ones come (dropped, they come again)."""

NODE_HELD_BYTES_MAX: Final = 1024 * KIB
"""Bytes of them (dropped, they come again)."""

NODE_GAPS_MAX: Final = 32
"""Runs of messages that one acknowledgement names beyond the first gap (further ones are not named)."""

NODE_ACK_EVERY: Final = 16
"""Messages after which an acknowledgement does not wait any longer."""

NODE_SENDING_MAX: Final = 64
"""Deposits of one node under way at the same time (others wait for their turn)."""

NODE_KEYS_KEPT: Final = 256
"""Keys of each kind that a node keeps ready, of contacts it talks with (the one unused longest is made again)."""

NODE_TAKEN_MAX: Final = 256
"""Envelopes that are opened and stored in one transaction (others wait for the next)."""

NODE_ACKNOWLEDGEMENTS_MAX: Final = 256
"""Acknowledgements to gateways that are under way (past it, one that a gateway refuses for now is not made again: its
envelopes come once more with the next connection)."""

NODE_ARRIVED_BYTES_MAX: Final = 16 * 1024 * KIB
"""Bytes of envelopes that came and are not stored yet; gateways are not read from until half of them are."""

NODE_HISTORY_PAGE_MAX: Final = 500
"""Messages that one look into the history returns."""

NODE_SEARCH_MAX: Final = 50_000
"""Messages that one search opens, the newest first (older ones are not found, and the answer says so)."""

NODE_REKEY_INTERVAL: Final = 3600.0
"""Seconds between two new sessions with one contact at least (a broken one waits)."""

NODE_SESSIONS_AHEAD_MAX: Final = 100_000
"""Sessions by which a contact may be ahead of a node that was set back: one an hour for ten years (more is a lie)."""

NODE_ASK_INTERVAL: Final = 30.0
"""Seconds between two requests for a new session (not repeated sooner); the first may have been lost."""

NODE_ROOM_KEYS_MAX: Final = 1_000
"""Keys of one contact in all rooms (the oldest is forgotten; what it encrypted cannot be read)."""

NODE_ROOM_MESSAGES_PER_KEY: Final = 100
"""Messages of ours in a room after which it has a new key."""

NODE_ROOM_KEY_AGE: Final = 24 * 3600.0
"""Seconds after which a room has a new key of ours."""

# --- mailboxes of gateways ------------------------------------------------------------------

MAILBOXES_MAX: Final = 200_000
"""Mailboxes of one gateway, about 0.5 kB of memory each (a new one is refused with retry_after)."""

MAILBOX_ENVELOPES_MAX: Final = 1_000
"""Envelopes that wait in one mailbox (a deposit is refused with retry_after, nothing is dropped)."""

MAILBOX_BYTES_MAX: Final = 16 * 1024 * KIB
"""Bytes that wait in one mailbox (as for envelopes)."""

MAILBOX_STORE_BYTES_MAX: Final = 16 * 1024 * 1024 * KIB
"""Bytes that wait in all mailboxes of one gateway (as for envelopes)."""

MAILBOX_ENVELOPE_TTL: Final = 14 * 24 * 3600.0
"""Seconds that an envelope waits for its reader (then it is deleted; its sender was not told that it arrived)."""

MAILBOX_IDLE: Final = 90 * 24 * 3600.0
"""Seconds without its reader after which a mailbox is deleted with all that is in it."""

ENVELOPE_BYTES_MAX: Final = 68 * KIB
"""One envelope: the largest size class of 64 KiB with its seal (refused)."""

MAILBOX_FRAME_BYTES_MAX: Final = 70 * KIB
"""One message between a client and a gateway: an envelope and what is written on it (cut)."""

MAILBOX_UNWRITTEN_MAX: Final = 64 * 1024 * KIB
"""Bytes that were deposited and are not on the disk yet (a deposit is refused with retry_after)."""

MAILBOX_WINDOW: Final = 512
"""Envelopes of one mailbox that are with its reader and not acknowledged (the others wait for that). More than a
reader may hold back to put them in order, or the one that is missing could not come."""

MAILBOX_WINDOW_BYTES: Final = 4 * 1024 * KIB
"""Bytes of them (as for their number)."""

MAILBOX_FETCH: Final = 64
"""Envelopes that are read from the store for one reader at a time."""

MAILBOX_READER_QUEUE: Final = 512 * KIB
"""Bytes on their way to one reader past which further envelopes stay in the store until he has read."""

MAILBOX_ACKNOWLEDGED_MAX: Final = 1_024
"""Envelopes that one request acknowledges (refused as malformed)."""

MAILBOXES_PER_CONNECTION: Final = 1_024
"""Mailboxes that one connection reads (a further one is refused)."""

MAILBOX_REQUEST_RATE: Final = 500.0
"""Requests a second and connection in the long run (refused with retry_after)."""

MAILBOX_REQUEST_BURST: Final = 4_000
"""Requests at once: an outbox of a week is welcome."""

MAILBOX_REFUSALS_MAX: Final = 100
"""Requests of one connection that are refused for its rate, its proofs or its tokens (then it is cut)."""

MAILBOX_DEPOSIT_RATE: Final = 20.0
"""Deposits a second into one mailbox in the long run (refused with retry_after)."""

MAILBOX_DEPOSIT_BURST: Final = 1_000
"""Deposits into one mailbox at once: as many as it holds."""

MAILBOX_CREATE_RATE: Final = 0.2
"""New mailboxes a second and address in the long run (refused with retry_after); a piping gateway is one address."""

MAILBOX_CREATE_BURST: Final = 500
"""New mailboxes at once and address: a node with all its contacts moves in."""

MAILBOX_CONNECTIONS_MAX: Final = 20_000
"""Connections of one gateway (a further one is cut)."""

MAILBOX_ADDRESS_CONNECTIONS_MAX: Final = 4_000
"""Connections of one gateway from one address, which may be another gateway with all its users (cut)."""

MAILBOX_READ_TIMEOUT: Final = 90.0
"""Seconds without a byte from a client, whose heartbeat is shorter (cut)."""

PIPES_MAX: Final = 4_000
"""Pipes through one gateway (refused with retry_after)."""

PIPES_PER_ADDRESS: Final = 256
"""Pipes through one gateway from one address (refused with retry_after)."""

PIPE_TARGETS_MAX: Final = 64
"""Gateways that one gateway pipes to (refused when it is started)."""

PIPE_CONNECT_TIMEOUT: Final = 5.0
"""Seconds that the gateway at the other end has to answer (refused)."""

PIPE_BUFFER: Final = 256 * KIB
"""Bytes that a pipe holds for one end before the other is not read from."""

MAILBOX_CALLS_MAX: Final = 4_096
"""Requests of a client to one gateway that are not answered yet (OutboxFullError)."""

MAILBOX_RETRY_MAX: Final = 3600.0
"""Seconds that a gateway may ask us to wait (a longer time is taken as this one): a lie must not silence a message."""

PIPE_RETRY_MAX: Final = 10.0
"""Seconds that a gateway may let us wait for a pipe (likewise): after two attempts another gateway is asked to pipe."""

MAILBOX_LINES_MAX: Final = 256
"""Connections of a client to one gateway, where each mailbox has its own (the one unused longest is closed)."""

# --- HTTP -----------------------------------------------------------------------------------

HTTP_BODY_BYTES_MAX: Final = 256 * KIB
"""One request body (413). The largest quiz allowed has about 150 kB."""

HTTP_HEAD_BYTES_MAX: Final = 64 * KIB
"""The head of a request, up to one read of the socket (cut)."""

HTTP_REQUEST_TIMEOUT: Final = 10.0
"""Seconds from a connection, or a request's first byte, until the request is complete (cut)."""

HTTP_RATE: Final = 50.0
"""Requests a second and address in the long run (429 with Retry-After)."""

HTTP_BURST: Final = 2_000
"""Requests at once and address: a hall sits behind one address and joins together."""

HTTP_TIERS: Final = {"member": (10.0, 200), "operator": (20.0, 400)}
"""Requests a second and at once of somebody who is known by a cookie, whatever the address (429 with Retry-After)."""

VISITORS_MAX: Final = 100_000
"""Known visitors of a tier whose request rate is remembered (the one seen longest ago is forgotten)."""

COOKIES_MAX: Final = 30
"""Cookies of one request that are looked at."""

ADDRESSES_MAX: Final = 10_000
"""Addresses whose request rate is remembered (the one seen longest ago is forgotten)."""
