"""Messages that must arrive: a durable outbox at the sender, once at the receiver."""

from typing import Final

from holdfast.delivery import inbox, store
from holdfast.delivery.feed import Feed
from holdfast.delivery.inbox import Accepted, Inbox
from holdfast.delivery.message import Change, DeadLetter, DeliveryState, Message, Tracked
from holdfast.delivery.outbox import Outbox
from holdfast.delivery.retry_system import (
    MessageRetrySystem,
    get_retry_system,
    set_retry_system,
)
from holdfast.delivery.settings import OutboxSettings

MIGRATIONS: Final = {"outbox": store.MIGRATIONS, "inbox": inbox.MIGRATIONS}
"""Tables of both, for a ``Database``."""

__all__ = [
    "MIGRATIONS",
    "Accepted",
    "Change",
    "DeadLetter",
    "DeliveryState",
    "Feed",
    "Inbox",
    "Message",
    "MessageRetrySystem",
    "Outbox",
    "OutboxSettings",
    "Tracked",
    "get_retry_system",
    "set_retry_system",
]
