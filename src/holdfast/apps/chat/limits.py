"""Every bound of the chat's program, with its unit and its reason.

What happens at each bound stands behind it in parentheses. House units: bytes, seconds, counts.
"""

from __future__ import annotations

from typing import Final

KIB: Final = 1024

TEXT_MAX: Final = 8_000
"""Characters of one message (refused, 12002; the page cuts no text, it says how many are too many)."""

NAME_MAX: Final = 60
"""Characters of the name of an identity, a contact, a room or a file's beginning (refused, 12002)."""

LINK_MAX: Final = 16 * KIB
"""Characters of an invitation; one with two gateways and a hybrid key has about 2,500 (refused, 12002)."""

PAGE_ROWS: Final = 60
"""Messages that one request for history returns; two screens (more are asked for by scrolling)."""

CHANGES_KEPT: Final = 1_000
"""Changes of messages that a conversation remembers for its pages (beyond, a page reads the latest rows anew)."""

FOUND_MAX: Final = 50
"""Messages that a search returns, the newest first (more words find fewer)."""

WISHES_MAX: Final = 2_000
"""Messages of pages that the node has not taken yet (further ones refused, 12004, with retry_after)."""

ERRORS_SHOWN: Final = 100
"""Errors that the list behind the bar shows, the newest first (older ones are in the log)."""

SHOWN_EVERY: Final = 0.1
"""Seconds between two updates of the pages; what changes more often is shown by its last state."""

FILE_BYTES_MAX: Final = 8 * KIB * KIB
"""Bytes of an attachment (refused, 12005): at two gateways that is a mailbox of 16 MB half full."""

PIECE_BYTES: Final = 24 * KIB
"""Bytes of one piece; with its frame it fits the second largest envelope."""

PIECES_UNDER_WAY: Final = 16
"""Pieces of one attachment that wait for their acknowledgement (the next one waits); a talk beside it goes on."""

FILES_WAITING: Final = 100
"""Attachments on their way to the node (a further one is refused, 12004)."""

FILES_WAITING_BYTES: Final = 128 * KIB * KIB
"""Bytes of their pieces (refused, 12004)."""

ARRIVALS_KNOWN: Final = 500
"""Attachments whose pieces are counted in memory (the one looked at longest ago is counted anew when asked for)."""

PARTIAL_LIFE: Final = 14 * 24 * 3600.0
"""Seconds that an attachment that was never handed over whole is kept for its page to go on (then dropped)."""

TOKEN_TRIES: Final = 20
"""Wrong tokens a minute (then refused for as long as the bucket needs)."""

TOKEN_BYTES: Final = 24
"""Random bytes of the page's token."""

BRIEF_MAX: Final = 120
"""Characters of the last message in the list of conversations (cut)."""

TROUBLE_MAX: Final = 300
"""Characters of why a gateway is not connected: a sentence with the name of an onion service; more is cut off."""

GATEWAYS_MAX: Final = 32
"""Gateways in the profile of a node (a profile with more is refused); each costs a connection."""
