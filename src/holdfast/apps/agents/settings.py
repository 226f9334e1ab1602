"""What a node of agents may be told; the defaults suit a way through mailboxes."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.apps.agents import limits


@dataclass(frozen=True, kw_only=True)
class ConversationSettings:
    """When the machines say something again.

    Attributes:
        resend: seconds until an unanswered request is said again, doubling while nobody has accepted it.
        resend_max: seconds between two times at most, and between questions after an accepted one.
        accept_after: seconds that a request may run before the caller is told that it is here.
        chunk_resend: seconds until unconfirmed pieces of a stream are sent again, doubling.
        confirm_after: seconds that the arrival of a piece may stay unconfirmed.
        patience: seconds without progress after which a stream is broken.
        answer_ttl: seconds that an answer is kept.
        topics_lease: seconds that a wish for topics is good.
    """

    resend: float = 3.0
    resend_max: float = 20.0
    accept_after: float = 0.5
    chunk_resend: float = 2.0
    confirm_after: float = 0.1
    patience: float = limits.STREAM_PATIENCE
    answer_ttl: float = limits.ANSWER_TTL
    topics_lease: float = limits.TOPICS_LEASE
