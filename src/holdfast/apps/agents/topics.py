"""Who wants to hear of what, with one peer, without I/O.

Theory. A wish is the whole set of topics, with a version: said again until it is noted, renewed within its lease, and
once more when the peer has begun anew. So both ends may forget everything and it comes right by itself. Events are
sent once. They are counted for each peer, so that one that was lost is seen as a gap; what must arrive is a request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdfast.apps.agents import limits
from holdfast.apps.agents.effects import Effect, Heard, Send
from holdfast.apps.agents.errors import AgentCode, AgentError
from holdfast.apps.agents.wire import Event, Kept, Topics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.apps.agents.settings import ConversationSettings

RENEWALS: Final = 3
"""Times that a wish is said within its lease."""


class Wishes:
    """What this node wants to hear of from one peer.

    Args:
        epoch: the life of this node.
        settings: of the conversation.
    """

    def __init__(self, epoch: str, settings: ConversationSettings) -> None:
        self._epoch = epoch
        self._settings = settings
        self._topics: tuple[str, ...] = ()
        self._version = 0
        self._is_noted = True
        self._again_at: float | None = None
        self._tries = 0
        self._their_epoch = ""
        self._heard = -1

    @property
    def topics(self) -> tuple[str, ...]:
        """What is wanted."""
        return self._topics

    def want(self, topics: Iterable[str], now: float) -> list[Effect]:
        """Want these and no others.

        Raises:
            AgentError: TOO_MANY.
        """
        wanted = tuple(sorted(set(topics)))
        if len(wanted) > limits.TOPICS_MAX:
            raise AgentError(
                AgentCode.TOO_MANY, f"{len(wanted)} topics; {limits.TOPICS_MAX} are allowed."
            )
        if wanted == self._topics:
            return []
        self._topics = wanted
        self._version += 1
        return self.say(now)

    def say(self, now: float) -> list[Effect]:
        """Say what is wanted, as something new or because the peer may not know it."""
        if not self._version:
            return []
        self._is_noted = False
        self._tries = 0
        return self._said(now)

    def noted(self, frame: Kept, now: float) -> None:
        """The peer knows it."""
        if frame.version == self._version:
            self._is_noted = True
            # Nothing that is wanted needs no renewal.
            lease = self._settings.topics_lease / RENEWALS
            self._again_at = now + lease if self._topics else None

    def event(self, frame: Event) -> list[Effect]:
        """Something happened at the peer; what came before it by number is missed or was heard."""
        if frame.epoch != self._their_epoch:
            self._their_epoch, self._heard = frame.epoch, frame.seq - 1
        if frame.seq <= self._heard:
            return []
        missed = frame.seq - self._heard - 1
        self._heard = frame.seq
        if not any(matches(topic, frame.topic) for topic in self._topics):
            return []  # it was wanted when it was sent
        return [Heard(frame.topic, frame.body, missed)]

    def next_deadline(self) -> float | None:
        """When to call ``on_time``; None when there is nothing to wait for."""
        return self._again_at

    def on_time(self, now: float) -> list[Effect]:
        """Say it again."""
        if self._again_at is None or now < self._again_at:
            return []
        return self._said(now)

    def _said(self, now: float) -> list[Effect]:
        wait = self._settings.topics_lease / RENEWALS
        if not self._is_noted:
            wait = min(wait, self._settings.resend * 2 ** min(self._tries, 10))
        self._tries += 1
        self._again_at = now + wait
        return [Send(Topics(self._epoch, self._version, self._topics), wait)]


class Audience:
    """What one peer wants to hear of from this node.

    Args:
        epoch: the life of this node.
        settings: of the conversation.
    """

    def __init__(self, epoch: str, settings: ConversationSettings) -> None:
        self._epoch = epoch
        self._settings = settings
        self._topics: tuple[str, ...] = ()
        self._their_epoch = ""
        self._version = -1
        self._until = 0.0
        self._seq = 0

    def wanted(self, frame: Topics, now: float) -> list[Effect]:
        """The peer has said what it wants; an older wish of the same life changes nothing."""
        if frame.epoch == self._their_epoch and frame.version < self._version:
            return []
        self._their_epoch, self._version = frame.epoch, frame.version
        self._topics = frame.topics
        self._until = now + self._settings.topics_lease
        return [Send(Kept(frame.version), self._settings.resend_max)]

    def wants(self, topic: str) -> bool:
        """Say whether the peer has asked for a topic."""
        return any(matches(wanted, topic) for wanted in self._topics)

    def tell(self, topic: str, body: bytes, now: float) -> list[Effect]:
        """Send an event, if the peer wants it."""
        if now >= self._until or not self.wants(topic):
            return []
        self._seq += 1
        return [Send(Event(self._epoch, self._seq, topic, body), limits.EVENT_TTL)]


def matches(wanted: str, topic: str) -> bool:
    """Say whether a topic is wanted: exactly, or by a prefix that ends in ``.*``, or by ``*``."""
    if wanted == "*":
        return True
    if wanted.endswith(".*"):
        return topic.startswith(wanted[:-1])
    return topic == wanted
