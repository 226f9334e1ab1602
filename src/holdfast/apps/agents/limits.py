"""Every bound of the agents, with its unit and its reason; what happens at it stands in parentheses."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024

BODY_BYTES_MAX: Final = 40 * KIB
"""Bytes of one request, reply or event as JSON (BODY_TOO_LARGE); larger things go as a stream."""

CHUNK_BYTES_MAX: Final = 32 * KIB
"""Bytes of one piece of a stream as JSON (BODY_TOO_LARGE)."""

FRAME_BYTES_MAX: Final = 44 * KIB
"""Bytes of one frame between nodes (dropped, with a line in the log); a body and its envelope."""

AGENTS_MAX: Final = 100
"""Agents of one node (TOO_MANY)."""

NAME_LENGTH_MAX: Final = 40
"""Characters of an agent's name (ADDRESS_INVALID)."""

PEERS_MAX: Final = 1_000
"""Peers that a node talks with at once (the one that was silent longest is forgotten, if nothing is open with it)."""

CALLS_OUT_MAX: Final = 256
"""Open calls to one peer (TOO_MANY); what is more would only wait there."""

CALLS_IN_MAX: Final = 256
"""Requests of one peer that wait or run (refused with retry_after)."""

CALL_TIMEOUT: Final = 30.0
"""Seconds that a call has when its caller does not say."""

CALL_TIMEOUT_MAX: Final = 24 * 3600.0
"""Seconds that a call may have (shortened); as long as answers are kept."""

ANSWER_TTL: Final = 24 * 3600.0
"""Seconds that an answer is kept and its request not run again (then forgotten)."""

ANSWERS_PER_PEER: Final = 10_000
"""Answers kept for one peer (its oldest is forgotten); a peer that floods pushes out its own."""

ANSWERS_MAX: Final = 200_000
"""Answers kept for all peers (the oldest is forgotten)."""

CANCELLED_KEPT: Final = 1_000
"""Ids of calls that one peer has withdrawn before they arrived (the oldest is forgotten)."""

CLOCK_TOLERANCE: Final = 120.0
"""Seconds that two clocks may differ; a request that is later than its time and this is not run (REQUEST_STALE)."""

STREAM_WINDOW: Final = 16
"""Pieces of a stream that may be under way or unread (the writer waits); half a megabyte at most."""

STREAMS_MAX: Final = 128
"""Streams of one peer, both ways (TOO_MANY)."""

STREAM_PATIENCE: Final = 60.0
"""Seconds without progress after which a stream with unconfirmed pieces is broken (STREAM_BROKEN)."""

TOPICS_MAX: Final = 64
"""Topics that one peer may want (refused, the others stay)."""

TOPIC_LENGTH_MAX: Final = 120
"""Characters of a topic (TOPIC_INVALID)."""

TOPICS_LEASE: Final = 180.0
"""Seconds that a wish for topics is good (then forgotten); it is renewed each third of that."""

EVENT_TTL: Final = 60.0
"""Seconds that an event may be under way (then it is lost, and counted as missed)."""

EVENTS_QUEUED_MAX: Final = 1_000
"""Events that wait for one reader (the oldest is dropped, and counted as missed)."""

FRAMES_QUEUED_MAX: Final = 2_000
"""Frames that wait for the way to one peer (the oldest is dropped; what it said is said again)."""

PEER_RATE: Final = 100.0
"""Frames a second of one peer in the long run (dropped; requests are refused with retry_after)."""

PEER_BURST: Final = 400
"""Frames of one peer at once."""

LINE_BYTES_MAX: Final = 256 * KIB
"""Bytes of one line of a subprocess (it is killed and started again)."""

LOG_LINE_BYTES_MAX: Final = 4 * KIB
"""Bytes of one line that a subprocess writes for the log (cut)."""

CHILD_CALLS_MAX: Final = 64
"""Calls that a subprocess may have open (answered with TOO_MANY)."""

CONTROL_CONNECTIONS_MAX: Final = 16
"""Commands that talk with a running node at once (cut)."""

CHILD_QUEUE_BYTES_MAX: Final = 8 * 1024 * KIB
"""Bytes that wait for a subprocess to read them (it does not read: it is killed and started again)."""

CHILD_TRIES_MAX: Final = 3
"""Lives of a subprocess that a request that may run again can outlive (then CALL_INTERRUPTED): it may be what kills."""

CHILD_LOG_RATE: Final = 50.0
"""Lines a second that a subprocess may write for the log in the long run (left out, and counted)."""

CHILD_LOG_BURST: Final = 500
"""Lines that it may write at once."""

FRAMES_UNDER_WAY_MAX: Final = 4_000
"""Frames in a node's outbox that are not put there again (the oldest is forgotten: it may be there twice)."""

CONFIG_BYTES_MAX: Final = 256 * KIB
"""Bytes of a configuration (CONFIG_INVALID)."""

CONTROL_LINE_BYTES_MAX: Final = 256 * KIB
"""Bytes of a line between a command and its node (cut)."""
