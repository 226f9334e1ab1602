"""Messages that must arrive: a durable outbox at the sender, once at the receiver."""

from typing import Final

from holdfast.delivery import store
from holdfast.delivery.message import Change, DeadLetter, DeliveryState, Message, Tracked
from holdfast.delivery.outbox import Outbox
from holdfast.delivery.settings import OutboxSettings

MIGRATIONS: Final = {"outbox": store.MIGRATIONS}

__all__ = [
    "MIGRATIONS",
    "Change",
    "DeadLetter",
    "DeliveryState",
    "Message",
    "Outbox",
    "OutboxSettings",
    "Tracked",
]
